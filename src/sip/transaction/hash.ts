/** A hash for tables and tags: quick, and unlike for every seed. Not for anything that must not be forged. */

/** One step: `code` goes into a 32-bit hash, every bit of which depends on the seed it began with. */
function mix(hash: number, code: number): number {
  const mixed = Math.imul(hash ^ code, 0x5bd1_e995);
  return mixed ^ (mixed >>> 15);
}

/** Mixes a text and its end into a hash (or into a seed, to begin with); a signed 32-bit number. */
export function mixText(hash: number, text: string): number {
  let mixed = hash;
  for (let i = 0; i < text.length; i++) mixed = mix(mixed, text.charCodeAt(i));
  return mix(mixed, text.length + 256);
}

const hexBytes = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));

/** Eight digits for the low 32 bits. */
export function hexWord(value: number): string {
  return hexByte(value >>> 24) + hexByte(value >>> 16) + hexByte(value >>> 8) + hexByte(value);
}

function hexByte(value: number): string {
  return hexBytes[value & 255] ?? '';
}
