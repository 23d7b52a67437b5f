import type { Outcome } from '../../base/outcome.ts';

/** One Via value. RFC 3261 §20.42, RFC 3581. */
export interface Via {
  /** Upper case: `UDP`, `TCP`, `TLS`, `WS`, `WSS` or any other. */
  readonly transport: string;
  /** sent-by host as received; an IPv6 reference keeps its brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly branch: string | undefined;
  readonly received: string | undefined;
  /** `true` for a bare `rport`. */
  readonly rport: number | true | undefined;
  /** Lower-case names. */
  readonly params: ReadonlyMap<string, string | undefined>;
  readonly raw: string;
}

export declare function parseVia(text: string): Outcome<Via>;
