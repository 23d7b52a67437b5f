import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import type { IceCandidate } from '../../../../src/wire/reload/ice-candidate.ts';
import { decodeStun } from '../../../../src/wire/stun/message.ts';
import {
  bothServers,
  createTestAgent,
  gather,
  startServers,
  stunAddress,
  turnUser,
  type TestAgent,
} from './support/agents.ts';
import { createNetwork, createSimulatedClock } from './support/network.ts';
import { startStunServer, startTurnServer } from './support/turn-server.ts';

const nat = { mapping: 'endpoint-independent', filtering: 'address-dependent' } as const;

function text(address: IceCandidate['addrPort']): string {
  return address.type === 'unknown' ? '' : address.address;
}

function told({ parameters }: TestAgent): readonly string[] {
  return parameters!.candidates.map((candidate) => {
    const related = candidate.type === 'host' ? '' : ` via ${text(candidate.relAddrPort)}`;
    return `${candidate.type} ${text(candidate.addrPort)}${related}`;
  });
}

test('[R6940-6.5.1.5-01] candidates for one component, relayed ones only with a TURN server, no defaults', () => {
  const expected = ['host 10.0.0.1', 'srflx 198.51.100.1 via 10.0.0.1'];
  for (const turn of [false, true]) {
    const clock = createSimulatedClock();
    const network = createNetwork(clock);
    startServers(clock, network);
    const servers = turn ? bothServers : { stun: [stunAddress] };
    const behind = network.behind('198.51.100.1', nat);
    const one = createTestAgent(clock, behind, { addresses: ['10.0.0.1'], servers });
    gather(clock, one);
    const relayed = turn ? ['relay 203.0.113.20 via 198.51.100.1'] : [];
    assert.deepEqual(told(one), [...expected, ...relayed]);
    for (const candidate of one.parameters!.candidates) {
      assert.equal(candidate.overlayLink, 'DTLS-UDP-SR');
      assert.deepEqual(candidate.extensions, [], 'nothing marks one as the default');
    }
  }
});

test('priorities: host above reflexive above relayed, unique, the better address first', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  startServers(clock, network);
  const one = createTestAgent(clock, network.behind('198.51.100.1', nat), {
    addresses: ['10.0.0.2', '10.0.0.1'],
    servers: bothServers,
  });
  gather(clock, one);
  assert.deepEqual(told(one), [
    'host 10.0.0.2',
    'host 10.0.0.1',
    'srflx 198.51.100.1 via 10.0.0.2',
    'srflx 198.51.100.1 via 10.0.0.1',
    'relay 203.0.113.20 via 198.51.100.1',
  ]);
  const priorities = one.parameters!.candidates.map(({ priority }) => priority);
  assert.deepEqual(
    priorities,
    priorities.toSorted((a, b) => b - a),
  );
  assert.equal(new Set(priorities).size, priorities.length);
  // RFC 8445 §5.1.2.1 with type preferences 126, 100 and 0.
  assert.deepEqual(
    priorities.map((priority) => priority >>> 24),
    [126, 126, 100, 100, 0],
  );
  assert.ok(priorities.every((priority) => (priority & 0xff) === 255));
});

test('foundations tell types, own addresses and servers apart', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  startServers(clock, network);
  const other = { address: '203.0.113.11', port: 3478 };
  startStunServer(network.host(), other);
  const symmetric = {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
  } as const;
  const one = createTestAgent(clock, network.behind('198.51.100.1', symmetric), {
    addresses: ['10.0.0.1', '10.0.0.2'],
    servers: { stun: [stunAddress, other] },
  });
  gather(clock, one);
  const foundations = one.parameters!.candidates.map(({ foundation }) => foundation);
  assert.equal(foundations.length, 6, 'two hosts, two reflexive ones each');
  assert.equal(new Set(foundations).size, 6);
});

test('a reflexive address that is the own one, or learned twice, is told once', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  startServers(clock, network);
  const other = { address: '203.0.113.11', port: 3478 };
  startStunServer(network.host(), other);
  const servers = { stun: [stunAddress, other] };
  const open = createTestAgent(clock, network.host(), { addresses: ['192.0.2.1'], servers });
  const behind = network.behind('198.51.100.1', nat);
  const hidden = createTestAgent(clock, behind, { addresses: ['10.0.0.1'], servers });
  gather(clock, open, hidden);
  assert.deepEqual(told(open), ['host 192.0.2.1']);
  assert.deepEqual(told(hidden), ['host 10.0.0.1', 'srflx 198.51.100.1 via 10.0.0.1']);
});

test('both address families: each asks the servers of its own', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const stun6 = { address: '2001:db8::10', port: 3478 };
  const turn6 = { address: '2001:db8::20', port: 3478 };
  startServers(clock, network);
  startStunServer(network.host(), stun6);
  startTurnServer(clock, network.host(), turn6, { peer: 'secret' });
  clock.advance(1);
  const one = createTestAgent(clock, network.host(), {
    addresses: [
      '2001:DB8:0:0::1',
      '192.0.2.1',
      '192.0.2.1',
      'fe80::1',
      '224.0.0.1',
      'host.example',
    ],
    servers: { stun: [stunAddress, stun6], turn: [{ ...turnUser, server: turn6 }] },
  });
  gather(clock, one);
  assert.deepEqual(told(one), [
    'host 2001:db8::1',
    'host 192.0.2.1',
    'relay 2001:db8::20 via 2001:db8::1',
  ]);
  for (const { from, to } of network.tap) {
    assert.equal(from.address.includes(':'), to.address.includes(':'));
  }
});

test('once every socket knows how it is seen, silent STUN servers are not waited for long', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  startServers(clock, network);
  const silent = { address: '203.0.113.99', port: 3478 };
  const one = createTestAgent(clock, network.behind('198.51.100.1', nat), {
    addresses: ['10.0.0.1', '10.0.0.2'],
    servers: { ...bothServers, stun: [silent, stunAddress] },
  });
  const startMs = clock.monotonicMs();
  let endMs = 0;
  one.agent.gather((outcome) => {
    endMs = clock.monotonicMs();
    if (outcome.ok) one.parameters = outcome.value;
  });
  clock.advance(limits.ice.gatherMs);
  // Five questions 50 ms apart, 20 ms for each answer, two exchanges for the relay.
  assert.ok(endMs - startMs >= 150 + 20 + limits.ice.gatherGraceMs);
  assert.ok(endMs - startMs <= 250 + 40 + limits.ice.gatherGraceMs);
  assert.equal(one.parameters?.candidates.length, 5);
});

test('servers that do not answer cost a bounded time and no candidates of others', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  startServers(clock, network);
  const silent = { address: '203.0.113.99', port: 3478 };
  const one = createTestAgent(clock, network.behind('198.51.100.1', nat), {
    addresses: ['10.0.0.1'],
    servers: { stun: [silent, stunAddress], turn: [{ ...turnUser, server: silent }] },
  });
  // The TURN server might still give a relay: it is waited for until the end.
  one.agent.gather((outcome) => {
    assert.equal(clock.monotonicMs(), startMs + limits.ice.gatherMs);
    if (outcome.ok) one.parameters = outcome.value;
  });
  const startMs = clock.monotonicMs();
  clock.advance(limits.ice.gatherMs);
  assert.deepEqual(told(one), ['host 10.0.0.1', 'srflx 198.51.100.1 via 10.0.0.1']);
  one.agent.close('done');
  clock.advance(60_000);
  assert.equal(clock.pending, 0);
  assert.equal(network.sockets, 2);
});

test('without servers gathering ends as soon as the sockets are open', () => {
  const clock = createSimulatedClock();
  const one = createTestAgent(clock, createNetwork(clock).host(), { addresses: ['192.0.2.1'] });
  let ended = false;
  one.agent.gather(() => {
    ended = true;
  });
  assert.ok(!ended, 'not inside the call');
  clock.advance(5);
  assert.ok(ended);
});

test('questions to servers leave one after the other', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const stun = [1, 2, 3, 4, 5].map((i) => ({ address: `203.0.113.3${i}`, port: 3478 }));
  const addresses = ['192.0.2.1', '192.0.2.2'];
  const one = createTestAgent(clock, network.host(), { addresses, servers: { stun } });
  gather(clock, one);
  const first = new Map<string, number>();
  for (const { bytes, atMs } of network.tap) {
    const decoded = decodeStun(bytes);
    assert.ok(decoded.ok);
    const { transactionId } = decoded.value;
    if (!first.has(transactionId)) first.set(transactionId, atMs);
  }
  const times = [...first.values()];
  assert.equal(times.length, 2 * limits.ice.stunServers);
  for (let i = 1; i < times.length; i++) assert.ok(times[i]! - times[i - 1]! >= 50);
});

test('no address, or none that can be opened, is a failure', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const none = createTestAgent(clock, network.host(), { addresses: [] });
  const bad = createTestAgent(clock, network.host(), { addresses: ['host.example', 'fe80::1'] });
  gather(clock, none, bad);
  assert.equal(none.gatherError, 'no socket could be opened');
  assert.equal(bad.gatherError, 'no socket could be opened');
  assert.equal(none.agent.state, 'closed');
  assert.equal(clock.pending, 0);
});

test('sockets at once are bounded', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const addresses = Array.from({ length: 50 }, (_, i) => `192.0.2.${i + 1}`);
  const one = createTestAgent(clock, network.host(), { addresses });
  gather(clock, one);
  assert.equal(network.sockets, limits.ice.hostCandidates);
  assert.equal(one.parameters?.candidates.length, limits.ice.hostCandidates);
});

test('wrong credentials: no relayed candidate, and no more than the challenge is asked', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const turn = startServers(clock, network);
  const servers = { turn: [{ ...turnUser, password: 'guess' }] };
  const one = createTestAgent(clock, network.host(), { addresses: ['192.0.2.1'], servers });
  gather(clock, one);
  assert.deepEqual(told(one), ['host 192.0.2.1']);
  assert.equal(turn.seen.get('allocate'), 2);
});
