/** Settings about phones: registrations, logins, and floods of requests without one. */
import { positive } from './settings-entry.ts';

export const registrarSchema = {
  defaultExpiresS: positive(
    'Lifetime of a binding when the phone names none.',
    3600,
    'CHORDIAL_EXPIRES_DEFAULT',
  ),
  minExpiresS: positive(
    'Shortest lifetime granted; less is answered 423.',
    10,
    'CHORDIAL_EXPIRES_MIN',
  ),
  maxExpiresS: positive('Longest lifetime granted.', 7200, 'CHORDIAL_EXPIRES_MAX'),
  maxContacts: positive('Bindings of one user at this box.', 16, 'CHORDIAL_MAX_CONTACTS'),
  maxContactsPerDevice: positive(
    'Bindings of one device (`+sip.instance`) of a user: its flows.',
    4,
    'CHORDIAL_MAX_CONTACTS_PER_DEVICE',
  ),
  acceptUnannouncedPath: {
    doc: 'True takes a REGISTER with Path of a phone that does not list `path` in Supported; else it is answered 420.',
    format: 'switch',
    default: false,
    env: 'CHORDIAL_ACCEPT_PATH',
  },
  serviceRoute: {
    doc: 'SIP URIs that phones put before their requests as Route (Service-Route, RFC 3608).',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_SERVICE_ROUTE',
  },
  flowTimerS: positive(
    'Flow-Timer told to phones with outbound (RFC 5626): they keep their flow alive at least that often; 0: none, they use their own interval.',
    0,
    'CHORDIAL_FLOW_TIMER',
  ),
  natExpiresS: positive(
    'Longest lifetime granted to a phone on UDP behind a NAT; 0: as any other.',
    0,
    'CHORDIAL_NAT_EXPIRES',
  ),
  natPingS: positive(
    'Seconds between pings to a phone behind a NAT that does not use outbound; 0: none.',
    30,
    'CHORDIAL_NAT_PING',
  ),
  natPing: {
    doc: 'What such a ping is on UDP: an OPTIONS, which the phone answers, or only a CRLF CRLF.',
    format: ['options', 'crlf'],
    default: 'options',
    env: 'CHORDIAL_NAT_PING_KIND',
  },
  natPingsLost: positive(
    'Pings by OPTIONS in a row without an answer after which the binding of a phone that used to answer them is removed; 0: never.',
    3,
    'CHORDIAL_NAT_PINGS_LOST',
  ),
};

export const authSchema = {
  maxFailures: positive(
    'Failed logins of one source address until it is banned; 0: never.',
    20,
    'CHORDIAL_AUTH_MAX_FAILURES',
  ),
  maxUserFailures: positive(
    'Failed logins of one user, from anywhere, until only sources where a phone of the user is registered may log in; 0: never.',
    100,
    'CHORDIAL_AUTH_MAX_USER_FAILURES',
  ),
  banS: positive(
    'Seconds that a ban lasts; failures longer ago do not count.',
    300,
    'CHORDIAL_AUTH_BAN',
  ),
  exemptNetworks: {
    doc: 'Addresses and networks (CIDR) that are never banned.',
    format: 'strings',
    default: [] as string[],
    env: 'CHORDIAL_AUTH_EXEMPT',
  },
  integrity: {
    doc: 'True offers `auth-int` beside `auth` in challenges: phones that know it protect bodies too.',
    format: 'switch',
    default: false,
    env: 'CHORDIAL_AUTH_INTEGRITY',
  },
};

export const floodSchema = {
  requestsPerS: positive(
    'Requests per second of one source address that go on without a login; more ban it. Flows on which a user has logged in, dialogs and trunks do not count; 0: no limit.',
    100,
    'CHORDIAL_FLOOD_RATE',
  ),
  burst: positive(
    'Such requests of one source at once: an office of so many phones behind one address may start all together.',
    5000,
    'CHORDIAL_FLOOD_BURST',
  ),
  banS: positive(
    'Seconds for which requests of a source that was above that limit are dropped unanswered, from when it last was.',
    60,
    'CHORDIAL_FLOOD_BAN',
  ),
  exemptNetworks: {
    doc: 'Addresses and networks (CIDR) without that limit: larger sites behind one address, proxies of other domains.',
    format: 'strings',
    default: ['127.0.0.0/8', '::1'],
    env: 'CHORDIAL_FLOOD_EXEMPT',
  },
};
