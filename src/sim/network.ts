/**
 * The simulated network: secured stream connections with latency and order, dialing, breaks, silence
 * and partitions. It reads the few header fields that the measurements need and nothing else.
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
import { ackFrameLength, dataFrameHeaderLength, frameTypes } from '../wire/reload/framing.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import type { SimulatedHost } from './host.ts';
import type { World } from './world.ts';

export interface Latency {
  readonly minimumMs: number;
  readonly maximumMs: number;
}

export interface NetworkFigures {
  messages: number;
  bytes: number;
}

export interface Listener {
  readonly host: SimulatedHost;
  readonly nodeId: NodeId;
  readonly chain: readonly Certificate[];
  readonly accept: (connection: SecureConnection) => void;
}

export interface SimulatedNetwork {
  listen(address: TransportAddress, listener: Listener): void;
  dialer(address: TransportAddress, listener: Omit<Listener, 'accept'>): Dialer;
  /** The process died: its connections end at the other side, or stay silent after a power cut. */
  dropHost(host: SimulatedHost, silently: boolean): void;
  /** Hosts in different groups cannot reach each other: old connections fall silent, new ones fail. */
  partition(groupOf: ((index: number) => number) | undefined): void;
  /** Links over which each FetchReq has gone, by transaction id. */
  readonly fetchForwards: Map<bigint, number>;
  readonly totals: NetworkFigures;
}

interface End {
  readonly host: SimulatedHost;
  readonly run: number;
  readonly handlers: ConnectionHandler[];
  readonly early: Uint8Array[];
  lastArrivalMs: number;
  closed: boolean;
  /** Told of the end. */
  ended: boolean;
}

interface Pair {
  readonly ends: readonly [End, End];
}

/** Bytes of the forwarding header before its lists (RFC 6940 §6.3.2). */
const fixedHeaderBytes = 38;
const idleTimeoutMs = 600_000;

export function createSimulatedNetwork(world: World, latency: Latency): SimulatedNetwork {
  const listeners = new Map<string, Listener>();
  const pairs = new Set<Pair>();
  const fetchForwards = new Map<bigint, number>();
  const totals: NetworkFigures = { messages: 0, bytes: 0 };
  let groupOf: ((index: number) => number) | undefined;

  function delayMs(): number {
    const unit = world.prng.unit();
    return latency.minimumMs + unit * unit * (latency.maximumMs - latency.minimumMs);
  }

  function isReachable(a: SimulatedHost, b: SimulatedHost): boolean {
    return groupOf === undefined || groupOf(a.index) === groupOf(b.index);
  }

  function connect(
    client: Omit<Listener, 'accept'>,
    clientAddress: TransportAddress,
    server: Listener,
    serverAddress: TransportAddress,
  ): { client: SecureConnection; server: SecureConnection } {
    const ends: [End, End] = [newEnd(client.host), newEnd(server.host)];
    const pair: Pair = { ends };
    pairs.add(pair);
    return {
      client: connection(pair, 0, 'client', clientAddress, serverAddress, server.chain),
      server: connection(pair, 1, 'server', serverAddress, clientAddress, client.chain),
    };
  }

  function connection(
    pair: Pair,
    side: 0 | 1,
    role: 'client' | 'server',
    local: TransportAddress,
    remote: TransportAddress,
    peerChain: readonly Certificate[],
  ): SecureConnection {
    const own = pair.ends[side];
    const other = pair.ends[side === 0 ? 1 : 0];
    return {
      role,
      local,
      remote,
      peerChain,
      bufferedBytes: 0,
      setHandler(handler) {
        own.handlers.push(handler);
        const early = own.early.splice(0);
        if (early.length > 0) {
          own.host.later(0, () => {
            for (const bytes of early) if (!own.closed) handler.data(bytes);
          });
        }
      },
      send(bytes) {
        if (own.closed) return;
        measure(bytes);
        deliver(own, other, () => {
          if (other.closed) return;
          world.record(world.nowMs * 1000, own.host.index, other.host.index, bytes.length);
          const handler = other.handlers[0];
          if (handler === undefined) other.early.push(bytes);
          else handler.data(bytes);
        });
      },
      close(reason) {
        if (own.closed) return;
        own.closed = true;
        own.host.later(0, () => end(own, reason));
        deliver(own, other, () => {
          other.closed = true;
          end(other, 'closed by the other side');
          pairs.delete(pair);
        });
      },
    };
  }

  /** In order, after the latency, if the receiver is still the same run of the same process. */
  function deliver(from: End, to: End, work: () => void): void {
    if (!isReachable(from.host, to.host)) return;
    const atMs = Math.max(to.lastArrivalMs, world.nowMs + delayMs());
    to.lastArrivalMs = atMs;
    world.after(atMs - world.nowMs, () => {
      if (to.run === to.host.run && isReachable(from.host, to.host)) to.host.enter(work);
    });
  }

  function end(side: End, reason: string): void {
    if (side.ended) return;
    side.ended = true;
    side.closed = true;
    for (const handler of side.handlers) handler.closed(reason);
  }

  function measure(bytes: Uint8Array): void {
    totals.bytes += bytes.length;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at < bytes.length) {
      if (bytes[at] === frameTypes.ack) {
        at += ackFrameLength;
      } else if (bytes[at] === frameTypes.data && at + dataFrameHeaderLength <= bytes.length) {
        const length = view.getUint32(at + 4) & 0xff_ffff;
        totals.messages++;
        countForward(view, at + dataFrameHeaderLength, length);
        at += dataFrameHeaderLength + length;
      } else {
        return;
      }
    }
  }

  function countForward(view: DataView, at: number, length: number): void {
    if (length < fixedHeaderBytes || at + length > view.byteLength) return;
    const lists = view.getUint16(at + 32) + view.getUint16(at + 34) + view.getUint16(at + 36);
    const codeAt = fixedHeaderBytes + lists;
    if (codeAt + 2 > length || view.getUint16(at + codeAt) !== messageCodes.fetchReq) return;
    const transaction = view.getBigUint64(at + 20);
    fetchForwards.set(transaction, (fetchForwards.get(transaction) ?? 0) + 1);
  }

  return {
    fetchForwards,
    totals,
    listen: (address, listener) => void listeners.set(keyOf(address), listener),
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
        // One round trip for TCP, one for TLS.
        world.after(3 * delayMs(), () => {
          if (client.host.run !== run) return;
          const server = listeners.get(keyOf(target));
          if (server === undefined || server.host.state === 'dead') {
            if (server === undefined || isReachable(client.host, server.host)) {
              client.host.later(delayMs(), () => finish(failure('refused')));
            }
            return;
          }
          if (!isReachable(client.host, server.host)) return;
          server.host.enter(() => {
            if (!open) return;
            const both = connect(client, address, server, target);
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
      for (const pair of [...pairs]) {
        const side = pair.ends.findIndex((one) => one.host === host);
        if (side === -1) continue;
        pairs.delete(pair);
        const own = pair.ends[side as 0 | 1];
        const other = pair.ends[side === 0 ? 1 : 0];
        own.closed = true;
        const afterMs = silently ? idleTimeoutMs : delayMs();
        world.after(afterMs, () => {
          if (other.run === other.host.run) other.host.enter(() => end(other, 'reset'));
        });
      }
    },
    partition(next) {
      groupOf = next;
    },
  };
}

function newEnd(host: SimulatedHost): End {
  return {
    host,
    run: host.run,
    handlers: [],
    early: [],
    lastArrivalMs: 0,
    closed: false,
    ended: false,
  };
}

function keyOf({ address, port }: TransportAddress): string {
  return `${address}:${port}`;
}
