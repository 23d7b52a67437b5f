/**
 * Puts fragmented messages together at their destination. RFC 6940 §6.7, A-22.
 */
import { limits } from '../base/limits.ts';
import type { Clock, Timer } from '../ports/clock.ts';

/** What reassembly needs to know of one fragment. */
export interface Fragment {
  /** Equal for all fragments of one message: transaction id and last Destination List entry. */
  readonly key: string;
  /** Of `body` within the message after its forwarding header (bytes). */
  readonly offset: number;
  readonly last: boolean;
  /** The bytes after the forwarding header. */
  readonly body: Uint8Array;
}

export type ReassemblyResult =
  | { readonly kind: 'complete'; readonly body: Uint8Array }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly reason: 'fragment-conflict' | 'fragment-overflow' };

export interface Reassembly {
  /** Fragments of a discarded message are refused until its time is over. */
  add(fragment: Fragment): ReassemblyResult;
  readonly size: number;
}

interface Assembly {
  /** Sorted by offset. `undefined` once the message was discarded. */
  pieces: Fragment[] | undefined;
  bytes: number;
  end: number | undefined;
  readonly timer: Timer;
}

/** `lifetimeMs`: maximum request lifetime; `maxBytes`: of one message. Both are read when needed. */
export function createReassembly(dependencies: {
  readonly clock: Clock;
  readonly lifetimeMs: () => number;
  readonly maxBytes: () => number;
}): Reassembly {
  const assemblies = new Map<string, Assembly>();
  let heldBytes = 0;

  function drop(assembly: Assembly): void {
    heldBytes -= assembly.bytes;
    assembly.bytes = 0;
    assembly.pieces = undefined;
  }

  function begin(key: string): Assembly | undefined {
    if (assemblies.size >= limits.overlay.reassemblies) return undefined;
    const timer = dependencies.clock.after('reassembly', dependencies.lifetimeMs(), () => {
      drop(assembly);
      assemblies.delete(key);
    });
    const assembly: Assembly = { pieces: [], bytes: 0, end: undefined, timer };
    assemblies.set(key, assembly);
    return assembly;
  }

  return {
    get size() {
      return assemblies.size;
    },
    add(fragment) {
      const assembly = assemblies.get(fragment.key) ?? begin(fragment.key);
      if (assembly?.pieces === undefined) return { kind: 'refused', reason: 'fragment-overflow' };
      const pieces = assembly.pieces;
      const end = fragment.offset + fragment.body.length;
      if (
        end > dependencies.maxBytes() ||
        heldBytes + fragment.body.length > limits.overlay.reassemblyBytes ||
        pieces.length >= limits.overlay.fragmentsPerMessage
      ) {
        drop(assembly);
        return { kind: 'refused', reason: 'fragment-overflow' };
      }
      const placed = place(assembly, pieces, fragment, end);
      if (placed === 'conflict') {
        drop(assembly);
        return { kind: 'refused', reason: 'fragment-conflict' };
      }
      if (placed === 'new') {
        heldBytes += fragment.body.length;
        assembly.bytes += fragment.body.length;
      }
      if (assembly.end === undefined || assembly.bytes !== assembly.end) {
        return { kind: 'incomplete' };
      }
      const body = join(pieces, assembly.end);
      drop(assembly);
      assembly.timer.cancel();
      assemblies.delete(fragment.key);
      return { kind: 'complete', body };
    },
  };
}

/** Inserts the fragment; pieces never overlap, so the sum of their lengths tells completeness. */
function place(
  assembly: Assembly,
  pieces: Fragment[],
  fragment: Fragment,
  end: number,
): 'new' | 'repeated' | 'conflict' {
  if (fragment.body.length === 0) return 'conflict';
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pieces[middle] as Fragment).offset < fragment.offset) low = middle + 1;
    else high = middle;
  }
  const after = pieces[low];
  if (after?.offset === fragment.offset) {
    const same = after.last === fragment.last && after.body.length === fragment.body.length;
    return same ? 'repeated' : 'conflict';
  }
  const before = pieces[low - 1];
  if (
    before !== undefined &&
    (before.last || before.offset + before.body.length > fragment.offset)
  ) {
    return 'conflict';
  }
  if (after !== undefined && (fragment.last || end > after.offset)) return 'conflict';
  if (fragment.last) assembly.end = end;
  pieces.splice(low, 0, fragment);
  return 'new';
}

function join(pieces: readonly Fragment[], length: number): Uint8Array {
  const body = new Uint8Array(length);
  for (const piece of pieces) body.set(piece.body, piece.offset);
  return body;
}
