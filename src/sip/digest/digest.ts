import type { Outcome } from '../../base/outcome.ts';
import type { DigestAlgorithm, DigestChallenge, DigestCredentials } from './types.ts';

export type {
  DigestAlgorithm,
  DigestChallenge,
  DigestCredentials,
  NonceVerdict,
  Nonces,
} from './types.ts';

export declare function parseCredentials(value: string): Outcome<DigestCredentials>;
export declare function parseChallenge(value: string): Outcome<DigestChallenge>;
export declare function formatChallenge(challenge: DigestChallenge): string;
export declare function formatCredentials(credentials: DigestCredentials): string;
/** H(username:realm:password) in lower-case hexadecimal; what an account keeps per algorithm. */
export declare function computeHa1(
  algorithm: DigestAlgorithm,
  username: string,
  realm: string,
  password: string,
): string;
/** The expected `response`; `body` matters for auth-int only. */
export declare function computeResponse(input: {
  readonly algorithm: DigestAlgorithm;
  readonly ha1: string;
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  readonly cnonce?: string | undefined;
  readonly nc?: string | undefined;
  readonly qop?: string | undefined;
  readonly body?: Uint8Array | undefined;
}): string;
/** Compares in constant time; `ha1` belongs to the algorithm family of the credentials. */
export declare function verifyCredentials(
  credentials: DigestCredentials,
  method: string,
  ha1: string,
  body: Uint8Array,
): boolean;
