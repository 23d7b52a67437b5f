/**
 * Arithmetic on the ring of 128-bit ids (RFC 6940 §10.1). Ids are lower-case hexadecimal of equal
 * length, so order is string order; numbers are made only where a distance is needed.
 */
import type { NodeId, ResourceId } from '../../base/ids.ts';

type Id = NodeId | ResourceId;

/** Bits of an id in CHORD-RELOAD (RFC 6940 §10.2, A-23). */
export const idBits = 128;
/** Hexadecimal digits of an id. */
export const idDigits = idBits / 4;

const modulus = 1n << BigInt(idBits);

/** True for k in (from, to], clockwise; the whole ring when both ends are equal. */
export function inRange(from: Id, k: Id, to: Id): boolean {
  return from < to ? from < k && k <= to : k > from || k <= to;
}

/** True for k in (from, to), clockwise; everything but `from` when both ends are equal. */
export function strictlyBetween(from: Id, k: Id, to: Id): boolean {
  if (from < to) return from < k && k < to;
  if (from > to) return k > from || k < to;
  return k !== from;
}

/** (to - from) mod 2^128: the way clockwise. */
export function distance(from: Id, to: Id): bigint {
  const difference = BigInt(`0x${to}`) - BigInt(`0x${from}`);
  return difference < 0n ? difference + modulus : difference;
}

/** (id + offset) mod 2^128 as a Resource-ID. */
export function addOffset(id: Id, offset: bigint): ResourceId {
  const sum = (BigInt(`0x${id}`) + offset) % modulus;
  return sum.toString(16).padStart(idDigits, '0') as ResourceId;
}

/** The Resource-ID right after a Node-ID; its owner is the node's successor. */
export function after(id: Id): ResourceId {
  return addOffset(id, 1n);
}

/** Where finger i of `self` begins: self + 2^(128-i), i from 1 to 128. RFC 6940 §10.5. */
export function fingerStart(self: NodeId, index: number): ResourceId {
  return addOffset(self, 1n << BigInt(idBits - index));
}

/** The finger whose range [self + 2^(128-i), self + 2^(128-(i-1)) - 1] holds `id`; 0 for `self`. RFC 6940 §10.7.4.2. */
export function fingerIndex(self: NodeId, id: Id): number {
  const way = distance(self, id);
  return way === 0n ? 0 : idBits + 1 - way.toString(2).length;
}

/** Position of the first of the ascending ids that is not below `k`; their count when none is. */
export function lowerBound(ascending: readonly NodeId[], k: Id): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as NodeId) < k) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Part of the ring in (from, to], in parts per 10^9 (rounded down); 10^9 when both are equal. */
export function partsPerBillion(from: NodeId, to: NodeId): number {
  if (from === to) return 1_000_000_000;
  return Number((distance(from, to) * 1_000_000_000n) >> BigInt(idBits));
}
