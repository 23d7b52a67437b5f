/** Announcing a TURN server in the overlay, and finding one. RFC 6940 §9. */
import { resourceIdFromBytes, type NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { emptyBytes } from '../../base/bytes.ts';
import type { Identity } from '../../ports/certificates.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import type { OverlayPeer } from '../../overlay/peer-api.ts';
import { kindIds } from '../../storage/kinds.ts';
import { encodeToBytes, tryDecode } from '../../wire/codec.ts';
import { ipAddressPortOf } from '../../wire/reload/ip-address-port.ts';
import { turnServer } from '../../wire/reload/turn-server.ts';
import { isPrivateAddress } from './private-address.ts';
import { largestIteration, resourceOfTurnServer } from './kind.ts';

export interface TurnService {
  /**
   * Announces the server turn-density times and keeps the records alive, or does nothing when this
   * node is no candidate. `reflexive`: how others see this node, where ICE has found out.
   */
  announce(server: TransportAddress, reflexive: readonly string[]): void;
  /** Ends the announcement; what is stored is removed. */
  withdraw(): void;
  /**
   * Asks at random places until a peer knows a server; `undefined` after
   * `limits.usagesTurn.probes` places. `done` comes later, once.
   */
  find(done: (found: FoundServer | undefined) => void): void;
  stop(): void;
}

export interface FoundServer extends TransportAddress {
  /** The node that offers it. */
  readonly nodeId: NodeId;
}

export interface TurnServiceDependencies {
  readonly overlay: Pick<OverlayPeer, 'store' | 'fetch' | 'find' | 'config' | 'nodeId'>;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
}

/** Neither behind a NAT nor at an address that others cannot reach. §9. */
export function isTurnCandidate(address: string, reflexive: readonly string[]): boolean {
  return !isPrivateAddress(address) && reflexive.every((seen) => seen === address);
}

/** How often a server stands in the overlay: turn-density, bounded by what storing peers accept. */
export function announcedIterations(turnDensity: number): readonly number[] {
  const count = Math.min(turnDensity, largestIteration);
  return Array.from({ length: count }, (_, i) => i + 1);
}

export function createTurnService(dependencies: TurnServiceDependencies): TurnService {
  const { overlay, identity, clock, random, trace } = dependencies;
  const failures = trace.counter('turn_announcements_failed_total');
  const probes = trace.counter('turn_probes_total');
  let announced: TransportAddress | undefined;
  /** Changes with every announcement, so that what an older one began ends. */
  let turn = 0;
  let timer: Timer | undefined;

  function storeAll(server: TransportAddress): void {
    timer = undefined;
    const current = turn;
    const iterations = announcedIterations(overlay.config().turnDensity);
    let open = iterations.length;
    let failed = 0;
    for (const iteration of iterations) {
      storeOne(iteration, server, (stored) => {
        if (!stored) failed++;
        if (--open > 0 || current !== turn) return;
        if (failed > 0) failures.add(failed);
        const { lifetimeS, retryMs } = limits.usagesTurn;
        const delayMs = failed > 0 ? retryMs : (lifetimeS * 1000) / 2;
        timer = clock.after('turn-announcement', delayMs, () => storeAll(server));
      });
    }
  }

  function storeOne(
    iteration: number,
    server: TransportAddress | undefined,
    done: (stored: boolean) => void,
  ): void {
    const value =
      server === undefined
        ? emptyBytes
        : encodeToBytes(turnServer, {
            iteration,
            serverAddress: ipAddressPortOf(server.address, server.port),
          });
    overlay.store(
      {
        kind: kindIds.turnService,
        resource: resourceOfTurnServer(overlay.nodeId, iteration),
        values: [{ exists: server !== undefined, value, lifetimeS: limits.usagesTurn.lifetimeS }],
        identity,
      },
      (outcome) => done(outcome.ok),
    );
  }

  function probe(left: number, done: (found: FoundServer | undefined) => void): void {
    if (left === 0) {
      done(undefined);
      return;
    }
    const goOn = (): void => probe(left - 1, done);
    const place = resourceIdFromBytes(random.bytes(overlay.config().nodeIdLength));
    probes.add();
    overlay.find(place, [kindIds.turnService], (outcome) => {
      const [closest] = outcome.ok ? outcome.value.closest : [];
      if (closest === undefined) goOn();
      else {
        const request = { kind: kindIds.turnService, resource: closest.resource };
        overlay.fetch(request, (fetched) => {
          const [value] = fetched.ok ? fetched.value.values : [];
          const decoded = value?.exists === true ? tryDecode(turnServer, value.value) : undefined;
          const nodeId = value?.signerNodeId;
          const server = decoded?.ok === true ? decoded.value.serverAddress : undefined;
          if (server === undefined || server.type === 'unknown' || nodeId === undefined) goOn();
          else done({ nodeId, address: server.address, port: server.port });
        });
      }
    });
  }

  function end(): void {
    turn++;
    timer?.cancel();
    timer = undefined;
    announced = undefined;
  }

  return {
    announce(server, reflexive) {
      end();
      if (!isTurnCandidate(server.address, reflexive)) {
        trace.log('info', 'no-turn-candidate', { address: server.address });
        return;
      }
      announced = server;
      storeAll(server);
    },
    withdraw() {
      if (announced === undefined) return;
      end();
      for (const iteration of announcedIterations(overlay.config().turnDensity)) {
        storeOne(iteration, undefined, () => undefined);
      }
    },
    find: (done) => probe(limits.usagesTurn.probes, done),
    stop: end,
  };
}
