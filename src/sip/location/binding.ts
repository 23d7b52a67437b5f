import type { SipTransportName } from '../../ports/flow.ts';

/** One contact of an address of record. RFC 3261 §10, RFC 5626 §6. */
export interface Binding {
  /** The Contact URI as registered, without angle brackets. */
  readonly contact: string;
  /** Value of `+sip.instance` without quotes and angle brackets. */
  readonly instance: string | undefined;
  /** 1 .. 2^31-1, only together with an instance. */
  readonly regId: number | undefined;
  /** 0..1000; 1000 when the phone gave none. */
  readonly q: number;
  /** Wall clock. */
  readonly expiresAtMs: number;
  readonly callId: string;
  readonly cseq: number;
  /** Where the REGISTER came from. */
  readonly receivedAddress: string;
  readonly receivedPort: number;
  readonly transport: SipTransportName;
  readonly listener: string;
  /** Id of the flow the REGISTER came on. */
  readonly flowId: string;
  /** A stream flow that is gone (closed, or lost by a restart): usable again when the phone registers, or by `direct`. */
  readonly flowDead: boolean;
  /** Where the phone listens, when it is not behind a NAT and the flow does not lead there. */
  readonly direct: DirectContact | undefined;
  /** Path values, first hop first. RFC 3327. */
  readonly path: readonly string[];
  readonly userAgent: string;
  /** Remaining Contact parameters as received (feature tags and unknown ones), without expires: `;audio;methods="INVITE"`. */
  readonly parameters: string;
  /** Wall clock of the last REGISTER that named it. */
  readonly lastRefreshMs: number;
  /**
   * Temporary GRUUs made for another value than this are void (RFC 5627 §5.1): the wall clock when the
   * instance appeared or changed its Call-ID. Equal in all bindings of an instance, `undefined` without one.
   */
  readonly gruuEpochMs: number | undefined;
  /** Behind an address translation that the phone does nothing to keep open: it is pinged. */
  readonly nat: boolean;
}

/** A Contact address that can be reached as it stands: port and transport at `receivedAddress`. */
export interface DirectContact {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly port: number;
}

/** What one REGISTER does to one address of record, decided before anything is changed. */
export interface LocationChange {
  readonly aor: string;
  /** Replacement for the whole list of bindings, in order. */
  readonly bindings: readonly Binding[];
  /** The address of record had no binding before. */
  readonly first: boolean;
  /** It has none afterwards. */
  readonly last: boolean;
  /**
   * Something other than expiry, CSeq and Call-ID differs: a contact came, went, or changed its q,
   * capabilities, path or instance.
   */
  readonly content: boolean;
}

/** Reported after a change took effect, whether by a REGISTER, by expiry, or by an operator. */
export interface LocationEvent {
  readonly aor: string;
  readonly first: boolean;
  readonly last: boolean;
  readonly content: boolean;
  /** Latest `expiresAtMs` of the bindings left; 0 when none. */
  readonly expiresAtMs: number;
  readonly cause: 'register' | 'expiry' | 'removed';
}
