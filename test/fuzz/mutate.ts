/** Seeded mutations and families of hostile input of any size. */
import type { Prng } from '../../src/base/prng.ts';

/** A changed copy: flips, cuts, doubled or inserted pieces, extreme numbers. */
export function mutate(sample: Uint8Array, prng: Prng): Uint8Array {
  let bytes = Uint8Array.from(sample);
  const rounds = 1 + prng.below(4);
  for (let round = 0; round < rounds; round++) {
    const at = prng.below(bytes.length + 1);
    switch (prng.below(6)) {
      case 0:
        if (at < bytes.length) bytes[at] = prng.below(256);
        break;
      case 1:
        bytes = bytes.slice(0, at);
        break;
      case 2: {
        const length = prng.below(64);
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at));
        break;
      }
      case 3:
        bytes = joined(bytes.subarray(0, at), prng.bytes(prng.below(16)), bytes.subarray(at));
        break;
      case 4:
        bytes.fill(prng.below(2) === 0 ? 0xff : 0, at, at + 1 + prng.below(4));
        break;
      default:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.below(8));
    }
  }
  return bytes;
}

const hostilePieces = [
  ...[
    'a',
    ' ',
    ',',
    ';',
    '<',
    '"',
    '(',
    '\\"',
    '%41',
    'a=b;',
    'a:b\r\n',
    '\r\n ',
    '<a>',
    '=',
    '::',
  ],
  ...[
    'Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n',
    'Contact: <sip:a@b>,\r\n',
    '\u0000',
    '\u0080\u0001',
    '0',
  ],
].map((text) => Buffer.from(text, 'latin1'));

/** Inputs of exactly `size` bytes: a sample's head followed by one piece again and again. */
export function hostile(samples: readonly Uint8Array[], size: number): Uint8Array[] {
  const inputs: Uint8Array[] = [];
  for (const head of [new Uint8Array(0), ...samples]) {
    for (const piece of hostilePieces) {
      const bytes = new Uint8Array(size);
      const start = Math.min(head.length, size);
      bytes.set(head.subarray(0, start));
      for (let at = start; at < size; at += piece.length) {
        bytes.set(piece.subarray(0, Math.min(piece.length, size - at)), at);
      }
      inputs.push(bytes);
    }
  }
  return inputs;
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(parts));
}
