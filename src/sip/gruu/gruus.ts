import { concatBytes } from '../../base/bytes.ts';
import { constantTimeEqual, hmacSha256 } from '../../base/hash.ts';
import { latin1Decode, latin1Encode } from '../../base/text.ts';
import type { Random } from '../../ports/random.ts';

import { aorOf } from '../core/aor.ts';
import { temporaryUser } from './checks.ts';
import type { Domains } from '../core/domains.ts';
import { type SipUri, escapeUser } from '../message/uri.ts';

/** How the tokens of this server stand in a `gr` parameter; RFC 7904 §6 in an overlay. */
export interface GrFormat {
  /** The `gr` value that leads here, to the thing the token names. */
  encode(token: Uint8Array): string;
  /** The token when the value leads here; `undefined` for the values of other servers. */
  decode(gr: string): Uint8Array | undefined;
}

/** GRUUs of the instances registered here. RFC 5627 §5. Nothing is stored for them. */
export interface Gruus {
  /** The same as long as the keys live. */
  publicGruu(aor: string, instance: string, scheme: 'sip' | 'sips'): string;
  /**
   * Another one with each call, and only this server can tell whose it is. `undefined` for an address
   * too long to be hidden in it.
   */
  temporaryGruu(
    aor: string,
    instance: string,
    epochMs: number,
    scheme: 'sip' | 'sips',
  ): string | undefined;
  /** What a URI names: `undefined` when it is no GRUU of this server, `invalid` when nobody made it. */
  read(uri: SipUri): GruuMeaning | 'invalid' | undefined;
  /** A token that is genuine, whether or not anybody is registered. */
  isGenuine(token: Uint8Array): boolean;
}

export interface GruuMeaning {
  readonly kind: 'public' | 'temporary';
  readonly aor: string;
  /** True for the instance it was made for, while it counts (`gruuEpochMs` of the binding). */
  names(binding: {
    readonly instance: string | undefined;
    readonly gruuEpochMs: number | undefined;
  }): boolean;
}

export interface GruuDeps {
  readonly domains: Domains;
  readonly random: Random;
  readonly format: GrFormat;
  /** At least 16 bytes, durable, never changed: public GRUUs live as long as it. */
  readonly publicKey: Uint8Array;
  /** The same for temporary ones: the first makes them, all read them; may change in place. */
  readonly temporaryKeys: readonly Uint8Array[];
}

const publicMark = 1;
const temporaryMark = 2;
const instanceBytes = 12;
const tagBytes = 12;
const nonceBytes = 12;
const epochBytes = 6;
const publicBytes = 1 + instanceBytes + tagBytes;
/** Ciphertexts come in multiples of this, so that their length tells nothing. */
const blockBytes = 32;
/** An opaque id of RFC 6940 §6.3.2.2 holds 254 bytes. */
const maxTokenBytes = 254;

export function createGruus(deps: GruuDeps): Gruus {
  const { domains, format, random } = deps;
  /** Encryption and authentication each have their own key. */
  const derived = new WeakMap<Uint8Array, KeyPair>();

  function keysOf(key: Uint8Array): KeyPair {
    let pair = derived.get(key);
    if (pair === undefined) {
      pair = {
        cipher: hmacSha256(key, latin1Encode('gruu cipher')),
        tag: hmacSha256(key, latin1Encode('gruu tag')),
      };
      derived.set(key, pair);
    }
    return pair;
  }

  function instanceHash(aor: string, instance: string): Uint8Array {
    const text = latin1Encode(`instance\n${aor}\n${instance}`);
    return hmacSha256(deps.publicKey, text).subarray(0, instanceBytes);
  }

  function publicTag(aor: string, instance: Uint8Array): Uint8Array {
    const text = concatBytes([latin1Encode(`public\n${aor}\n`), instance]);
    return hmacSha256(deps.publicKey, text).subarray(0, tagBytes);
  }

  function readPublic(token: Uint8Array, aor: string): GruuMeaning | 'invalid' {
    const hash = token.subarray(1, 1 + instanceBytes);
    const isGenuine =
      token.length === publicBytes &&
      constantTimeEqual(publicTag(aor, hash), token.subarray(1 + instanceBytes));
    if (!isGenuine) return 'invalid';
    return {
      kind: 'public',
      aor,
      names: ({ instance }) =>
        instance !== undefined && constantTimeEqual(instanceHash(aor, instance), hash),
    };
  }

  function seal(plain: Uint8Array): Uint8Array {
    const { cipher, tag } = keysOf(deps.temporaryKeys[0] as Uint8Array);
    const head = concatBytes([Uint8Array.of(temporaryMark), random.bytes(nonceBytes)]);
    const sealed = concatBytes([head, masked(cipher, head, plain)]);
    return concatBytes([sealed, hmacSha256(tag, sealed).subarray(0, tagBytes)]);
  }

  function unseal(token: Uint8Array): Uint8Array | undefined {
    const end = token.length - tagBytes;
    const from = 1 + nonceBytes;
    if (token[0] !== temporaryMark || end < from + blockBytes) return undefined;
    const sealed = token.subarray(0, end);
    for (const key of deps.temporaryKeys) {
      const { cipher, tag } = keysOf(key);
      const expected = hmacSha256(tag, sealed).subarray(0, tagBytes);
      if (!constantTimeEqual(expected, token.subarray(end))) continue;
      return masked(cipher, token.subarray(0, from), token.subarray(from, end));
    }
    return undefined;
  }

  function readTemporary(token: Uint8Array): GruuMeaning | 'invalid' {
    const plain = unseal(token);
    if (plain === undefined) return 'invalid';
    const epochMs = readEpoch(plain);
    const hash = plain.subarray(epochBytes, epochBytes + instanceBytes);
    const from = epochBytes + instanceBytes + 1;
    const aor = latin1Decode(plain.subarray(from, from + (plain[from - 1] ?? 0)));
    return {
      kind: 'temporary',
      aor,
      names: ({ instance, gruuEpochMs }) =>
        instance !== undefined &&
        gruuEpochMs === epochMs &&
        constantTimeEqual(instanceHash(aor, instance), hash),
    };
  }

  return {
    publicGruu(aor, instance, scheme) {
      const hash = instanceHash(aor, instance);
      const token = concatBytes([Uint8Array.of(publicMark), hash, publicTag(aor, hash)]);
      const at = aor.lastIndexOf('@');
      const shown = escapeUser(aor.slice(0, at)) + aor.slice(at);
      return `${scheme}:${shown};gr=${format.encode(token)}`;
    },
    temporaryGruu(aor, instance, epochMs, scheme) {
      const text = latin1Encode(aor);
      const used = epochBytes + instanceBytes + 1 + text.length;
      const padded = Math.ceil(used / blockBytes) * blockBytes;
      if (1 + nonceBytes + padded + tagBytes > maxTokenBytes) return undefined;
      const plain = new Uint8Array(padded);
      writeEpoch(plain, epochMs);
      plain.set(instanceHash(aor, instance), epochBytes);
      plain[epochBytes + instanceBytes] = text.length;
      plain.set(text, used - text.length);
      return `${scheme}:${temporaryUser}@${domains.canonical};gr=${format.encode(seal(plain))}`;
    },
    read(uri) {
      if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return undefined;
      const gr = uri.params.get('gr');
      const token = gr === undefined ? undefined : format.decode(gr);
      const aor = token === undefined ? undefined : aorOf(uri, domains);
      if (token === undefined || aor === undefined) return undefined;
      return token[0] === publicMark ? readPublic(token, aor) : readTemporary(token);
    },
    // The tag of a public one covers its address, which the token does not hold.
    isGenuine: (token) =>
      token[0] === publicMark ? token.length === publicBytes : unseal(token) !== undefined,
  };
}

interface KeyPair {
  readonly cipher: Uint8Array;
  readonly tag: Uint8Array;
}

/** The bytes under a keystream of HMAC(key, head ‖ block number); its own inverse. */
function masked(key: Uint8Array, head: Uint8Array, bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  for (let from = 0; from < out.length; from += blockBytes) {
    const block = hmacSha256(key, concatBytes([head, Uint8Array.of(from / blockBytes)]));
    const end = Math.min(from + blockBytes, out.length);
    for (let i = from; i < end; i++) out[i] = (out[i] ?? 0) ^ (block[i - from] ?? 0);
  }
  return out;
}

function writeEpoch(bytes: Uint8Array, epochMs: number): void {
  for (let i = 0; i < epochBytes; i++) {
    bytes[i] = Math.trunc(epochMs / 256 ** (epochBytes - 1 - i)) % 256;
  }
}

function readEpoch(bytes: Uint8Array): number {
  let value = 0;
  for (let i = 0; i < epochBytes; i++) value = value * 256 + (bytes[i] ?? 0);
  return value;
}
