/**
 * How a forwarding peer makes sure that the response finds its way back: by the Via List, or by
 * something shorter that only this peer can read. RFC 6940 §6.1.2, §6.1.3.
 */
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { hexEncode } from '../base/text.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { createConnectionSlots } from './connection-slots.ts';
import { isResponse, peekMessageCode, returnPath, type RoutedMessage } from './routed-message.ts';

/**
 * `full`: the previous hop is appended, nothing is kept. `slots`: the same in two bytes, readable
 * while the link lives. `opaque`: one token stands for the whole list (list compression). `state`:
 * the list goes on unchanged, the previous hop is kept by transaction.
 */
export type ViaListMode = 'full' | 'slots' | 'opaque' | 'state';

/** A request of another node on its way. */
export type TransitMessage = RoutedMessage & { readonly from: NodeId };

export interface ViaLists {
  /** The Via List that a request leaves with. */
  forward(message: TransitMessage): readonly Destination[];
  /** What an opaque id of ours stands for, next hop first; `undefined` when unknown or outdated. */
  expand(id: Destination): readonly Destination[] | undefined;
  /** Where a response that names this node goes next, when only this node knows. */
  previousHop(message: RoutedMessage): NodeId | undefined;
  linkUp(nodeId: NodeId): void;
  linkDown(nodeId: NodeId): void;
  /** Requests whose way back is kept. */
  readonly size: number;
}

export interface ViaListDependencies {
  readonly self: NodeId;
  readonly mode: ViaListMode;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  /** How long the way back is kept; at least overlay-reliability-timer. */
  readonly lifetimeMs: () => number;
}

const tokenBytes = 8;

interface Kept {
  readonly path: readonly Destination[];
  readonly expiresMs: number;
}

export function createViaLists(dependencies: ViaListDependencies): ViaLists {
  const { self, mode, clock } = dependencies;
  const slots = mode === 'slots' ? createConnectionSlots(dependencies.random) : undefined;
  /** By token or transaction, oldest first. */
  const kept = new Map<string, Kept>();
  const full = dependencies.trace.counter('overlay_return_state_full_total');
  let timer: Timer | undefined;

  function expire(): void {
    timer = undefined;
    const now = clock.monotonicMs();
    for (const [key, { expiresMs }] of kept) {
      if (expiresMs > now) {
        timer = clock.after('return-state', expiresMs - now, expire);
        return;
      }
      kept.delete(key);
    }
  }

  /** False when there is no room. */
  function keep(key: string, message: TransitMessage): boolean {
    if (kept.size >= limits.overlay.returnStates) {
      full.add();
      return false;
    }
    const lifetimeMs = dependencies.lifetimeMs();
    kept.set(key, {
      path: returnPath(self, message),
      expiresMs: clock.monotonicMs() + lifetimeMs,
    });
    timer ??= clock.after('return-state', lifetimeMs, expire);
    return true;
  }

  function appended({ header, from }: TransitMessage): readonly Destination[] {
    const id = slots?.idOf(from);
    const previous: Destination =
      id === undefined ? { type: 'node', nodeId: from } : { type: 'compressed', id };
    return [...header.viaList, previous];
  }

  return {
    forward(message) {
      if (mode === 'opaque') {
        const id = dependencies.random.bytes(tokenBytes);
        if (keep(hexEncode(id), message)) return [{ type: 'opaque', id }];
      } else if (mode === 'state') {
        const key = String(message.header.transactionId);
        if (kept.has(key) || keep(key, message)) return message.header.viaList;
      }
      return appended(message);
    },
    expand(destination) {
      if (destination.type === 'opaque' && destination.id.length !== 2) {
        return kept.get(hexEncode(destination.id))?.path;
      }
      const id = shortId(destination);
      const nodeId = id === undefined ? undefined : slots?.nodeOf(id);
      return nodeId === undefined ? undefined : [{ type: 'node', nodeId }];
    },
    previousHop(message) {
      if (mode !== 'state') return undefined;
      const previous = kept.get(String(message.header.transactionId))?.path[0];
      if (previous?.type !== 'node' || previous.nodeId === message.from) return undefined;
      // Of a fragment it is not known whether it belongs to a response; only those come from ahead.
      const answers = peekMessageCode(message) === undefined || isResponse(message);
      return answers ? previous.nodeId : undefined;
    },
    linkUp: (nodeId) => slots?.linked(nodeId),
    linkDown: (nodeId) => slots?.unlinked(nodeId),
    get size() {
      return kept.size;
    },
  };
}

/** §6.3.2.2: an opaque id of two bytes with its first bit set equals the 16-bit form. */
function shortId(destination: Destination): number | undefined {
  if (destination.type === 'compressed') return destination.id;
  if (destination.type !== 'opaque' || destination.id.length !== 2) return undefined;
  return ((destination.id[0] ?? 0) << 8) | (destination.id[1] ?? 0);
}
