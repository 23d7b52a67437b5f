import { constantTimeEqual, hmacSha256Hex } from '../../base/hash.ts';
import { limits } from '../../base/limits.ts';
import { hexDecode, hexEncode, latin1Decode, latin1Encode } from '../../base/text.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { DigestCredentials, NonceVerdict, Nonces } from './types.ts';

/** What is remembered of one nonce that was used. */
interface NonceUse {
  readonly createdS: number;
  highestCount: number;
  /** Count and first 48 bits of the response of each use within the window, side by side. */
  uses: number[];
}

const timeBytes = 4;
const randomBytes = 8;
/** 96 bits. */
const macDigits = 24;
const plainBytes = timeBytes + randomBytes;

/**
 * Nonces that any process with the key can check: seconds, random bits and an HMAC over both.
 *
 * Replays: the same nonce with the same nc and response was used before, or nc lies far behind. A
 * repeated nc with another response (another method or URI) passes, because SIPp and some phones
 * always send `nc=00000001`; an attacker cannot make another response without the password. A nonce
 * used too often, or older than what a full table had to forget, is called stale. The memory of
 * uses does not survive a restart, nor is it shared between adapters: the lifetime bounds both.
 */
export function createNonces(deps: {
  /** 16 bytes or more each: the first one signs, all verify. May change in place (rotation); never empty. */
  readonly keys: readonly Uint8Array[];
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimeS: number;
}): Nonces {
  const { clock, keys, random, lifetimeS } = deps;
  const used = new Map<string, NonceUse>();
  let forgottenUntilS = 0;

  function nowS(): number {
    return Math.floor(clock.wallMs() / 1000);
  }

  function create(): string {
    const plain = new Uint8Array(plainBytes);
    const seconds = nowS();
    for (let i = 0; i < timeBytes; i++) plain[i] = (seconds / 2 ** (24 - 8 * i)) & 0xff;
    plain.set(random.bytes(randomBytes), timeBytes);
    return hexEncode(plain) + macOf(keys[0] as Uint8Array, plain);
  }

  function check(credentials: DigestCredentials): NonceVerdict {
    const { nonce } = credentials;
    const known = used.get(nonce);
    const createdS = known?.createdS ?? creationTimeS(nonce);
    if (createdS === undefined) return 'foreign';
    if (Math.abs(nowS() - createdS) > lifetimeS) return 'stale';
    const count = countOf(credentials.nc);
    if (known !== undefined) return recordUse(known, count, credentials.response);
    if (createdS <= forgottenUntilS) return 'stale';
    remember(nonce, createdS, count, credentials.response);
    return 'fresh';
  }

  /** Seconds when the nonce was made; `undefined` when it is not ours. */
  function creationTimeS(nonce: string): number | undefined {
    if (nonce.length !== 2 * plainBytes + macDigits) return undefined;
    const plain = hexDecode(nonce.slice(0, 2 * plainBytes));
    if (plain === undefined) return undefined;
    const mac = latin1Encode(nonce.slice(2 * plainBytes));
    if (!keys.some((key) => constantTimeEqual(latin1Encode(macOf(key, plain)), mac))) {
      return undefined;
    }
    let seconds = 0;
    for (let i = 0; i < timeBytes; i++) seconds = seconds * 256 + (plain[i] ?? 0);
    return seconds;
  }

  function remember(nonce: string, createdS: number, count: number, response: string): void {
    const oldestS = nowS() - lifetimeS;
    for (const [key, use] of used) {
      const isFull = used.size >= limits.sipDigest.nonces;
      if (use.createdS >= oldestS && !isFull) break;
      if (use.createdS >= oldestS) forgottenUntilS = Math.max(forgottenUntilS, use.createdS);
      used.delete(key);
    }
    // A copy: the received text is a slice that would keep its whole message in memory.
    const key = latin1Decode(latin1Encode(nonce));
    used.set(key, { createdS, highestCount: count, uses: [count, prefixOf(response)] });
  }

  return { create, check };
}

function macOf(key: Uint8Array, plain: Uint8Array): string {
  return hmacSha256Hex(key, plain).slice(0, macDigits);
}

function countOf(nc: string | undefined): number {
  const count = nc === undefined ? 0 : Number.parseInt(nc, 16);
  return Number.isNaN(count) ? 0 : count;
}

function prefixOf(response: string): number {
  return Number.parseInt(response.slice(0, 12), 16);
}

function recordUse(known: NonceUse, count: number, response: string): NonceVerdict {
  const { countWindow, usesPerNonce } = limits.sipDigest;
  if (count <= known.highestCount - countWindow) return 'replayed';
  const prefix = prefixOf(response);
  const { uses } = known;
  for (let i = 0; i < uses.length; i += 2) {
    if (uses[i] === count && uses[i + 1] === prefix) return 'replayed';
  }
  if (count > known.highestCount) {
    known.highestCount = count;
    if (uses.length >= usesPerNonce) dropOld(known, count - countWindow);
  }
  if (uses.length >= 2 * usesPerNonce) return 'stale';
  known.uses.push(count, prefix);
  return 'fresh';
}

/** Forgets uses that the window covers anyway. */
function dropOld(known: NonceUse, floor: number): void {
  const kept: number[] = [];
  for (let i = 0; i < known.uses.length; i += 2) {
    const [count = 0, prefix = 0] = known.uses.slice(i, i + 2);
    if (count > floor) kept.push(count, prefix);
  }
  known.uses = kept;
}
