/**
 * The simulated network: secured connections, dialing, breaks, silence and ways that work in one
 * direction only. Streams keep their order; datagrams may be lost, repeated or overtaken.
 */
import type { NodeId } from '../base/ids.ts';
import { failure, success } from '../base/outcome.ts';
import type { Certificate } from '../ports/certificates.ts';
import type {
  ConnectionHandler,
  Dialer,
  SecureConnection,
  TransportAddress,
} from '../ports/connection.ts';
import type { SimulatedHost } from './host.ts';
import { createMessageMeter, type MessageMeter } from './message-meter.ts';
import type { World } from './world.ts';

export interface Latency {
  readonly minimumMs: number;
  readonly maximumMs: number;
}

/** Connections that carry datagrams (DTLS), and what happens to these. All parts are from 0 to 1. */
export interface DatagramFaults {
  /** Part of the connections that carry datagrams; the others are streams. */
  readonly share: number;
  readonly loss: number;
  readonly duplication: number;
  /** Part of the datagrams that come late, so that later ones overtake them. */
  readonly reordering: number;
}

/** What a node shows on the network. */
export interface NetworkNode {
  readonly host: SimulatedHost;
  readonly nodeId: NodeId;
  readonly chain: readonly Certificate[];
}

export interface Listener extends NetworkNode {
  readonly accept: (connection: SecureConnection) => void;
}

export interface SimulatedNetwork {
  listen(address: TransportAddress, listener: Listener): void;
  dialer(address: TransportAddress, node: NetworkNode): Dialer;
  /** A connection between two listeners that is simply there; both accept it. */
  connect(from: TransportAddress, to: TransportAddress): void;
  /** The process died: its connections end at the other side, or stay silent after a power cut. */
  dropHost(host: SimulatedHost, silently: boolean): void;
  /** Breaks one connection of the host: both sides see a reset. False when it has none. */
  breakOne(host: SimulatedHost): boolean;
  /** What is under way on one connection of the host arrives that much later. False when it has none. */
  delayOne(host: SimulatedHost, forMs: number): boolean;
  /**
   * Says whose bytes reach whom, by host index; `undefined`: everybody's everybody. What could not
   * be delivered breaks its connection when the rule changes; until then the connection is silent.
   */
  reach(rule: ((from: number, to: number) => boolean) | undefined): void;
  readonly meter: MessageMeter;
}

interface End {
  readonly node: NetworkNode;
  readonly run: number;
  handler: ConnectionHandler | undefined;
  /** What came before there was a handler. */
  early: Uint8Array[] | undefined;
  /** Nothing arrives before. */
  lastArrivalMs: number;
  /** Bytes towards this end were lost, so nothing that follows them can be delivered either. */
  cut: boolean;
  closed: boolean;
  /** Why it has ended; whoever takes it over later is told then. */
  endReason: string | undefined;
}

interface Pair {
  readonly ends: readonly [End, End];
  /** What happens to its datagrams; absent: a stream. */
  readonly faults: DatagramFaults | undefined;
}

const idleTimeoutMs = 600_000;
/** Payload of one datagram, as DTLS links over Ethernet have it. */
const datagramBytes = 1200;
/** How much later a datagram comes that is overtaken, in times of the longest latency. */
const latecomerFactor = 3;
/** A lost handshake datagram is sent again after that long (RFC 9147 §5.8.2 with our timer). */
const handshakeRepeatMs = 250;

export function createSimulatedNetwork(
  world: World,
  latency: Latency,
  datagrams?: DatagramFaults,
): SimulatedNetwork {
  const listeners = new Map<string, Listener>();
  const pairsOf = new Map<SimulatedHost, Set<Pair>>();
  const cut = new Set<Pair>();
  const meter = createMessageMeter();
  let rule: ((from: number, to: number) => boolean) | undefined;

  function delayMs(): number {
    const unit = world.prng.unit();
    return latency.minimumMs + unit * unit * (latency.maximumMs - latency.minimumMs);
  }

  function reaches(from: SimulatedHost, to: SimulatedHost): boolean {
    return rule === undefined || rule(from.index, to.index);
  }

  function join(
    client: NetworkNode,
    clientAddress: TransportAddress,
    server: NetworkNode,
    serverAddress: TransportAddress,
  ): { client: SecureConnection; server: SecureConnection } {
    const faults =
      datagrams !== undefined && world.prng.unit() < datagrams.share ? datagrams : undefined;
    const pair: Pair = { ends: [newEnd(client), newEnd(server)], faults };
    for (const { host } of [client, server]) {
      const pairs = pairsOf.get(host);
      if (pairs === undefined) pairsOf.set(host, new Set([pair]));
      else pairs.add(pair);
    }
    return {
      client: connection(pair, 0, clientAddress, serverAddress),
      server: connection(pair, 1, serverAddress, clientAddress),
    };
  }

  function forget(pair: Pair): void {
    cut.delete(pair);
    for (const { node } of pair.ends) pairsOf.get(node.host)?.delete(pair);
  }

  function connection(
    pair: Pair,
    side: 0 | 1,
    local: TransportAddress,
    remote: TransportAddress,
  ): SecureConnection {
    return new SimulatedConnection(wire, pair, side, { local, remote });
  }

  const wire: Wire = {
    world,
    meter,
    deliver(pair, from, to, work) {
      if (pair.faults === undefined) deliverInOrder(pair, from, to, work);
      else deliverDatagram(pair.faults, from, to, work);
    },
    forget,
  };

  /** Never, once or twice, each after a latency of its own. */
  function deliverDatagram(faults: DatagramFaults, from: End, to: End, work: () => void): void {
    const { prng } = world;
    const { host } = to.node;
    const copies = prng.unit() < faults.duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (prng.unit() < faults.loss || !reaches(from.node.host, host)) continue;
      const late = prng.unit() < faults.reordering ? latecomerFactor * latency.maximumMs : 0;
      const atMs = Math.max(to.lastArrivalMs, world.nowMs + delayMs() + late * prng.unit());
      world.after(atMs - world.nowMs, () => {
        if (to.run === host.run) host.enter(work);
      });
    }
  }

  /** In order, after the latency, if the receiver is still the same run of the same process. */
  function deliverInOrder(pair: Pair, from: End, to: End, work: () => void): void {
    if (to.cut || !reaches(from.node.host, to.node.host)) {
      to.cut = true;
      cut.add(pair);
      return;
    }
    const { host } = to.node;
    const atMs = Math.max(to.lastArrivalMs, world.nowMs + delayMs());
    to.lastArrivalMs = atMs;
    world.after(atMs - world.nowMs, () => {
      if (to.run === host.run) host.enter(work);
    });
  }

  function reset(side: End, afterMs: number): void {
    const { host } = side.node;
    world.after(afterMs, () => {
      if (side.run === host.run) host.enter(() => end(side, 'reset'));
    });
  }

  function anyOf(host: SimulatedHost): Pair | undefined {
    const pairs = [...(pairsOf.get(host) ?? [])];
    return pairs[world.prng.below(Math.max(1, pairs.length))];
  }

  return {
    meter,
    listen: (address, listener) => void listeners.set(keyOf(address), listener),
    connect(from, to) {
      const client = listeners.get(keyOf(from));
      const server = listeners.get(keyOf(to));
      if (client === undefined || server === undefined) throw new Error('nobody listens there');
      const both = join(client, from, server, to);
      server.accept(both.server);
      client.accept(both.client);
    },
    dialer: (address, client) => ({
      dial(target, timeoutMs, done) {
        let open = true;
        const finish = (outcome: Parameters<typeof done>[0]): void => {
          if (!open) return;
          open = false;
          done(outcome);
        };
        client.host.later(timeoutMs, () => finish(failure('timeout')));
        const { run } = client.host;
        // One round trip for TCP, one for TLS; the same for DTLS with its cookie.
        const repeats = datagrams !== undefined && world.prng.unit() < 4 * datagrams.loss;
        world.after(3 * delayMs() + (repeats ? handshakeRepeatMs : 0), () => {
          if (client.host.run !== run) return;
          const server = listeners.get(keyOf(target));
          const connected =
            server === undefined ||
            (reaches(client.host, server.host) && reaches(server.host, client.host));
          if (!connected) return;
          if (server === undefined || server.host.state === 'dead') {
            client.host.later(delayMs(), () => finish(failure('refused')));
            return;
          }
          server.host.enter(() => {
            if (!open) return;
            const both = join(client, address, server, target);
            server.accept(both.server);
            client.host.later(delayMs(), () => {
              if (open) finish(success(both.client));
              else both.client.close('abandoned');
            });
          });
        });
        return () => {
          if (open) client.host.later(0, () => finish(failure('abandoned')));
        };
      },
    }),
    dropHost(host, silently) {
      for (const pair of [...(pairsOf.get(host) ?? [])]) {
        forget(pair);
        for (const side of pair.ends) {
          if (side.node.host === host) side.closed = true;
          // Nothing tells the other end of an association without a connection below it.
          else reset(side, silently || pair.faults !== undefined ? idleTimeoutMs : delayMs());
        }
      }
    },
    breakOne(host) {
      const pair = anyOf(host);
      if (pair === undefined) return false;
      forget(pair);
      for (const side of pair.ends) reset(side, delayMs());
      return true;
    },
    delayOne(host, forMs) {
      const pair = anyOf(host);
      if (pair === undefined) return false;
      for (const side of pair.ends) {
        side.lastArrivalMs = Math.max(side.lastArrivalMs, world.nowMs) + forMs;
      }
      return true;
    },
    reach(next) {
      rule = next;
      for (const pair of [...cut]) {
        forget(pair);
        for (const side of pair.ends) reset(side, delayMs());
      }
    },
  };
}

/** What a connection needs of the network. */
interface Wire {
  readonly world: World;
  readonly meter: MessageMeter;
  deliver(pair: Pair, from: End, to: End, work: () => void): void;
  forget(pair: Pair): void;
}

/** A class, because a large ring has a million of them: functions are shared, and memory is the fields. */
class SimulatedConnection implements SecureConnection {
  readonly role: 'client' | 'server';
  readonly local: TransportAddress;
  readonly remote: TransportAddress;
  readonly bufferedBytes = 0;
  readonly #wire: Wire;
  readonly #pair: Pair;
  readonly #side: 0 | 1;

  constructor(
    wire: Wire,
    pair: Pair,
    side: 0 | 1,
    addresses: { readonly local: TransportAddress; readonly remote: TransportAddress },
  ) {
    this.#wire = wire;
    this.#pair = pair;
    this.#side = side;
    this.role = side === 0 ? 'client' : 'server';
    this.local = addresses.local;
    this.remote = addresses.remote;
  }

  get peerChain(): readonly Certificate[] {
    return this.#other.node.chain;
  }

  get datagramBytes(): number | undefined {
    return this.#pair.faults === undefined ? undefined : datagramBytes;
  }

  get #own(): End {
    return this.#pair.ends[this.#side];
  }

  get #other(): End {
    return this.#pair.ends[this.#side === 0 ? 1 : 0];
  }

  setHandler(handler: ConnectionHandler): void {
    const own = this.#own;
    own.handler = handler;
    const { early = [], endReason } = own;
    if (early.length === 0 && endReason === undefined) return;
    own.early = undefined;
    own.node.host.later(0, () => {
      for (const bytes of early) {
        if (!own.closed || endReason !== undefined) handler.data(bytes);
      }
      if (endReason !== undefined) handler.closed(endReason);
    });
  }

  send(bytes: Uint8Array): void {
    const own = this.#own;
    if (own.closed) return;
    const other = this.#other;
    const { world, meter } = this.#wire;
    meter.measure(bytes, other.node.nodeId);
    this.#wire.deliver(this.#pair, own, other, () => {
      if (other.closed) return;
      const { nowMs } = world;
      world.record(nowMs * 1000, own.node.host.index, other.node.host.index, bytes.length);
      if (other.handler === undefined) (other.early ??= []).push(bytes);
      else other.handler.data(bytes);
    });
  }

  close(reason: string): void {
    const own = this.#own;
    if (own.closed) return;
    const other = this.#other;
    own.closed = true;
    own.node.host.later(0, () => end(own, reason));
    if (other.closed) this.#wire.forget(this.#pair);
    // A close_notify that is lost leaves the other side waiting, until it asks in vain.
    this.#wire.deliver(this.#pair, own, other, () => {
      end(other, 'closed by the other side');
      this.#wire.forget(this.#pair);
    });
  }
}

function end(side: End, reason: string): void {
  if (side.endReason !== undefined) return;
  side.endReason = reason;
  side.closed = true;
  side.handler?.closed(reason);
}

function newEnd(node: NetworkNode): End {
  return {
    node,
    run: node.host.run,
    handler: undefined,
    early: undefined,
    lastArrivalMs: 0,
    cut: false,
    closed: false,
    endReason: undefined,
  };
}

function keyOf({ address, port }: TransportAddress): string {
  return `${address}:${port}`;
}
