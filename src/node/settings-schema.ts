/** Every setting of a box: what it means, its type, its default, and the ways to give it. */
import type { TrunkSettings } from '../ports/trunk.ts';
import convict from 'convict';
import { limits } from '../base/limits.ts';

convict.addFormat({
  name: 'strings',
  validate(value: unknown) {
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      throw new Error('must be a list of strings');
    }
  },
  coerce: (value: unknown) =>
    typeof value === 'string' ? value.split(',').filter((part) => part !== '') : value,
});
convict.addFormat({
  name: 'switch',
  validate(value: unknown) {
    if (typeof value !== 'boolean') throw new Error('must be true or false');
  },
  coerce: (value: unknown) => (value === 'true' ? true : value === 'false' ? false : value),
});
/** Whole numbers; text counts only when all of it is one. */
function numberFormat(name: string, largest: number, expected: string): void {
  convict.addFormat({
    name,
    validate(value: unknown) {
      if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > largest) {
        throw new Error(expected);
      }
    },
    coerce: (value: unknown) =>
      typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value,
  });
}
numberFormat('whole-number', Number.MAX_SAFE_INTEGER, 'must be an integer, 0 or more');
numberFormat('port-number', 65_535, 'must be an integer from 0 to 65535');
convict.addFormat({
  name: 'digest-algorithms',
  validate(value: unknown) {
    const allowed = ['MD5', 'SHA-256', 'SHA-512-256'];
    if (
      !Array.isArray(value) ||
      value.length === 0 ||
      !value.every((v) => allowed.includes(v as string))
    ) {
      throw new Error('must be a non-empty list of MD5, SHA-256 and SHA-512-256');
    }
  },
  coerce: (value: unknown) => (typeof value === 'string' ? value.split(',') : value),
});
convict.addFormat({
  name: 'listeners',
  validate(value: unknown) {
    const transports = ['udp', 'tcp', 'tls', 'ws', 'wss'];
    const isListener = (item: unknown): boolean => {
      if (typeof item !== 'object' || item === null) return false;
      const { name, transport, address, port } = item as Record<string, unknown>;
      return (
        typeof name === 'string' &&
        transports.includes(transport as string) &&
        typeof address === 'string' &&
        typeof port === 'number'
      );
    };
    if (!Array.isArray(value) || !value.every(isListener)) {
      throw new Error('must be a list of {name, transport: udp|tcp|tls|ws|wss, address, port}');
    }
  },
  coerce: (value: unknown) => (typeof value === 'string' ? (JSON.parse(value) as unknown) : value),
});

convict.addFormat({
  name: 'certificates',
  validate(value: unknown) {
    const isPair = (item: unknown): boolean => {
      const { cert, key } = (item ?? {}) as Record<string, unknown>;
      return typeof cert === 'string' && typeof key === 'string';
    };
    if (!Array.isArray(value) || !value.every(isPair)) {
      throw new Error('must be a list of {cert, key}, each the name of a PEM file');
    }
  },
  coerce: (value: unknown) => (typeof value === 'string' ? (JSON.parse(value) as unknown) : value),
});

/** A list of objects whose fields have the types named; a trailing `?` marks those that may be absent. */
function recordsFormat(name: string, fields: Readonly<Record<string, string>>): void {
  const shown = Object.entries(fields).map(([field, type]) => `${field}: ${type}`);
  const isOf = (value: unknown, type: string): boolean => {
    if (type.endsWith('?')) return value === undefined || isOf(value, type.slice(0, -1));
    if (type === 'strings')
      return Array.isArray(value) && value.every((v) => typeof v === 'string');
    return typeof value === type;
  };
  convict.addFormat({
    name,
    validate(value: unknown) {
      const isRecord = (item: unknown): boolean =>
        typeof item === 'object' &&
        item !== null &&
        Object.keys(item).every((field) => field in fields) &&
        Object.entries(fields).every(([field, type]) =>
          isOf((item as Record<string, unknown>)[field], type),
        );
      if (!Array.isArray(value) || !value.every(isRecord)) {
        throw new Error(`must be a list of {${shown.join(', ')}}`);
      }
    },
    coerce: (value: unknown) =>
      typeof value === 'string' ? (JSON.parse(value) as unknown) : value,
  });
}
recordsFormat('trunks', {
  name: 'string',
  uri: 'string',
  user: 'string?',
  password: 'string?',
  register: 'boolean?',
  sources: 'strings?',
  account: 'string?',
  trusted: 'boolean?',
  healthS: 'number?',
});
recordsFormat('number-routes', {
  prefix: 'string',
  user: 'string?',
  trunks: 'strings?',
  strip: 'number?',
  prepend: 'string?',
});

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

const positive = (doc: string, fallback: number, env: string): NumberSetting => ({
  doc,
  format: 'whole-number',
  default: fallback,
  env,
});
const port = (doc: string, fallback: number, env: string): NumberSetting => ({
  ...positive(doc, fallback, env),
  format: 'port-number',
});
interface NumberSetting {
  doc: string;
  format: string;
  default: number;
  env: string;
}

export const settingsSchema = {
  domain: {
    doc: 'Overlay name; also the SIP domain and the digest realm on every box.',
    format: String,
    default: 'lab.example',
    env: 'CHORDIAL_DOMAIN',
  },
  log: {
    level: {
      doc: 'Least severe level that is written.',
      format: ['debug', 'info', 'warn', 'error', 'silent'],
      default: 'info',
      env: 'CHORDIAL_LOG_LEVEL',
    },
    file: {
      doc: 'File for the log lines (JSON, one event a line); empty means standard error.',
      format: String,
      default: '',
      env: 'CHORDIAL_LOG_FILE',
    },
  },
  authority: {
    enabled: {
      doc: 'True on the box that issues certificates and keeps the accounts.',
      format: 'switch',
      default: false,
      env: 'CHORDIAL_AUTHORITY',
    },
    address: {
      doc: 'Address on which the authority serves HTTPS.',
      format: String,
      default: '0.0.0.0',
      env: 'CHORDIAL_AUTHORITY_ADDRESS',
    },
    port: port('HTTPS port of the authority.', 8443, 'CHORDIAL_AUTHORITY_PORT'),
    publicHost: {
      doc: 'Host name or address that other boxes use to reach the authority; empty: the first address of this box.',
      format: String,
      default: '',
      env: 'CHORDIAL_AUTHORITY_HOST',
    },
  },
  identity: {
    keyType: {
      doc: 'Key type of the keys this box makes: its own, those of its users and, with init, the root. RSA has 2048 bits.',
      format: ['ecdsa-p256', 'rsa'],
      default: 'ecdsa-p256',
      env: 'CHORDIAL_KEY_TYPE',
    },
  },
  adapter: {
    enabled: {
      doc: 'True on a box that takes part in the overlay and serves phones.',
      format: 'switch',
      default: true,
      env: 'CHORDIAL_ADAPTER',
    },
  },
  link: {
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
  },
  overlay: {
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
  },
  sip: {
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
  },
  registrar: {
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
  },
  auth: {
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
  },
  flood: {
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
  },
  admin: {
    address: {
      doc: 'Address of the admin port (status, metrics, dashboard). Keep it on loopback.',
      format: String,
      default: '127.0.0.1',
      env: 'CHORDIAL_ADMIN_ADDRESS',
    },
    port: port('HTTP port for status, metrics and the command line.', 8080, 'CHORDIAL_ADMIN_PORT'),
  },
};
