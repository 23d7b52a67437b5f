/**
 * An ICE agent as RELOAD uses it: full ICE for one stream with one component, one exchange of
 * candidates, no restart. RFC 6940 §6.5.1.3 to §6.5.1.14, RFC 8445.
 */
import { UsageError } from '../../base/assert.ts';
import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import { hexEncode } from '../../base/text.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import { datagramKind } from '../../wire/stun/demultiplex.ts';
import { shortTermKey } from '../../wire/stun/integrity.ts';
import { decodeStun } from '../../wire/stun/message.ts';
import { sameAddress } from './address.ts';
import { fromWire, toWire, type Base, type LocalCandidate } from './candidates.ts';
import type { Pair } from './check-list.ts';
import { createChecks } from './checks.ts';
import { iceCounters } from './counters.ts';
import { createGatherer, type Source } from './gatherer.ts';
import { isRelayed } from './nomination.ts';
import { createPathKeeper, type PathKeeper } from './path-keeper.ts';
import { createStunRequests } from './stun-requests.ts';
import type { IceAgent, IceAgentDependencies, IceParameters, IcePath, IceState } from './types.ts';

/** 4 characters with at least 24 bits of chance, 22 with at least 128 (RFC 8445 §5.3). */
const ufragBytes = 4;
const passwordBytes = 16;

export function createIceAgent(dependencies: IceAgentDependencies): IceAgent {
  const { clock, random, pacer, events } = dependencies;
  const count = iceCounters(dependencies.trace);
  const ufrag = hexEncode(random.bytes(ufragBytes));
  const password = hexEncode(random.bytes(passwordBytes));
  const requests = createStunRequests<Source>(clock, random);
  let state: IceState = 'new';
  let candidates: readonly LocalCandidate[] = [];
  let path: IcePath | undefined;
  let chosen: { readonly base: Base; readonly remote: TransportAddress } | undefined;
  let keeper: PathKeeper | undefined;
  /** Application data that came before the path was chosen (RFC 6940 §6.5.1.14). */
  let early: Uint8Array[] = [];
  let earlyBytes = 0;

  const gatherer = createGatherer({
    clock,
    random,
    pacer,
    requests,
    sockets: dependencies.sockets,
    addresses: dependencies.addresses,
    servers: dependencies.servers,
    received,
    lost(base, reason) {
      checks.drop(base);
      if (base === chosen?.base) lose(reason);
    },
  });
  const checks = createChecks({
    clock,
    random,
    pacer,
    count,
    requests,
    own: { ufrag, key: shortTermKey(password) },
    candidates: () => candidates,
    events: {
      selected,
      failed(reason) {
        count.failed.add();
        end();
        events.failed(reason);
      },
    },
  });

  function received(bytes: Uint8Array, source: Source): void {
    if (datagramKind(bytes) === 'stun') receivedStun(bytes, source);
    else receivedData(bytes, source.from);
  }

  function receivedStun(bytes: Uint8Array, source: Source): void {
    const decoded = decodeStun(bytes);
    if (!decoded.ok || decoded.value.method !== 'binding') {
      count.stray.add();
      return;
    }
    const message = decoded.value;
    if (message.class === 'request') checks.request(message, source);
    else if (message.class === 'indication') noteHeard(source.from);
    else if (!requests.receive(message, source)) count.stray.add();
  }

  function receivedData(bytes: Uint8Array, from: TransportAddress): void {
    if (!isFarEnd(from)) {
      count.stray.add();
    } else if (state === 'connected') {
      keeper?.heard();
      events.datagram(bytes);
    } else keepEarly(bytes);
  }

  function isFarEnd(from: TransportAddress): boolean {
    return (chosen !== undefined && sameAddress(chosen.remote, from)) || checks.knows(from);
  }

  function noteHeard(from: TransportAddress): void {
    if (chosen !== undefined && sameAddress(chosen.remote, from)) keeper?.heard();
  }

  function keepEarly(bytes: Uint8Array): void {
    if (
      early.length >= limits.ice.earlyDatagrams ||
      earlyBytes + bytes.length > limits.ice.earlyBytes
    ) {
      count.full.add();
      return;
    }
    early.push(bytes);
    earlyBytes += bytes.length;
  }

  function selected(pair: Pair): void {
    const { base } = pair.local;
    const remote = pair.remote.address;
    chosen = { base, remote };
    base.settle(remote);
    if (state === 'connected') return;
    for (const candidate of candidates) {
      if (candidate.base !== base) candidate.base.close();
    }
    state = 'connected';
    path = pathOf(pair);
    keeper = createPathKeeper({
      clock,
      random,
      transmit: (bytes) => {
        transmit(bytes);
      },
      probe: () => {
        checks.probe((alive) => {
          if (alive) keeper?.heard();
        });
      },
      dead: () => {
        lose('the far end is silent');
      },
    });
    count.connected.add();
    events.connected(path);
    for (const bytes of early.splice(0)) {
      // The owner may close inside any of its events.
      if (isConnected()) events.datagram(bytes);
    }
  }

  function isConnected(): boolean {
    return state === 'connected';
  }

  function transmit(bytes: Uint8Array): void {
    if (chosen !== undefined) chosen.base.send(bytes, chosen.remote);
  }

  /** A connected agent ends by itself. */
  function lose(reason: string): void {
    if (state !== 'connected') return;
    count.lost.add();
    end();
    events.closed(reason);
  }

  function end(): void {
    state = 'closed';
    keeper?.stop();
    checks.stop();
    requests.close();
    gatherer.close();
    early = [];
  }

  function parameters(): IceParameters {
    const told = candidates.map(toWire).filter((candidate) => candidate !== undefined);
    return { ufrag, password, candidates: told };
  }

  return {
    get state() {
      return state;
    },
    get path() {
      return path;
    },
    gather(done) {
      if (state !== 'new') throw new UsageError('an agent gathers once');
      state = 'gathering';
      gatherer.gather((outcome) => {
        if (!outcome.ok) {
          count.failed.add();
          end();
          done(failure(outcome.error));
          return;
        }
        candidates = outcome.value;
        state = 'gathered';
        done(success(parameters()));
      });
    },
    start(remote, role) {
      if (state !== 'gathered') throw new UsageError('an agent starts once, after it has gathered');
      state = 'checking';
      const { ufrag: farUfrag, password: farPassword } = remote;
      const usable = fromWire(remote.candidates);
      checks.start({ ufrag: farUfrag, key: shortTermKey(farPassword), candidates: usable }, role);
    },
    send(bytes) {
      if (state !== 'connected') return;
      keeper?.sent();
      transmit(bytes);
    },
    close(reason) {
      if (state === 'closed') return;
      const wasConnected = state === 'connected';
      end();
      if (wasConnected) {
        clock.after('ice-closed', 0, () => {
          events.closed(reason);
        });
      }
    },
  };
}

function pathOf(pair: Pair): IcePath {
  const { base } = pair.local;
  const seen = pair.valid?.local.address;
  return {
    local: base.address,
    remote: pair.remote.address,
    relayed: isRelayed(pair),
    reflexive: seen === undefined || sameAddress(seen, base.address) ? undefined : seen,
    rttMs: pair.valid?.rttMs ?? limits.ice.rtoMs,
  };
}
