/** MESSAGE-INTEGRITY, its keys, and FINGERPRINT. RFC 8489 §9, §14.5, §14.7. */
import { constantTimeEqual, hmacSha1, md5Hex } from '../../base/hash.ts';
import { hexDecode, latin1Decode, utf8Encode } from '../../base/text.ts';
import { assert } from '../../base/assert.ts';

export const integrityBytes = 20;

/** An attribute with its header. */
export const integrityAttributeBytes = 4 + integrityBytes;
export const fingerprintAttributeBytes = 8;

/** The key of short-term credentials (ICE). */
export function shortTermKey(password: string): Uint8Array {
  return utf8Encode(password);
}

/** The key of long-term credentials (TURN): MD5 of the three with colons. */
export function longTermKey(username: string, realm: string, password: string): Uint8Array {
  const key = hexDecode(md5Hex(latin1Decode(utf8Encode(`${username}:${realm}:${password}`))));
  assert(key !== undefined, 'a digest is hexadecimal');
  return key;
}

/** The HMAC of a message up to, not including, its MESSAGE-INTEGRITY at that offset. */
export function messageIntegrity(message: Uint8Array, at: number, key: Uint8Array): Uint8Array {
  return hmacSha1(key, withLength(message, at, at + integrityAttributeBytes));
}

/** True when the MESSAGE-INTEGRITY at that offset was made with the key. */
export function hasIntegrity(message: Uint8Array, at: number, key: Uint8Array): boolean {
  const claimed = message.subarray(at + 4, at + integrityAttributeBytes);
  return constantTimeEqual(claimed, messageIntegrity(message, at, key));
}

/** The FINGERPRINT of a message up to, not including, that attribute at that offset. */
export function fingerprint(message: Uint8Array, at: number): number {
  return (crc32(withLength(message, at, at + fingerprintAttributeBytes)) ^ 0x5354_554e) >>> 0;
}

/** The beginning of a message as if the message ended at `end`. */
function withLength(message: Uint8Array, until: number, end: number): Uint8Array {
  const part = message.slice(0, until);
  const length = end - 20;
  part[2] = length >> 8;
  part[3] = length & 0xff;
  return part;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = (c & 1) === 1 ? 0xedb8_8320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffff_ffff) >>> 0;
}
