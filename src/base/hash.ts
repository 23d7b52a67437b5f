/**
 * Digests: the second window of the pure folders to the platform (deterministic, synchronous).
 */
import {
  createHash,
  createHmac,
  createSecretKey,
  hash as oneShotHash,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';

/** SHA-1 of the bytes: 20 bytes. */
export function sha1(bytes: Uint8Array): Uint8Array {
  return oneShotHash('sha1', bytes, 'buffer');
}

/** SHA-256 of the bytes: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return oneShotHash('sha256', bytes, 'buffer');
}

const scratch = new Uint8Array(16_384);

/** SHA-256 of the parts one after the other; joins nothing when they are not long. */
export function sha256Of(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > scratch.length) {
    const digest = createHash('sha256');
    for (const part of parts) digest.update(part);
    return digest.digest();
  }
  let at = 0;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  return sha256(scratch.subarray(0, length));
}

/** MD5 of latin1 text as 32 lower-case hexadecimal digits (HTTP digest, RFC 8760). */
export function md5Hex(latin1Text: string): string {
  return oneShotHash('md5', Buffer.from(latin1Text, 'latin1'), 'hex');
}

/** SHA-256 of latin1 text as 64 lower-case hexadecimal digits (HTTP digest, RFC 8760). */
export function sha256Hex(latin1Text: string): string {
  return oneShotHash('sha256', Buffer.from(latin1Text, 'latin1'), 'hex');
}

/** SHA-512/256 of latin1 text as 64 lower-case hexadecimal digits (HTTP digest, RFC 8760). */
export function sha512t256Hex(latin1Text: string): string {
  return oneShotHash('sha512-256', Buffer.from(latin1Text, 'latin1'), 'hex');
}

/** HMAC-SHA-256: 32 bytes. The key must not change after its first use: its imported form is kept. */
export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createHmac('sha256', imported(key)).update(bytes).digest();
}

/**
 * HMAC-SHA-256 as 64 lower-case hexadecimal digits (RFC 2104): three times as fast as {@link hmacSha256} for
 * short texts, because no object is made. The key must not change after its first use.
 */
export function hmacSha256Hex(key: Uint8Array, bytes: Uint8Array): string {
  const { inner, outer } = padsOf(key);
  const text = Buffer.allocUnsafe(blockBytes + bytes.length);
  text.set(inner);
  text.set(bytes, blockBytes);
  outer.write(oneShotHash('sha256', text, 'hex'), blockBytes, 'hex');
  return oneShotHash('sha256', outer, 'hex');
}

/** Of SHA-256. */
const blockBytes = 64;

interface Pads {
  readonly inner: Buffer;
  /** With room for the inner hash. */
  readonly outer: Buffer;
}

const padsByKey = new WeakMap<Uint8Array, Pads>();

function padsOf(key: Uint8Array): Pads {
  let pads = padsByKey.get(key);
  if (pads === undefined) {
    const block = Buffer.alloc(blockBytes);
    block.set(key.length > blockBytes ? sha256(key) : key);
    const inner = Buffer.from(block.map((byte) => byte ^ 0x36));
    const outer = Buffer.alloc(blockBytes + 32);
    outer.set(block.map((byte) => byte ^ 0x5c));
    pads = { inner, outer };
    padsByKey.set(key, pads);
  }
  return pads;
}

/** HMAC-SHA-1: 20 bytes (STUN). The key must not change after its first use. */
export function hmacSha1(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createHmac('sha1', imported(key)).update(bytes).digest();
}

/** Importing a key costs five times the HMAC of a short text. */
const importedKeys = new WeakMap<Uint8Array, KeyObject>();

function imported(key: Uint8Array): KeyObject {
  let object = importedKeys.get(key);
  if (object === undefined) {
    object = createSecretKey(key);
    importedKeys.set(key, object);
  }
  return object;
}

/** Compares in time that depends on the lengths only. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
