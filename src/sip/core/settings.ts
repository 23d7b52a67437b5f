import type { DigestAlgorithm } from '../digest/digest.ts';
import type { SessionTimerPolicy } from '../proxy/session-timer.ts';

/** Settings of the SIP roles; all times with their unit in the name. */
export interface SipSettings {
  readonly registrar: RegistrarSettings;
  readonly proxy: ProxySettings;
  readonly auth: AuthSettings;
  readonly flood: FloodSettings;
  /** Value of Server in answers of our own; empty = none. */
  readonly serverName: string;
}

export interface RegistrarSettings {
  /** Shortest granted interval; a shorter request (above 0, below one hour) is answered 423. */
  readonly minExpiresS: number;
  /** Longest granted interval. */
  readonly maxExpiresS: number;
  readonly defaultExpiresS: number;
  /** How long an answer waits for {@link RegistrationAdmission}. */
  readonly admissionTimeoutMs: number;
  /** Bindings of one address of record, at most `limits.sipRoles.bindingsPerAor`. */
  readonly maxContacts: number;
  /** Bindings of one `+sip.instance` of it: flows, and contacts left behind. */
  readonly maxContactsPerDevice: number;
  /** Path of a phone that does not list `path` in Supported is taken, not answered 420. RFC 3327 §5.3. */
  readonly acceptsUnannouncedPath: boolean;
  /** Service-Route values of every 2xx, with angle brackets and `lr`. RFC 3608 §6.3. */
  readonly serviceRoute: readonly string[];
  /** Flow-Timer told to phones with outbound; 0 = none. RFC 5626 §5.4. */
  readonly flowTimerS: number;
  /** Longest interval granted to a phone on UDP behind an address translation; 0 = as any other. */
  readonly natExpiresS: number;
  /** Between two pings to a phone behind an address translation; 0 = none. */
  readonly natPingS: number;
  /** What is sent to it over UDP; over streams it is always CRLF CRLF. */
  readonly natPing: 'options' | 'crlf';
  /** OPTIONS in a row without an answer after which a phone that used to answer is gone; 0 = never. */
  readonly natPingsLost: number;
}

export interface ProxySettings {
  /** Above 180000 by RFC 3261 §16.6; restarted by provisional responses. */
  readonly timerCMs: number;
  /** Branches that may be pending together for one request. RFC 5393. */
  readonly maxBreadth: number;
  /** Put into requests that carry none. */
  readonly maxForwards: number;
  /** Absent: the proxy asks for no session timers. RFC 4028 §8. */
  readonly sessionTimer?: SessionTimerPolicy;
}

export interface AuthSettings {
  /** Requests of phones other than REGISTER are challenged. */
  readonly challengeRequests: boolean;
  /** False: whoever sends a REGISTER may register the address it names. For closed benches only. */
  readonly challengeRegistrations: boolean;
  readonly nonceLifetimeS: number;
  /** Challenges offer `auth-int` beside `auth`: phones that know it protect bodies too. RFC 7616 §3.4.3. */
  readonly offersIntegrity: boolean;
  /** Failed logins of one source address until it is banned; 0 = never. */
  readonly maxFailures: number;
  /** Failed logins of one user until other sources than its phones' are refused; 0 = never. */
  readonly maxUserFailures: number;
  /** Length of a ban; failures longer ago do not count. */
  readonly banS: number;
  /** Addresses and networks (CIDR) that are never banned. */
  readonly exemptNetworks: readonly string[];
}

/** Limit for requests of sources that prove nothing. */
export interface FloodSettings {
  /** Of one source, for as long as it likes; 0 = no limit. */
  readonly requestsPerS: number;
  /** Of one source at once. */
  readonly burst: number;
  /** How long a ban outlasts the flood. */
  readonly banS: number;
  /** Addresses and networks (CIDR) without a limit. */
  readonly exemptNetworks: readonly string[];
}

/** Policy of one listener (a name of `Flow.listener`). */
export interface ListenerPolicy {
  readonly algorithms: readonly DigestAlgorithm[];
  readonly role: 'proxy' | 'redirect';
  /** Calls from other domains to addresses of ours pass without a challenge. */
  readonly acceptsOutsideCalls?: boolean;
}

export const defaultSipSettings: SipSettings = {
  registrar: {
    minExpiresS: 60,
    maxExpiresS: 3600,
    defaultExpiresS: 3600,
    admissionTimeoutMs: 2000,
    maxContacts: 16,
    maxContactsPerDevice: 4,
    acceptsUnannouncedPath: false,
    serviceRoute: [],
    flowTimerS: 0,
    natExpiresS: 0,
    natPingS: 30,
    natPing: 'options',
    natPingsLost: 3,
  },
  proxy: { timerCMs: 181_000, maxBreadth: 60, maxForwards: 70 },
  auth: {
    challengeRequests: true,
    challengeRegistrations: true,
    nonceLifetimeS: 300,
    offersIntegrity: false,
    maxFailures: 20,
    maxUserFailures: 100,
    banS: 300,
    exemptNetworks: [],
  },
  flood: {
    requestsPerS: 100,
    burst: 5000,
    banS: 60,
    exemptNetworks: ['127.0.0.0/8', '::1'],
  },
  serverName: 'Chordial',
};

export const defaultListenerPolicy: ListenerPolicy = { algorithms: ['MD5'], role: 'proxy' };
