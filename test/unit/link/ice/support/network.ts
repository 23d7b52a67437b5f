/**
 * A deterministic network of hosts and NATs that carries UDP datagrams: mapping and filtering of the
 * NATs as in RFC 4787, latency, loss, repetition, and a tap.
 */
import { createPrng } from '../../../../../src/base/prng.ts';
import { failure, success } from '../../../../../src/base/outcome.ts';
import type { Clock } from '../../../../../src/ports/clock.ts';
import type { TransportAddress } from '../../../../../src/ports/connection.ts';
import type { DatagramHandler, DatagramOpener } from '../../../../../src/ports/datagram.ts';
import type { Random } from '../../../../../src/ports/random.ts';

export interface SimulatedClock extends Clock {
  /** Moves time on by so much and fires what becomes due, in order. */
  advance(ms: number): void;
  /** Timers that wait. */
  readonly pending: number;
}

export function createSimulatedClock(): SimulatedClock {
  let now = 0;
  let sequence = 0;
  const timers = new Map<number, { readonly at: number; readonly fire: () => void }>();
  function due(until: number): number | undefined {
    let first: number | undefined;
    for (const [id, timer] of timers) {
      if (timer.at <= until && (first === undefined || timer.at < timers.get(first)!.at))
        first = id;
    }
    return first;
  }
  return {
    monotonicMs: () => now,
    wallMs: () => 1_700_000_000_000 + now,
    after(_name, delayMs, fire) {
      const id = sequence++;
      timers.set(id, { at: now + delayMs, fire });
      return { cancel: () => void timers.delete(id) };
    },
    advance(ms) {
      const end = now + ms;
      for (let id = due(end); id !== undefined; id = due(end)) {
        const timer = timers.get(id)!;
        timers.delete(id);
        now = timer.at;
        timer.fire();
      }
      now = end;
    },
    get pending() {
      return timers.size;
    },
  };
}

export function createSeededRandom(seed: string): Random {
  const prng = createPrng(seed);
  return {
    bytes: (length) => Uint8Array.from({ length }, () => prng.u32() & 0xff),
    u32: () => prng.u32(),
  };
}

/** What a NAT lets pass: RFC 4787 §4, §5. */
export interface NatKind {
  readonly mapping: 'endpoint-independent' | 'address-and-port-dependent';
  readonly filtering: 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';
  /** The only places outside that may be talked to; absent: all. */
  readonly only?: readonly TransportAddress[];
}

export interface Datagram {
  readonly atMs: number;
  readonly bytes: Uint8Array;
  /** As the sender's socket sees it, before any NAT. */
  readonly from: TransportAddress;
  readonly to: TransportAddress;
}

export interface NetworkOptions {
  readonly seed?: string;
  /** 0 to 1. */
  readonly loss?: number;
  readonly repetition?: number;
  readonly latencyMs?: readonly [number, number];
}

export interface Network {
  /** A host with public addresses. */
  host(): DatagramOpener;
  /** A host behind a NAT of that public address. */
  behind(nat: string, kind: NatKind): DatagramOpener;
  /** Every datagram sent, whether it arrives or not. */
  readonly tap: Datagram[];
  /** Drops what it returns true for. */
  drop: (datagram: Datagram) => boolean;
  /** Delivers a datagram at once, whatever its sender claims to be. */
  forge(from: TransportAddress, to: TransportAddress, bytes: Uint8Array): void;
  /** Open sockets. */
  readonly sockets: number;
}

interface Mapping {
  readonly inside: TransportAddress;
  readonly outsidePort: number;
  readonly permitted: Set<string>;
}

interface Nat {
  readonly address: string;
  readonly kind: NatKind;
  readonly mappings: Map<string, Mapping>;
  readonly inside: Map<string, Socket>;
}

interface Socket {
  readonly handler: DatagramHandler;
}

const key = ({ address, port }: TransportAddress): string => `${address} ${port}`;

export function createNetwork(clock: SimulatedClock, options: NetworkOptions = {}): Network {
  const prng = createPrng(options.seed ?? 'network');
  const chance = (): number => prng.u32() / 2 ** 32;
  const outside = new Map<string, Socket>();
  const nats = new Map<string, Nat>();
  const tap: Datagram[] = [];
  let nextPort = 40_000;

  function open(nat: Nat | undefined): DatagramOpener {
    const place = nat?.inside ?? outside;
    return {
      open(at, handler, done) {
        const local = { address: at.address, port: at.port === 0 ? nextPort++ : at.port };
        clock.after('open', 0, () => {
          if (place.has(key(local))) {
            done(failure('in use'));
            return;
          }
          place.set(key(local), { handler });
          done(
            success({
              local,
              send: (bytes, to) => {
                if (place.has(key(local))) send(nat, local, to, bytes);
              },
              close: () => void place.delete(key(local)),
            }),
          );
        });
      },
    };
  }

  function send(
    nat: Nat | undefined,
    from: TransportAddress,
    to: TransportAddress,
    bytes: Uint8Array,
  ): void {
    const datagram = { atMs: clock.monotonicMs(), bytes: Uint8Array.from(bytes), from, to };
    tap.push(datagram);
    if (network.drop(datagram) || chance() < (options.loss ?? 0)) return;
    const copies = chance() < (options.repetition ?? 0) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const [least, most] = options.latencyMs ?? [10, 10];
      clock.after('datagram', least + chance() * (most - least), () => {
        carry(nat, from, to, datagram.bytes);
      });
    }
  }

  function carry(
    nat: Nat | undefined,
    from: TransportAddress,
    to: TransportAddress,
    bytes: Uint8Array,
  ): void {
    const neighbor = nat?.inside.get(key(to));
    if (neighbor !== undefined) {
      neighbor.handler.received(Uint8Array.from(bytes), from);
      return;
    }
    const seen = nat === undefined ? from : translate(nat, from, to);
    if (seen !== undefined) deliver(seen, to, bytes);
  }

  function translate(
    nat: Nat,
    inside: TransportAddress,
    to: TransportAddress,
  ): TransportAddress | undefined {
    const { mapping, only } = nat.kind;
    if (only !== undefined && !only.some((allowed) => key(allowed) === key(to))) return undefined;
    const id = mapping === 'endpoint-independent' ? key(inside) : `${key(inside)} ${key(to)}`;
    let entry = nat.mappings.get(id);
    if (entry === undefined) {
      entry = { inside, outsidePort: nextPort++, permitted: new Set() };
      nat.mappings.set(id, entry);
    }
    entry.permitted.add(key(to)).add(to.address);
    return { address: nat.address, port: entry.outsidePort };
  }

  function deliver(from: TransportAddress, to: TransportAddress, bytes: Uint8Array): void {
    const nat = nats.get(to.address);
    if (nat === undefined) {
      outside.get(key(to))?.handler.received(Uint8Array.from(bytes), from);
      return;
    }
    for (const entry of nat.mappings.values()) {
      if (entry.outsidePort !== to.port) continue;
      const { filtering } = nat.kind;
      const passes =
        filtering === 'endpoint-independent' ||
        entry.permitted.has(filtering === 'address-dependent' ? from.address : key(from));
      const socket = nat.inside.get(key(entry.inside));
      if (passes) socket?.handler.received(Uint8Array.from(bytes), from);
    }
  }

  const network: Network = {
    host: () => open(undefined),
    behind(address, kind) {
      const nat = { address, kind, mappings: new Map(), inside: new Map() };
      nats.set(address, nat);
      return open(nat);
    },
    tap,
    drop: () => false,
    forge: deliver,
    get sockets() {
      let count = outside.size;
      for (const nat of nats.values()) count += nat.inside.size;
      return count;
    },
  };
  return network;
}
