/**
 * Many instances of the algorithm over an in-memory host: links, routed Attach and Ping, direct
 * requests and stored resources, with one event queue and a fixed hop delay. No overlay code.
 */
import { createHeap } from '../../../../src/base/heap.ts';
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import { nodeIdFromBytes } from '../../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../../src/base/outcome.ts';
import { createPrng, type Prng } from '../../../../src/base/prng.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import type { OverlayConfig } from '../../../../src/ports/overlay-config.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { createChord } from '../../../../src/topology/chord/chord.ts';
import { inRange } from '../../../../src/topology/chord/ring.ts';
import type { AttachTarget, Topology, TopologyHost } from '../../../../src/topology/plugin.ts';
import { overlayConfig } from '../../../support/overlay-config.ts';

export interface SentRequest {
  readonly atMs: number;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly code: number;
  readonly body: Uint8Array;
}

export interface TestPeer {
  readonly id: NodeId;
  readonly topology: Topology;
  readonly links: Set<NodeId>;
  readonly resources: Map<ResourceId, number>;
  alive: boolean;
  silent: boolean;
  bootstrap: NodeId | undefined;
}

export interface RingHarness {
  readonly clock: Clock;
  readonly random: Prng;
  readonly peers: Map<NodeId, TestPeer>;
  readonly sent: SentRequest[];
  readonly copies: {
    from: NodeId;
    to: NodeId;
    source: NodeId;
    target: NodeId;
    replica: number;
    atMs: number;
  }[];
  readonly attaches: {
    from: NodeId;
    target: AttachTarget;
    via: NodeId | undefined;
    atMs: number;
  }[];
  readonly pings: { from: NodeId; resource: ResourceId; via: NodeId | undefined; atMs: number }[];
  config: OverlayConfig;
  /** False: an Attach from the first to the second node fails. */
  mayAttach: (from: NodeId, to: NodeId) => boolean;
  addPeer(id?: NodeId): TestPeer;
  link(a: NodeId, b: NodeId): void;
  unlink(a: NodeId, b: NodeId): void;
  /** Joins through `bootstrap` after linking with it; the first peer forms the ring. */
  join(peer: TestPeer, bootstrap?: TestPeer): void;
  kill(peer: TestPeer): void;
  run(forMs: number): void;
  /** Hops a message takes to the owner; -1 when it does not arrive. */
  hops(from: TestPeer, target: ResourceId | NodeId): { hops: number; at: NodeId | undefined };
  living(): TestPeer[];
}

const hopMs = 1;
const timeoutMs = 3000;

export const testConfig = overlayConfig();

export function createRing(seed: string | number): RingHarness {
  const random = createPrng(seed);
  const queue = createHeap<{ atMs: number; seq: number; fire: () => void }>((a, b) =>
    a.atMs === b.atMs ? a.seq < b.seq : a.atMs < b.atMs,
  );
  let nowMs = 0;
  let seq = 0;
  const peers = new Map<NodeId, TestPeer>();

  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    after(_name, delayMs, fire) {
      const timer = { live: true };
      queue.push({ atMs: nowMs + delayMs, seq: seq++, fire: () => timer.live && fire() });
      return { cancel: () => void (timer.live = false) };
    },
  };
  const later = (ms: number, fire: () => void): void => void clock.after('net', ms, fire);

  const ring: RingHarness = {
    clock,
    random,
    peers,
    sent: [],
    copies: [],
    attaches: [],
    pings: [],
    config: testConfig,
    mayAttach: () => true,
    addPeer(id = nodeIdFromBytes(random.bytes(16))) {
      const links = new Set<NodeId>();
      const resources = new Map<ResourceId, number>();
      const peer: TestPeer = {
        id,
        links,
        resources,
        alive: true,
        silent: false,
        bootstrap: undefined,
        topology: createChord(hostOf(id, () => peer)),
      };
      peers.set(id, peer);
      return peer;
    },
    link(a, b) {
      const [pa, pb] = [peers.get(a), peers.get(b)];
      if (pa === undefined || pb === undefined || pa.links.has(b)) return;
      pa.links.add(b);
      pb.links.add(a);
      pa.topology.linkUp(b);
      pb.topology.linkUp(a);
    },
    unlink(a, b) {
      for (const [x, y] of [
        [a, b],
        [b, a],
      ] as const) {
        const peer = peers.get(x);
        if (peer?.links.delete(y) === true && peer.alive) peer.topology.linkDown(y);
      }
    },
    join(peer, bootstrap) {
      peer.bootstrap = bootstrap?.id;
      if (bootstrap !== undefined) ring.link(peer.id, bootstrap.id);
      peer.topology.join(bootstrap === undefined);
    },
    kill(peer) {
      peer.alive = false;
      for (const other of [...peer.links]) later(hopMs, () => ring.unlink(peer.id, other));
    },
    run(forMs) {
      const untilMs = nowMs + forMs;
      for (;;) {
        const next = queue.peek();
        if (next === undefined || next.atMs > untilMs) break;
        queue.pop();
        nowMs = Math.max(nowMs, next.atMs);
        next.fire();
      }
      nowMs = untilMs;
    },
    hops(from, target) {
      const route = walk(from, target, undefined);
      return { hops: route.at === undefined ? -1 : route.hops, at: route.at?.id };
    },
    living: () => [...peers.values()].filter((peer) => peer.alive),
  };

  /** Follows nextHop from peer to peer. */
  function walk(from: TestPeer, target: NodeId | ResourceId, via: NodeId | undefined) {
    let at = from;
    let hops = 0;
    if (via !== undefined) {
      const first = peers.get(via);
      if (first === undefined || !at.links.has(via) || !first.alive || first.silent)
        return { at: undefined, hops };
      at = first;
      hops++;
    }
    for (; hops < 100; hops++) {
      const hop = at.topology.nextHop(target);
      if (hop.kind === 'self') return { at, hops };
      if (hop.kind === 'none') return { at: undefined, hops };
      const next = peers.get(hop.nodeId);
      if (next === undefined || !next.alive || next.silent) return { at: undefined, hops };
      at = next;
    }
    return { at: undefined, hops };
  }

  /** One link message and its acknowledgement; a silent receiver becomes suspect at the sender. */
  function overLink(
    from: TestPeer,
    to: NodeId,
    arrive: (peer: TestPeer) => void,
    lost: () => void,
  ) {
    const receiver = peers.get(to);
    if (receiver === undefined || !from.links.has(to)) {
      later(1, lost);
      return;
    }
    later(hopMs, () => {
      if (!from.alive || !receiver.alive || !from.links.has(to)) {
        later(timeoutMs, lost);
        return;
      }
      if (receiver.silent) {
        later(500, () => {
          if (receiver.silent && from.links.has(to)) from.topology.linkSuspect(to, true);
        });
        later(timeoutMs, lost);
        return;
      }
      arrive(receiver);
    });
  }

  function hostOf(self: NodeId, me: () => TestPeer): TopologyHost {
    return {
      self,
      config: () => ring.config,
      clock: {
        ...clock,
        after: (name, ms, fire) =>
          clock.after(name, ms, () => {
            if (me().alive && !me().silent) fire();
          }),
      },
      random: { bytes: (length) => random.bytes(length), u32: () => random.u32() },
      trace: silentTrace,
      linkedNodes: () => me().links,
      isLinked: (id) => me().links.has(id),
      closeLink: (id) => later(0, () => ring.unlink(self, id)),
      attach(target, options, done) {
        ring.attaches.push({ from: self, target, via: options.via, atMs: nowMs });
        const id = target.kind === 'node' ? target.nodeId : target.resource;
        later(hopMs, () => {
          const { at } = walk(me(), id, options.via);
          const reached =
            at !== undefined && at.id !== self && (target.kind === 'resource' || at.id === id);
          if (!reached || !ring.mayAttach(self, at.id)) {
            later(timeoutMs, () => done(failure('no answer')));
            return;
          }
          later(4 * hopMs, () => {
            if (!me().alive || !at.alive) {
              later(timeoutMs, () => done(failure('no answer')));
              return;
            }
            ring.link(self, at.id);
            if (options.sendUpdate) at.topology.sendUpdateTo(self);
            done(success(at.id));
          });
        });
      },
      request(to, code, body, done) {
        ring.sent.push({ atMs: nowMs, from: self, to, code, body });
        overLink(
          me(),
          to,
          (receiver) => {
            const answer = handle(receiver.topology, code, self, body);
            later(hopMs, () => done(answer));
          },
          () => done(failure('timeout')),
        );
      },
      pingResource(resource, via, done) {
        ring.pings.push({ from: self, resource, via, atMs: nowMs });
        const start =
          via === undefined
            ? me().topology.nextHop(resource)
            : { kind: 'node' as const, nodeId: via };
        if (start.kind === 'self') {
          later(0, () => done(success(self)));
          return;
        }
        if (start.kind === 'none') {
          later(0, () => done(failure('no route')));
          return;
        }
        overLink(
          me(),
          start.nodeId,
          (receiver) => {
            const { at, hops } = walk(receiver, resource, undefined);
            if (at === undefined) {
              later(timeoutMs, () => done(failure('timeout')));
              return;
            }
            later(2 * hops * hopMs, () => done(success(at.id)));
          },
          () => done(failure('timeout')),
        );
      },
      bootstrapPeer: () => {
        const id = me().bootstrap;
        return id !== undefined && me().links.has(id) ? id : undefined;
      },
      discoverBootstrap(done) {
        later(2, () => {
          const id = me().bootstrap;
          const node = id === undefined ? undefined : peers.get(id);
          if (node === undefined || !node.alive) {
            done(failure('no bootstrap node'));
            return;
          }
          ring.link(self, node.id);
          done(success(node.id));
        });
      },
      copyRange(interval, target, replicaNumber, done) {
        ring.copies.push({
          ...interval,
          source: self,
          target,
          replica: replicaNumber,
          atMs: nowMs,
        });
        overLink(
          me(),
          target,
          (receiver) => {
            for (const [resource, value] of me().resources) {
              if (!inRange(interval.from, resource, interval.to)) continue;
              const fits =
                replicaNumber === 0
                  ? receiver.topology.isResponsible(resource)
                  : receiver.topology.isPlausibleReplica(resource, replicaNumber);
              if (fits) receiver.resources.set(resource, value);
            }
            later(hopMs, () => done(success(undefined)));
          },
          () => done(failure('timeout')),
        );
      },
      dropResources(keep) {
        for (const resource of me().resources.keys()) {
          if (!keep(resource)) me().resources.delete(resource);
        }
      },
      changed: () => undefined,
    };
  }

  return ring;
}

function handle(
  topology: Topology,
  code: number,
  from: NodeId,
  body: Uint8Array,
): Outcome<Uint8Array> {
  const answer =
    code === messageCodes.joinReq
      ? topology.handleJoin(from, body)
      : code === messageCodes.leaveReq
        ? topology.handleLeave(from, body)
        : code === messageCodes.updateReq
          ? topology.handleUpdate(from, body)
          : topology.handleRouteQuery(from, body);
  return answer.ok ? answer : failure(`${answer.error.code} ${answer.error.text}`);
}

/** What is wrong with the ring of living peers; empty when every table is right. */
export function ringFaults(ring: RingHarness, perSide = 5): string[] {
  const living = ring.living();
  const ids = living.map((peer) => peer.id).sort();
  const faults: string[] = [];
  for (const peer of living) {
    const at = ids.indexOf(peer.id);
    const count = Math.min(perSide, ids.length - 1);
    const side = (step: number): NodeId[] =>
      Array.from({ length: count }, (_, i) => ids.at((at + step * (i + 1)) % ids.length) as NodeId);
    const { predecessors, successors, state } = peer.topology.snapshot();
    if (state !== 'joined') faults.push(`${peer.id.slice(0, 6)} is ${state}`);
    if (successors.join() !== side(1).join()) faults.push(`${peer.id.slice(0, 6)} successors`);
    if (predecessors.join() !== side(-1).join()) faults.push(`${peer.id.slice(0, 6)} predecessors`);
  }
  return faults;
}
