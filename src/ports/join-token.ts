/**
 * The text by which a new box joins: where the authority is, which root certificate it must prove,
 * and a secret. One printable word: `chordial1.` and base64url of JSON.
 */
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { base64Decode, base64Encode, utf8Decode, utf8Encode } from '../base/text.ts';

export interface JoinToken {
  /** Base URL of the authority, `https://host:port`. */
  readonly url: string;
  /** Lower-case hexadecimal SHA-256 of the root certificate. */
  readonly rootFingerprint: string;
  /** Whoever holds it may join. Never logged. */
  readonly secret: string;
}

const prefix = 'chordial1.';
const maxLength = 2048;

export function formatJoinToken({ url, rootFingerprint, secret }: JoinToken): string {
  const json = JSON.stringify({ u: url, f: rootFingerprint, s: secret });
  const base64 = base64Encode(utf8Encode(json));
  return prefix + base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Reads what {@link formatJoinToken} wrote; white space around is trimmed. Never repeats the text in an error. */
export function parseJoinToken(text: string): Outcome<JoinToken> {
  const word = text.trim();
  if (!word.startsWith(prefix) || word.length > maxLength) {
    return failure(`a join token begins with ${prefix}`);
  }
  const base64 = word.slice(prefix.length).replaceAll('-', '+').replaceAll('_', '/');
  const bytes = base64Decode(base64.padEnd(Math.ceil(base64.length / 4) * 4, '='));
  const json = bytes && utf8Decode(bytes);
  const fields = json === undefined ? undefined : parseObject(json);
  const [url, rootFingerprint, secret] = [fields?.['u'], fields?.['f'], fields?.['s']];
  const valid =
    typeof url === 'string' &&
    /^https:\/\/[^\s/?#@]+$/.test(url) &&
    typeof rootFingerprint === 'string' &&
    /^[0-9a-f]{64}$/.test(rootFingerprint) &&
    typeof secret === 'string' &&
    secret !== '';
  if (!valid) return failure('the join token is damaged; copy it again as a whole');
  return success({ url, rootFingerprint, secret });
}

function parseObject(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
