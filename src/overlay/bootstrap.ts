/**
 * Getting in and coming back: the first link to a bootstrap node, the memory of former neighbors,
 * and new attempts when all links are lost. RFC 6940 §11.4, §10.7.4.4.
 */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import { latin1Decode, latin1Encode } from '../base/text.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Dialer, TransportAddress } from '../ports/connection.ts';
import { randomUnit, type Random } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import type { Topology } from '../topology/plugin.ts';
import type { LinkEntry, LinkTable } from './link-table.ts';

export interface Bootstrap {
  start(bootstrap: readonly TransportAddress[] | 'first'): void;
  stop(): void;
  /** A linked node through which others are reached while there are no tables. */
  peer(): NodeId | undefined;
  /** Links with an address that may lie in another part of the overlay, or else yields {@link peer}. */
  discover(done: (outcome: Outcome<NodeId>) => void): void;
  linkUp(entry: LinkEntry): void;
  /** A linked node told where it listens. */
  learned(nodeId: NodeId, address: TransportAddress): void;
  linkDown(nodeId: NodeId): void;
  /** This peer is in the ring. */
  joined(): void;
}

export interface BootstrapDependencies {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly dialer: Dialer;
  readonly store: Store;
  readonly links: LinkTable;
  readonly topology: () => Pick<Topology, 'state' | 'join'>;
  /** From the configuration document; tried beside those given at start. */
  readonly configured: () => readonly TransportAddress[];
  /** Asks through a linked node whether a ring exists there; `found` is called later. */
  readonly probeRing: (via: NodeId, done: (found: boolean) => void) => void;
  /** Our own listening addresses, which are no way in. */
  readonly ownAddresses: () => readonly TransportAddress[];
}

const storeKey = 'overlay/bootstrap-peers';
const memberKey = 'overlay/member';

export function createBootstrap(dependencies: BootstrapDependencies): Bootstrap {
  const { clock, trace, dialer, links } = dependencies;
  const remembered = readRemembered(dependencies.store);
  /** Linked nodes that were dialed as bootstrap nodes, oldest first. */
  const reached = new Set<NodeId>();
  /** Where linked nodes listen, as far as it is known. */
  const listensAt = new Map<NodeId, string>();
  const dialing = new Map<string, () => void>();
  let given: readonly TransportAddress[] = [];
  let first = false;
  let running = false;
  let waitMs: number = limits.overlay.rejoinMinimumMs;
  const returning = dependencies.store.get(memberKey) !== undefined;
  let startedMs = 0;
  let aloneMs = 0;
  let nextAddress = 0;
  let nextProbe = 0;
  /** Rounds since the last link. */
  let rounds = 0;
  /** A linked node that is known to lead into the ring. */
  let way: NodeId | undefined;
  let timer: Timer | undefined;

  function start(bootstrap: readonly TransportAddress[] | 'first'): void {
    running = true;
    first = bootstrap === 'first';
    given = bootstrap === 'first' ? [] : bootstrap;
    startedMs = clock.monotonicMs();
    aloneMs = first ? firstAloneMs : returningAloneMs * (1 + randomUnit(dependencies.random));
    if (first && addresses().length === 0) dependencies.topology().join(true);
    else round();
  }

  /** Everything worth dialing: what the operator named, what the document lists, whom we knew. */
  function addresses(): readonly TransportAddress[] {
    const own = new Set(dependencies.ownAddresses().map(keyOf));
    const all = new Map<string, TransportAddress>();
    for (const address of [...given, ...dependencies.configured(), ...remembered.values()]) {
      const key = keyOf(address);
      if (!own.has(key)) all.set(key, address);
    }
    return [...all.values()];
  }

  /** Without a link: dial some addresses, more slowly each time. */
  function round(): void {
    timer = undefined;
    if (!running) return;
    if (links.size === 0) {
      const candidates = addresses();
      // Said once per attempt, which come ever more slowly, so that an operator sees why nothing works.
      if (rounds++ > 0) {
        trace.log('warn', 'no-bootstrap-reachable', { addresses: candidates.length });
      }
      const count = Math.min(limits.overlay.bootstrapDialsAtOnce, candidates.length);
      for (let i = 0; i < count; i++) dialNext(candidates);
    }
    if (mayBegin()) {
      lookForRing();
      if (clock.monotonicMs() - startedMs >= aloneMs) dependencies.topology().join(true);
    }
    if (mayBegin()) schedule(Math.min(backoff(), lookAgainMs));
    else if (links.size === 0) schedule(backoff());
  }

  function mayBegin(): boolean {
    return (first || returning) && dependencies.topology().state === 'idle';
  }

  /**
   * Members that all come back at once must not wait for each other forever. So a first node, and
   * one that was a member before, joins only when somebody answers for the ring, and begins a ring
   * when nobody does; rings that began apart merge (§10.7.4.4).
   */
  function lookForRing(): void {
    const linked = [...links.entries()];
    for (let i = 0; i < Math.min(limits.overlay.bootstrapDialsAtOnce, linked.length); i++) {
      const { nodeId } = linked[nextProbe++ % linked.length] as LinkEntry;
      dependencies.probeRing(nodeId, (found) => {
        if (!found || !running || !mayBegin()) return;
        way = nodeId;
        dependencies.topology().join(false);
      });
    }
  }

  function dialNext(
    candidates: readonly TransportAddress[],
    done?: (outcome: Outcome<NodeId>) => void,
  ): void {
    dial(candidates[nextAddress++ % candidates.length] as TransportAddress, done);
  }

  function discover(done: (outcome: Outcome<NodeId>) => void): void {
    const settle = (outcome: Outcome<NodeId>): void => {
      const known = outcome.ok ? outcome.value : peer();
      done(known === undefined ? failure('no bootstrap node answers') : success(known));
    };
    const candidates = running ? addresses().filter((address) => !isLinkedTo(address)) : [];
    if (candidates.length > 0) dialNext(candidates, settle);
    else clock.after('bootstrap-known', 0, () => settle(failure('nothing to dial')));
  }

  function backoff(): number {
    const delayMs = waitMs;
    waitMs = Math.min(waitMs * 2, limits.overlay.rejoinMaximumMs);
    return delayMs;
  }

  function schedule(delayMs: number): void {
    timer?.cancel();
    const spread = 0.75 + randomUnit(dependencies.random) / 2;
    timer = clock.after('bootstrap', delayMs * spread, round);
  }

  /**
   * A node that is linked already has nothing to tell of another part of the overlay, and a second
   * connection to it would take the place of a link that works.
   */
  function isLinkedTo(address: TransportAddress): boolean {
    const key = keyOf(address);
    for (const { nodeId, link } of links.entries()) {
      const { connection } = link;
      if (connection.role === 'client' && keyOf(connection.remote) === key) return true;
      if (listensAt.get(nodeId) === key) return true;
    }
    return false;
  }

  function dial(address: TransportAddress, done?: (outcome: Outcome<NodeId>) => void): void {
    const key = keyOf(address);
    if (dialing.has(key)) {
      if (done !== undefined) clock.after('bootstrap-busy', 0, () => done(failure('busy')));
      return;
    }
    const abandon = dialer.dial(address, limits.overlay.dialTimeoutMs, (outcome) => {
      dialing.delete(key);
      if (!outcome.ok) {
        trace.log('debug', 'bootstrap-unreachable', { address, reason: outcome.error });
        done?.(outcome);
        return;
      }
      const added = links.add(outcome.value);
      if (added.ok) arrived(added.value, key);
      else trace.log('info', 'bootstrap-refused', { address, reason: added.error });
      done?.(added.ok ? success(added.value.nodeId) : added);
    });
    dialing.set(key, abandon);
  }

  function arrived(entry: LinkEntry, at: string): void {
    listensAt.set(entry.nodeId, at);
    reached.delete(entry.nodeId);
    reached.add(entry.nodeId);
    waitMs = limits.overlay.rejoinMinimumMs;
    rounds = 0;
    if (!running || dependencies.topology().state !== 'idle') return;
    if (mayBegin()) lookForRing();
    else dependencies.topology().join(false);
  }

  /** Only directly connected peers are remembered, by the address where they listen. */
  function remember(nodeId: NodeId, listening: TransportAddress): void {
    const held = remembered.get(nodeId);
    if (held !== undefined && keyOf(held) === keyOf(listening)) return;
    remembered.delete(nodeId);
    remembered.set(nodeId, listening);
    for (const oldest of remembered.keys()) {
      if (remembered.size <= limits.overlay.bootstrapPeers) break;
      remembered.delete(oldest);
    }
    const text = [...remembered].map(([id, { address, port }]) => `${id} ${address} ${port}`);
    dependencies.store.write([{ put: storeKey, value: latin1Encode(text.join('\n')) }]);
  }

  function peer(): NodeId | undefined {
    if (way !== undefined && links.get(way)?.link.suspect === false) return way;
    let fallback: NodeId | undefined;
    for (const nodeId of reached) {
      const entry = links.get(nodeId);
      if (entry === undefined) continue;
      if (!entry.link.suspect) return nodeId;
      fallback = nodeId;
    }
    for (const entry of links.entries()) if (!entry.link.suspect) return entry.nodeId;
    return fallback;
  }

  return {
    start,
    stop() {
      running = false;
      timer?.cancel();
      for (const abandon of dialing.values()) abandon();
      dialing.clear();
    },
    peer,
    discover,
    linkUp({ nodeId, link: { connection } }) {
      const listens = connection.role === 'client' && connection.stunRttMs === undefined;
      if (listens) remember(nodeId, connection.remote);
    },
    learned(nodeId, address) {
      if (links.get(nodeId) === undefined) return;
      listensAt.set(nodeId, keyOf(address));
      remember(nodeId, address);
    },
    joined() {
      if (dependencies.store.get(memberKey) !== undefined) return;
      dependencies.store.write([{ put: memberKey, value: latin1Encode('1') }]);
    },
    linkDown(nodeId) {
      reached.delete(nodeId);
      listensAt.delete(nodeId);
      if (running && links.size === 0) schedule(backoff());
    },
  };
}

/** Time in which a first node that has known others looks for their ring before it begins one. */
const firstAloneMs = 3000;
/** The same for another former member, at least; at most twice that. */
const returningAloneMs = 15_000;
const lookAgainMs = 2000;

function keyOf({ address, port }: TransportAddress): string {
  return `${address} ${port}`;
}

/** Oldest first. Lines that are not ours are left out. */
function readRemembered(store: Store): Map<string, TransportAddress> {
  const peers = new Map<string, TransportAddress>();
  const bytes = store.get(storeKey);
  if (bytes === undefined) return peers;
  for (const line of latin1Decode(bytes).split('\n')) {
    const match = /^([0-9a-f]{32,40}) (\S+) (\d{1,5})$/.exec(line);
    if (match === null || peers.size >= limits.overlay.bootstrapPeers) continue;
    const [, nodeId, address, port] = match;
    if (nodeId === undefined || address === undefined) continue;
    peers.set(nodeId, { address, port: Number(port) });
  }
  return peers;
}
