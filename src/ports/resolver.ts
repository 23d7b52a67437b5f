/** The DNS as the core asks it. Names are given and come back without a final dot. */
import type { Outcome } from '../base/outcome.ts';

/** RFC 3403 §4.1. */
export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly service: string;
  readonly regexp: string;
  readonly replacement: string;
}

/** RFC 2782. */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

/** `not-found`: the name has no such records; `failed`: nobody knows (time-out, server failure). */
export type DnsError = 'not-found' | 'failed';

/** Each `done` is called later, exactly once, in bounded time. */
export interface Resolver {
  naptr(name: string, done: (outcome: Outcome<readonly NaptrRecord[], DnsError>) => void): void;
  srv(name: string, done: (outcome: Outcome<readonly SrvRecord[], DnsError>) => void): void;
  /** A (4) or AAAA (6) records as text. */
  addresses(
    name: string,
    family: 4 | 6,
    done: (outcome: Outcome<readonly string[], DnsError>) => void,
  ): void;
}
