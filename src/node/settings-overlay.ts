/** Settings of overlay links, and of the part a box plays in the overlay. */
import { limits } from '../base/limits.ts';
import { positive, port } from './settings-entry.ts';

export const linkSchema = {
  address: {
    doc: 'Address on which overlay links are accepted.',
    format: String,
    default: '0.0.0.0',
    env: 'CHORDIAL_LINK_ADDRESS',
  },
  port: port('TCP and UDP port for overlay links.', 6084, 'CHORDIAL_LINK_PORT'),
  sipPort: port(
    'TCP port for SIP connections of other boxes (application 5060).',
    6085,
    'CHORDIAL_LINK_SIP_PORT',
  ),
  sipsPort: port(
    'TCP port for SIPS connections of other boxes (application 5061).',
    6086,
    'CHORDIAL_LINK_SIPS_PORT',
  ),
  protocol: {
    doc: 'What `init` gives a new overlay: TLS over TCP, DTLS over UDP, both without ICE, or DTLS over UDP with ICE, which finds ways through NATs (RFC 6940 §6.6).',
    format: ['tls', 'dtls', 'tls+dtls', 'dtls-ice'],
    default: 'tls',
    env: 'CHORDIAL_LINK_PROTOCOL',
  },
  stunServers: {
    doc: 'STUN servers (`address:port`) beside the peers of the overlay, which are STUN servers of each other; with ICE.',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_STUN_SERVERS',
  },
  turnServers: {
    doc: 'TURN servers (`username:password@address:port`) for ways that cannot be direct; with ICE.',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_TURN_SERVERS',
    sensitive: true,
  },
  announcedTurn: {
    doc: 'A TURN server (`address:port`, in public) that this box offers to the others of the overlay; empty: none.',
    format: String,
    default: '',
    env: 'CHORDIAL_TURN_ANNOUNCED',
  },
  turnCredentials: {
    doc: 'What this box logs in with (`username:password`) at TURN servers that others offer; empty: it uses none of them.',
    format: String,
    default: '',
    env: 'CHORDIAL_TURN_CREDENTIALS',
    sensitive: true,
  },
  icePorts: {
    doc: 'UDP ports (`from-to`) of connections made with ICE, for firewalls; empty: the system chooses.',
    format: String,
    default: '',
    env: 'CHORDIAL_ICE_PORTS',
  },
  publicAddresses: {
    doc: 'Addresses told to other boxes for links; empty: the listening address, or all of this box.',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_LINK_PUBLIC',
  },
  bootstrap: {
    doc: 'Further bootstrap nodes (`address:port`) beside those of the configuration document.',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_BOOTSTRAP',
  },
  keyLog: {
    doc: 'File to which TLS secrets of links are appended for tshark; empty: none. For tests only.',
    format: String,
    default: '',
    env: 'CHORDIAL_KEYLOG',
  },
};

export const overlaySchema = {
  role: {
    doc: 'What this box is in the overlay: a peer stores and forwards for others; a client only uses it (RFC 6940 §4.2).',
    format: ['peer', 'client'],
    default: 'peer',
    env: 'CHORDIAL_OVERLAY_ROLE',
  },
  clientRouting: {
    doc: 'How others reach a client: by its Node-ID at the responsible peer, or through any peer that it is linked with (RFC 6940 §4.2.1).',
    format: ['responsible-peer', 'any-peer'],
    default: 'responsible-peer',
    env: 'CHORDIAL_CLIENT_ROUTING',
  },
  promoteAfterS: positive(
    'Seconds after which a client becomes a peer; 0: never.',
    0,
    'CHORDIAL_PROMOTE_AFTER',
  ),
  viaLists: {
    doc: 'How requests on their way remember their way back: full Via Lists, two bytes per hop (slots), or kept here under an opaque id or the transaction (state); the last two hide who asks.',
    format: ['full', 'slots', 'opaque', 'state'],
    default: 'full',
    env: 'CHORDIAL_VIA_LISTS',
  },
  fragmentBytes: positive(
    'Messages above this many bytes leave in fragments (at least 300); 0: whole, where the link can carry them.',
    0,
    'CHORDIAL_FRAGMENT_BYTES',
  ),
  neighborMessagesPerS: positive(
    'Messages per second that one neighbor may send; more are dropped and counted.',
    limits.overlay.neighborRate.perSecond,
    'CHORDIAL_NEIGHBOR_RATE',
  ),
  neighborBurst: positive(
    'Messages that one neighbor may send at once.',
    limits.overlay.neighborRate.burst,
    'CHORDIAL_NEIGHBOR_BURST',
  ),
  userCertificatesPerS: positive(
    'Certificates of users that are stored in the overlay per second, so that others find them by name and Node-ID; 0: none are.',
    4,
    'CHORDIAL_USER_CERTIFICATES',
  ),
  fetchFrom: {
    doc: 'Whom a lookup asks: the responsible peer, or also the holders of its replicas in parallel, taking the newest valid value (slower, but no single storer can hide or roll back a registration).',
    format: ['responsible', 'replicas'],
    default: 'responsible',
    env: 'CHORDIAL_FETCH_FROM',
  },
};
