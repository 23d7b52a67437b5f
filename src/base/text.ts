/**
 * Text and byte encodings: one of the two windows of the pure folders to the platform.
 * Every function is synchronous and deterministic.
 */
const utf8Encoder = new TextEncoder();
const utf8FatalDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Encodes text as UTF-8. */
export function utf8Encode(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/** Decodes UTF-8; `undefined` when the bytes are not valid UTF-8. */
export function utf8Decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8FatalDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Maps each byte to the code point of the same number (0..255). Never fails; exact inverse of {@link latin1Encode}. */
export function latin1Decode(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

/** Maps each code unit to its low byte. Exact inverse of {@link latin1Decode} for code units up to 255. */
export function latin1Encode(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** Lower-case hexadecimal. */
export function hexEncode(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex');
}

/** Decodes hexadecimal of either case; `undefined` for an odd length or a foreign character. */
export function hexDecode(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = Buffer.from(text, 'hex');
  return bytes.length * 2 === text.length ? bytes : undefined;
}

/** Standard base64 with padding (RFC 4648 §4). */
export function base64Encode(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64');
}

/** Decodes standard base64, ignoring white space; `undefined` when anything else is foreign or the padding is wrong. */
export function base64Decode(text: string): Uint8Array | undefined {
  const compact = text.replace(/[ \t\r\n]+/g, '');
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined;
  return Buffer.from(compact, 'base64');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
