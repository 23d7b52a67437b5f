import { constantTimeEqual, hmacSha256 } from '../../base/hash.ts';
import { concatBytes } from '../../base/bytes.ts';
import { base64Decode, base64Encode, latin1Decode, latin1Encode } from '../../base/text.ts';

/** Bytes of the truncated HMAC in a token. */
const tagBytes = 10;

/** Tells tokens from user names in the user part of a Route. */
const mark = '~';

/** Tokens that name a flow and that only this server (or one with the same keys) can make. RFC 5626 §5.2. */
export interface FlowTokens {
  /** A user part: `~` and base64url(HMAC ‖ flow id). */
  create(flowId: string): string;
  /** The flow id; `undefined` when the token is not genuine. */
  open(token: string): string | undefined;
  /** The flow id a token claims, unproved. */
  claim(token: string): string | undefined;
  /** Compares two tokens without telling by time where they differ. */
  equal(a: string, b: string): boolean;
  /** True when a user part has the form of a token. */
  isToken(user: string): boolean;
}

/** The first key signs, all verify; the list may change in place (rotation) and is never empty. */
export function createFlowTokens(keys: readonly Uint8Array[]): FlowTokens {
  function tag(key: Uint8Array, id: Uint8Array): Uint8Array {
    return hmacSha256(key, id).subarray(0, tagBytes);
  }

  return {
    create(flowId) {
      const id = latin1Encode(flowId);
      const text = base64Encode(concatBytes([tag(keys[0] as Uint8Array, id), id]));
      return mark + text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
    },
    open(token) {
      const bytes = decode(token);
      if (bytes === undefined) return undefined;
      const given = bytes.subarray(0, tagBytes);
      const id = bytes.subarray(tagBytes);
      const genuine = keys.some((key) => constantTimeEqual(tag(key, id), given));
      return genuine ? latin1Decode(id) : undefined;
    },
    claim(token) {
      const bytes = decode(token);
      return bytes === undefined ? undefined : latin1Decode(bytes.subarray(tagBytes));
    },
    equal: (a, b) => constantTimeEqual(latin1Encode(a), latin1Encode(b)),
    isToken: (user) => user.startsWith(mark),
  };
}

function decode(token: string): Uint8Array | undefined {
  const text = token.slice(mark.length).replaceAll('-', '+').replaceAll('_', '/');
  const bytes = base64Decode(text.padEnd(Math.ceil(text.length / 4) * 4, '='));
  return bytes === undefined || bytes.length <= tagBytes ? undefined : bytes;
}
