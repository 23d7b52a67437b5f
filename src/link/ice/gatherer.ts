/**
 * Gathering of host, server-reflexive and relayed candidates for one component; no defaults are
 * chosen. RFC 8445 §5.1.1, RFC 6940 §6.5.1.5.
 */
import { limits } from '../../base/limits.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { DatagramOpener, DatagramSocket } from '../../ports/datagram.ts';
import type { Random } from '../../ports/random.ts';
import { canonicalAddress, familyOf, isUnicast, sameAddress } from './address.ts';
import {
  candidatePriority,
  createFoundations,
  type Base,
  type CandidateType,
  type LocalCandidate,
} from './candidates.ts';
import type { IcePacer } from './pacer.ts';
import type { StunRequests } from './stun-requests.ts';
import { createTurnClient, type Allocation, type TurnClient } from './turn-client.ts';
import type { IceServers, TurnServer } from './types.ts';

/** Where a datagram came in. */
export interface Source {
  readonly base: Base;
  readonly from: TransportAddress;
}

export interface Gatherer {
  /** `done` is called once, later, within limits.ice.gatherMs; not after `close`. Call once. */
  gather(done: (outcome: Outcome<readonly LocalCandidate[]>) => void): void;
  /** Closes all bases. */
  close(): void;
}

export interface GathererDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly sockets: DatagramOpener;
  readonly pacer: IcePacer;
  readonly addresses: readonly string[];
  readonly servers: IceServers;
  readonly requests: StunRequests<Source>;
  /** A datagram on a base that is not closed, also while gathering. */
  readonly received: (bytes: Uint8Array, source: Source) => void;
  /** A base ended by itself. */
  readonly lost: (base: Base, reason: string) => void;
}

/** A socket serves its host base and the relays allocated through it, and is closed after the last. */
interface OwnSocket {
  readonly socket: DatagramSocket;
  readonly base: Base;
  readonly relays: TurnClient[];
  users: number;
}

export function createGatherer(dependencies: GathererDependencies): Gatherer {
  const { clock, requests } = dependencies;
  const own: OwnSocket[] = [];
  const bases = new Set<Base>();
  const candidates: LocalCandidate[] = [];
  const relayBases = new Map<Base, OwnSocket>();
  /** Allocations whose answer is awaited; one that comes after the end is given back. */
  const pendingRelays = new Map<TurnClient, OwnSocket>();
  const foundation = createFoundations();
  const queries: (() => void)[] = [];
  /** Sockets whose reflexive address is asked for, and those that have got an answer. */
  const asking = new Set<Base>();
  const answered = new Set<Base>();
  let asked = false;
  /** Further STUN servers had their time. */
  let enough = false;
  let state: 'new' | 'gathering' | 'gathered' | 'closed' = 'new';
  let waiting = 0;
  let paceTimer: Timer | undefined;
  let graceTimer: Timer | undefined;
  let deadline: Timer | undefined;
  let finished: (outcome: Outcome<readonly LocalCandidate[]>) => void = () => undefined;

  function openSocket(address: string, place: number): void {
    waiting += 1;
    let mine: OwnSocket | undefined;
    dependencies.sockets.open(
      { address, port: 0 },
      {
        received: (bytes, from) => {
          if (mine !== undefined) arrived(mine, bytes, from);
        },
        failed: (reason) => {
          if (mine !== undefined) socketFailed(mine, reason);
        },
      },
      (outcome) => {
        if (outcome.ok && state !== 'gathering') outcome.value.close();
        else if (outcome.ok) mine = addSocket(outcome.value, place);
        settled();
      },
    );
  }

  function addSocket(socket: DatagramSocket, place: number): OwnSocket {
    const base: Base = {
      address: socket.local,
      relayed: false,
      place,
      send: (bytes, to) => {
        socket.send(bytes, to);
      },
      settle: () => undefined,
      close: () => {
        if (bases.delete(base)) release(mine);
      },
    };
    const mine: OwnSocket = { socket, base, relays: [], users: 1 };
    own.push(mine);
    bases.add(base);
    addCandidate('host', socket.local, base, socket.local);
    return mine;
  }

  function release(mine: OwnSocket): void {
    mine.users -= 1;
    if (mine.users === 0) mine.socket.close();
  }

  function arrived(mine: OwnSocket, bytes: Uint8Array, from: TransportAddress): void {
    for (const relay of mine.relays) {
      if (!sameAddress(relay.server, from)) continue;
      relay.receive(bytes);
      return;
    }
    if (bases.has(mine.base)) dependencies.received(bytes, { base: mine.base, from });
  }

  function socketFailed(mine: OwnSocket, reason: string): void {
    for (const relay of mine.relays.splice(0)) relay.close(() => undefined);
    for (const base of [...bases]) {
      if (base !== mine.base && !relaysOf(mine).includes(base)) continue;
      bases.delete(base);
      dependencies.lost(base, reason);
    }
  }

  function relaysOf(mine: OwnSocket): readonly Base[] {
    return [...relayBases].filter(([, socket]) => socket === mine).map(([base]) => base);
  }

  /** Equal addresses of one base are one candidate: the first, whose type ranks higher (§5.1.3). */
  function addCandidate(
    type: CandidateType,
    address: TransportAddress,
    base: Base,
    related: TransportAddress,
    server?: TransportAddress,
  ): void {
    if (candidates.some((c) => c.base === base && sameAddress(c.address, address))) return;
    if (candidates.length >= limits.ice.localCandidates || !isUnicast(address.address)) return;
    const earlier = candidates.filter((c) => c.type === type && c.base.place === base.place).length;
    candidates.push({
      type,
      address,
      base,
      related,
      foundation: foundation(type, base.address.address, server?.address),
      priority: candidatePriority(type, base.place + earlier * limits.ice.hostCandidates),
    });
  }

  /** All sockets are open: one question after the other, at the pace of RFC 8445 §14.2. */
  function askServers(): void {
    own.sort((a, b) => a.base.place - b.base.place);
    for (const mine of own) {
      const { base } = mine;
      for (const server of stunServersFor(base)) {
        asking.add(base);
        queries.push(() => {
          askReflexive(base, server);
        });
      }
    }
    for (const server of dependencies.servers.turn.slice(0, limits.ice.turnServers)) {
      const family = familyOf(server.server.address);
      const mine = own.find(({ base }) => familyOf(base.address.address) === family);
      if (mine !== undefined) queries.push(() => startAllocation(mine, server));
    }
    waiting += queries.length;
    pace();
  }

  function stunServersFor(base: Base): readonly TransportAddress[] {
    const family = familyOf(base.address.address);
    return dependencies.servers.stun
      .filter(({ address }) => familyOf(address) === family)
      .slice(0, limits.ice.stunServers);
  }

  function pace(): void {
    const query = queries.shift();
    if (query === undefined) return;
    paceTimer = clock.after('ice-gather', dependencies.pacer.book(), () => {
      query();
      paceTimer = clock.after('ice-gather', limits.ice.paceMs, pace);
    });
  }

  function askReflexive(base: Base, server: TransportAddress): void {
    requests.send(
      {
        method: 'binding',
        attributes: {},
        transmit: (bytes) => {
          base.send(bytes, server);
        },
      },
      (outcome) => {
        const mapped = outcome.ok ? outcome.value.message.attributes.xorMappedAddress : undefined;
        if (state === 'gathering' && mapped !== undefined) {
          addCandidate('srflx', mapped, base, base.address, server);
          noteAnswer(base);
        }
        settled();
      },
    );
  }

  /** Every socket knows how it is seen: servers that do not answer, as behind NATs, cost no more than this. */
  function noteAnswer(base: Base): void {
    answered.add(base);
    if (graceTimer !== undefined || answered.size < asking.size) return;
    graceTimer = clock.after('ice-gather-grace', limits.ice.gatherGraceMs, () => {
      enough = true;
      finishWhenDone();
    });
  }

  function startAllocation(mine: OwnSocket, server: TurnServer): void {
    let base: Base | undefined;
    const client = createTurnClient({
      clock,
      random: dependencies.random,
      server,
      family: familyOf(server.server.address),
      transmit: (bytes, to) => {
        mine.socket.send(bytes, to);
      },
      events: {
        data: (bytes, from) => {
          if (base !== undefined && bases.has(base)) dependencies.received(bytes, { base, from });
        },
        lost: (reason) => {
          if (base === undefined || !bases.delete(base)) return;
          release(mine);
          dependencies.lost(base, reason);
        },
      },
    });
    mine.relays.push(client);
    mine.users += 1;
    pendingRelays.set(client, mine);
    client.allocate((outcome) => {
      pendingRelays.delete(client);
      if (outcome.ok && state === 'gathering') base = addRelay(mine, client, outcome.value, server);
      else {
        client.close(() => {
          release(mine);
        });
      }
      settled();
    });
  }

  function addRelay(
    mine: OwnSocket,
    client: TurnClient,
    { relayed, mapped }: Allocation,
    { server }: TurnServer,
  ): Base {
    const base: Base = {
      address: relayed,
      relayed: true,
      place: mine.base.place,
      send: (bytes, to) => {
        client.send(bytes, to);
      },
      settle: (to) => {
        client.settle(to);
      },
      close: () => {
        if (!bases.delete(base)) return;
        client.close(() => {
          release(mine);
        });
      },
    };
    bases.add(base);
    relayBases.set(base, mine);
    addCandidate('srflx', mapped, mine.base, mine.base.address, server);
    addCandidate('relay', relayed, base, mapped, server);
    return base;
  }

  function settled(): void {
    waiting -= 1;
    if (state !== 'gathering') return;
    if (waiting === 0 && !asked) {
      asked = true;
      askServers();
    }
    finishWhenDone();
  }

  function finishWhenDone(): void {
    const onlyLateOnes = enough && queries.length === 0 && pendingRelays.size === 0;
    if (waiting === 0 || onlyLateOnes) finish();
  }

  function finish(): void {
    stopTimers();
    if (candidates.length === 0) {
      close();
      finished(failure('no socket could be opened'));
      return;
    }
    state = 'gathered';
    finished(success(candidates.toSorted((a, b) => b.priority - a.priority)));
  }

  function stopTimers(): void {
    deadline?.cancel();
    paceTimer?.cancel();
    graceTimer?.cancel();
    queries.length = 0;
  }

  function close(): void {
    state = 'closed';
    stopTimers();
    for (const base of [...bases]) base.close();
    for (const [client, mine] of pendingRelays) {
      client.close(() => {
        release(mine);
      });
    }
    pendingRelays.clear();
  }

  return {
    gather(done) {
      state = 'gathering';
      finished = done;
      deadline = clock.after('ice-gather-end', limits.ice.gatherMs, finish);
      const addresses = usableAddresses(dependencies.addresses);
      // Keeps the end from coming before all are begun, and inside this call.
      waiting += 1;
      addresses.forEach(openSocket);
      clock.after('ice-gather', 0, settled);
    },
    close,
  };
}

function usableAddresses(addresses: readonly string[]): readonly string[] {
  const usable = new Set<string>();
  for (const text of addresses) {
    const address = canonicalAddress(text);
    if (address !== undefined && isUnicast(address)) usable.add(address);
  }
  return [...usable].slice(0, limits.ice.hostCandidates);
}
