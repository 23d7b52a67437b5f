/**
 * One instance of the algorithm with a host that only takes notes: the test plays all other nodes.
 * Chance always yields one half, so that jitter is none and times are exact.
 */
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../../src/base/outcome.ts';
import type { OverlayConfig } from '../../../../src/ports/overlay-config.ts';
import type { Random } from '../../../../src/ports/random.ts';
import { createChord } from '../../../../src/topology/chord/chord.ts';
import type { AttachTarget, Topology, TopologyHost } from '../../../../src/topology/plugin.ts';
import { decodeExact, encodeToBytes } from '../../../../src/wire/codec.ts';
import { chordUpdate, type ChordUpdate } from '../../../../src/wire/reload/chord.ts';
import { joinReq } from '../../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { routeQueryReq } from '../../../../src/wire/reload/route-query.ts';
import { createCountingTrace, type CountingTrace } from '../../link/fakes.ts';
import { testConfig } from './ring-harness.ts';

/** The id whose first byte is given and whose others are zero. */
export const idOf = (firstByte: number): NodeId =>
  firstByte.toString(16).padStart(2, '0').padEnd(32, '0') as NodeId;

export const noBytes = new Uint8Array(0);

export interface Noted<T> {
  readonly atMs: number;
  readonly done: (outcome: Outcome<T>) => void;
}

export interface NotedRequest extends Noted<Uint8Array> {
  readonly to: NodeId;
  readonly code: number;
  readonly body: Uint8Array;
}

export interface NotedAttach extends Noted<NodeId> {
  readonly target: AttachTarget;
  readonly via: NodeId | undefined;
  readonly sendUpdate: boolean;
}

export interface NotedPing extends Noted<NodeId> {
  readonly resource: ResourceId;
  readonly via: NodeId | undefined;
}

export interface NotedCopy extends Noted<void> {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly target: NodeId;
  readonly replicaNumber: number;
}

export interface LonePeer {
  readonly self: NodeId;
  readonly topology: Topology;
  readonly trace: CountingTrace;
  readonly linked: Set<NodeId>;
  readonly requests: NotedRequest[];
  readonly attaches: NotedAttach[];
  readonly pings: NotedPing[];
  readonly copies: NotedCopy[];
  readonly drops: ((resource: ResourceId) => boolean)[];
  readonly closed: NodeId[];
  readonly changes: string[];
  readonly discoveries: Noted<NodeId>[];
  config: OverlayConfig;
  bootstrap: NodeId | undefined;
  nowMs(): number;
  /** Timers that still wait. */
  waiting(): number;
  advance(ms: number): void;
  linkUp(id: NodeId): void;
  linkDown(id: NodeId): void;
  /** An Update of type neighbors from the node; true when it was accepted. */
  update(from: NodeId, predecessors?: readonly NodeId[], successors?: readonly NodeId[]): boolean;
  ready(from: NodeId): boolean;
  /** Links the nodes and hears that they are members. */
  meet(...ids: readonly NodeId[]): void;
  join(from: NodeId): number;
  query(from: NodeId, sendUpdate: boolean, target: NodeId): NodeId | number;
  /** Updates sent since the notes were cleared. */
  updates(to?: NodeId): (ChordUpdate & { readonly to: NodeId; readonly atMs: number })[];
  /** Requests of one code, by receiver. */
  askedOf(code: number): NodeId[];
  /** Forgets all notes. */
  clear(): void;
}

export interface LoneOptions {
  /** Without it bootstrap discovery is absent. */
  readonly discovers?: boolean;
  readonly config?: Partial<OverlayConfig>;
  /** In place of the one that always yields one half. */
  readonly random?: Random;
}

const evenRandom: Random = {
  bytes: (length) => new Uint8Array(length),
  u32: () => 0x8000_0000,
};

export function lonePeer(self: NodeId = idOf(0x80), options: LoneOptions = {}): LonePeer {
  let nowMs = 0;
  let timers: { atMs: number; fire: () => void }[] = [];
  const linked = new Set<NodeId>();
  const trace = createCountingTrace();
  const peer = {
    self,
    trace,
    linked,
    requests: [] as NotedRequest[],
    attaches: [] as NotedAttach[],
    pings: [] as NotedPing[],
    copies: [] as NotedCopy[],
    drops: [] as ((resource: ResourceId) => boolean)[],
    closed: [] as NodeId[],
    changes: [] as string[],
    discoveries: [] as Noted<NodeId>[],
    config: { ...testConfig, ...options.config },
    bootstrap: undefined as NodeId | undefined,
  };
  const host: TopologyHost = {
    self,
    config: () => peer.config,
    clock: {
      monotonicMs: () => nowMs,
      wallMs: () => nowMs,
      after(_name, delayMs, fire) {
        assert.ok(delayMs >= 0, 'no timer goes back in time');
        const timer = { atMs: nowMs + delayMs, fire };
        timers.push(timer);
        return { cancel: () => void (timers = timers.filter((other) => other !== timer)) };
      },
    },
    random: options.random ?? evenRandom,
    trace,
    linkedNodes: () => linked,
    isLinked: (id) => linked.has(id),
    closeLink: (id) => void peer.closed.push(id),
    attach(target, { via, sendUpdate }, done) {
      peer.attaches.push({ target, via, sendUpdate, done, atMs: nowMs });
    },
    request(to, code, body, done) {
      peer.requests.push({ to, code, body, done, atMs: nowMs });
    },
    pingResource(resource, via, done) {
      peer.pings.push({ resource, via, done, atMs: nowMs });
    },
    bootstrapPeer: () => peer.bootstrap,
    copyRange({ from, to }, target, replicaNumber, done) {
      peer.copies.push({ from, to, target, replicaNumber, done, atMs: nowMs });
    },
    dropResources: (keep) => void peer.drops.push(keep),
    changed: (what) => void peer.changes.push(what),
    ...(options.discovers === true && {
      discoverBootstrap: (done: (outcome: Outcome<NodeId>) => void) =>
        void peer.discoveries.push({ done, atMs: nowMs }),
    }),
  };
  const topology = createChord(host);

  const lone: LonePeer = Object.assign(peer, {
    topology,
    nowMs: () => nowMs,
    waiting: () => timers.length,
    advance(ms: number) {
      const end = nowMs + ms;
      for (;;) {
        const due = timers
          .filter(({ atMs }) => atMs <= end)
          .reduce<(typeof timers)[number] | undefined>(
            (first, timer) => (first === undefined || timer.atMs < first.atMs ? timer : first),
            undefined,
          );
        if (due === undefined) break;
        timers = timers.filter((other) => other !== due);
        nowMs = Math.max(nowMs, due.atMs);
        due.fire();
      }
      nowMs = end;
    },
    linkUp(id: NodeId) {
      linked.add(id);
      topology.linkUp(id);
    },
    linkDown(id: NodeId) {
      linked.delete(id);
      topology.linkDown(id);
    },
    update(
      from: NodeId,
      predecessors: readonly NodeId[] = [],
      successors: readonly NodeId[] = [],
    ): boolean {
      const update = { uptime: 1, type: 'neighbors', predecessors, successors } as const;
      return topology.handleUpdate(from, encodeToBytes(chordUpdate, update)).ok;
    },
    ready(from: NodeId): boolean {
      return topology.handleUpdate(
        from,
        encodeToBytes(chordUpdate, { uptime: 1, type: 'peerReady' }),
      ).ok;
    },
    meet(...ids: readonly NodeId[]) {
      for (const id of ids) {
        lone.linkUp(id);
        assert.ok(lone.ready(id));
      }
    },
    join(from: NodeId): number {
      const body = encodeToBytes(joinReq, { joiningPeerId: from, overlaySpecificData: noBytes });
      const outcome = topology.handleJoin(from, body);
      return outcome.ok ? 0 : outcome.error.code;
    },
    query(from: NodeId, sendUpdate: boolean, target: NodeId): NodeId | number {
      const outcome = topology.handleRouteQuery(
        from,
        encodeToBytes(routeQueryReq, {
          sendUpdate,
          destination: { type: 'node', nodeId: target },
          overlaySpecificData: noBytes,
        }),
      );
      if (!outcome.ok) return outcome.error.code;
      return Buffer.from(outcome.value).toString('hex') as NodeId;
    },
    updates(to?: NodeId) {
      return peer.requests
        .filter((sent) => sent.code === messageCodes.updateReq && (to ?? sent.to) === sent.to)
        .map((sent) => ({ ...decodeExact(chordUpdate, sent.body), to: sent.to, atMs: sent.atMs }));
    },
    askedOf: (code: number) =>
      peer.requests.filter((sent) => sent.code === code).map(({ to }) => to),
    clear() {
      for (const notes of [
        peer.requests,
        peer.attaches,
        peer.pings,
        peer.copies,
        peer.drops,
        peer.closed,
        peer.changes,
        peer.discoveries,
      ]) {
        notes.length = 0;
      }
    },
  });
  return lone;
}

/** A peer that formed the ring, has met these members and settled; nothing of that is in its notes. */
export function memberWith(ids: readonly NodeId[], options: LoneOptions = {}): LonePeer {
  const peer = lonePeer(idOf(0x80), options);
  peer.topology.join(true);
  peer.meet(...ids);
  settle(peer);
  return peer;
}

/** Lets the searches, copies and pauses after a change end. */
export function settle(peer: LonePeer): void {
  for (let i = 0; i < 50; i++) {
    peer.advance(1000);
    for (const copy of peer.copies.splice(0)) copy.done(success(undefined));
  }
  peer.clear();
}

export const accepted = success(noBytes);
export const unanswered = failure('no answer');
