/** Settings of the SIP side: transports, other domains, trunks, bounds. */
import type { TrunkSettings } from '../ports/trunk.ts';
import { positive, port } from './settings-entry.ts';

/** Where telephone numbers lead, as a settings file gives it. */
export interface NumberRouteSettings {
  readonly prefix: string;
  readonly user?: string;
  readonly trunks?: readonly string[];
  readonly strip?: number;
  readonly prepend?: string;
}

/** One SIP listener as a settings file gives it. */
export interface ListenerSettings {
  readonly name: string;
  readonly transport: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';
  readonly address: string;
  readonly port: number;
  /** `proxy` (default) or `redirect`. */
  readonly role?: 'proxy' | 'redirect';
  readonly digest?: readonly ('MD5' | 'SHA-256' | 'SHA-512-256')[];
}

export const sipSchema = {
  address: {
    doc: 'Address of the default SIP listeners.',
    format: String,
    default: '0.0.0.0',
    env: 'CHORDIAL_SIP_ADDRESS',
  },
  port: port('UDP and TCP port of the default listeners; 0: none.', 5060, 'CHORDIAL_SIP_PORT'),
  tlsPort: port('TLS port of the default listeners; 0: none.', 5061, 'CHORDIAL_SIP_TLS_PORT'),
  wsPort: port('WebSocket port of the default listeners; 0: none.', 5066, 'CHORDIAL_SIP_WS_PORT'),
  wssPort: port(
    'Secure WebSocket port of the default listeners; 0: none.',
    0,
    'CHORDIAL_SIP_WSS_PORT',
  ),
  edge: {
    doc: 'Who terminates the transports of phones: this program (`embedded`, the default listeners) or a drachtio server (then only `sip.listeners` are opened); see drachtio.md.',
    format: ['embedded', 'drachtio'],
    default: 'embedded',
    env: 'CHORDIAL_SIP_EDGE',
  },
  drachtio: {
    host: {
      doc: 'Address at which the drachtio server takes applications.',
      format: String,
      default: '127.0.0.1',
      env: 'CHORDIAL_DRACHTIO_HOST',
    },
    port: port(
      'Port at which the drachtio server takes applications.',
      9022,
      'CHORDIAL_DRACHTIO_PORT',
    ),
    secretFile: {
      doc: 'File with the secret of the drachtio server; the secret itself may be given in the environment instead, as `CHORDIAL_DRACHTIO_SECRET`.',
      format: String,
      default: '',
      env: 'CHORDIAL_DRACHTIO_SECRET_FILE',
    },
    hop: {
      doc: 'UDP address (`address:port`) of the drachtio server on this machine, to which requests for phones are sent.',
      format: String,
      default: '127.0.0.1:5060',
      env: 'CHORDIAL_DRACHTIO_HOP',
    },
    listen: {
      doc: 'UDP address (`address:port`) to which the drachtio server sends the requests of phones; on loopback.',
      format: String,
      default: '127.0.0.1:5070',
      env: 'CHORDIAL_DRACHTIO_LISTEN',
    },
    advertised: {
      doc: 'Addresses by which phones reach the drachtio server, as `transport/address:port`, where they are not those it listens on (behind port forwarding).',
      format: 'strings',
      default: [] as string[],
      env: 'CHORDIAL_DRACHTIO_ADVERTISED',
    },
  },
  listeners: {
    doc: 'Listeners beside the default ones: {name, transport, address, port, role, digest}.',
    format: 'listeners',
    default: [] as ListenerSettings[],
    env: 'CHORDIAL_SIP_LISTENERS',
  },
  certificates: {
    doc: 'Certificates of the TLS and WSS listeners: {cert, key}, PEM files (from the data directory where relative). A client gets the one for the name it asks for, else the first; without any the box makes its own. Changed files are taken up within seconds.',
    format: 'certificates',
    default: [] as { readonly cert: string; readonly key: string }[],
    env: 'CHORDIAL_SIP_CERTIFICATES',
  },
  clientCa: {
    doc: 'PEM file with the issuers of client certificates; phones are asked for one. Empty: they are not.',
    format: String,
    default: '',
    env: 'CHORDIAL_SIP_CLIENT_CA',
  },
  requireClientCertificate: {
    doc: 'True turns away TLS and WSS clients without a certificate of those issuers.',
    format: 'switch',
    default: false,
    env: 'CHORDIAL_SIP_REQUIRE_CLIENT_CERTIFICATE',
  },
  aliases: {
    doc: 'Further names of this box that stand for the overlay domain in URIs.',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_SIP_ALIASES',
  },
  publicAddresses: {
    doc: 'Where callers reach this box without the overlay (`transport/host:port`, udp, tcp or tls), most preferred first, at most 4: its records tell them to callers that are redirected (302). Empty: those are led through the overlay.',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_SIP_PUBLIC',
  },
  digest: {
    doc: 'Digest algorithms offered to phones, in this order. baresip and SIPp give up on anything but MD5 alone.',
    format: 'digest-algorithms',
    default: ['MD5'] as ('MD5' | 'SHA-256' | 'SHA-512-256')[],
    env: 'CHORDIAL_SIP_DIGEST',
  },
  authenticate: {
    doc: 'False turns off digest authentication of phones. For closed benches only.',
    format: 'switch',
    default: true,
    env: 'CHORDIAL_SIP_AUTHENTICATE',
  },
  outsideCalls: {
    doc: 'True takes calls from other domains to users of this one; calls to other domains are for users only, always.',
    format: 'switch',
    default: true,
    env: 'CHORDIAL_SIP_OUTSIDE_CALLS',
  },
  dnsServers: {
    doc: 'DNS servers (`address` or `address:port`) asked for other domains; empty: those of the machine.',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_SIP_DNS',
  },
  trunks: {
    doc: 'PBXs and providers: {name, uri, user, password, register, sources, account, trusted, healthS}; see docs/trunks.md.',
    format: 'trunks',
    default: [] as TrunkSettings[],
    env: 'CHORDIAL_SIP_TRUNKS',
    sensitive: true,
  },
  numberRoutes: {
    doc: 'Where telephone numbers lead: {prefix, user} or {prefix, trunks, strip, prepend}; see docs/trunks.md.',
    format: 'number-routes',
    default: [] as NumberRouteSettings[],
    env: 'CHORDIAL_SIP_NUMBERS',
  },
  overloadDelayMs: positive(
    'Delay of the event loop (ms, average of each second, for three seconds in a row) above which new calls and registrations get 503; 0: no limit. See performance.md.',
    1000,
    'CHORDIAL_OVERLOAD_DELAY',
  ),
  overloadTransactions: positive(
    'SIP transactions alive above which new calls and registrations get 503; 0: no limit.',
    100_000,
    'CHORDIAL_OVERLOAD_TRANSACTIONS',
  ),
  sessionExpiresS: positive(
    'Longest time between refreshes of a call that this box asks for (RFC 4028), so that calls of vanished phones end; 0: it asks for none.',
    0,
    'CHORDIAL_SESSION_EXPIRES',
  ),
  minSessionExpiresS: positive(
    'Shortest such time that is accepted, at least 90; less is answered 422.',
    90,
    'CHORDIAL_SESSION_MIN',
  ),
  nonceLifetimeS: positive('Seconds for which a nonce is good.', 300, 'CHORDIAL_NONCE_LIFETIME'),
  timerCMs: positive(
    'Milliseconds without a provisional answer after which a forwarded INVITE is given up.',
    181_000,
    'CHORDIAL_TIMER_C',
  ),
  callerPolicy: {
    doc: 'What happens to a call from another box whose caller it may not speak for.',
    format: ['refuse', 'anonymise'],
    default: 'anonymise',
    env: 'CHORDIAL_CALLER_POLICY',
  },
};
