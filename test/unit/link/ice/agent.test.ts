import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../../src/base/assert.ts';
import { limits } from '../../../../src/base/limits.ts';
import { createPrng } from '../../../../src/base/prng.ts';
import { createIcePacer } from '../../../../src/link/ice/pacer.ts';
import type { DatagramOpener } from '../../../../src/ports/datagram.ts';
import type { IceRole } from '../../../../src/link/ice/types.ts';
import { shortTermKey } from '../../../../src/wire/stun/integrity.ts';
import {
  decodeStun,
  encodeStun,
  isAuthentic,
  type ReceivedStun,
  type StunMessage,
} from '../../../../src/wire/stun/message.ts';
import {
  bothServers,
  connect,
  createTestAgent,
  dtls,
  exchange,
  gather,
  startServers,
  stunAddress,
  type TestAgent,
} from './support/agents.ts';
import {
  createNetwork,
  createSimulatedClock,
  type Datagram,
  type Network,
  type NetworkOptions,
  type SimulatedClock,
} from './support/network.ts';

interface World {
  readonly clock: SimulatedClock;
  readonly network: Network;
  readonly one: TestAgent;
  readonly two: TestAgent;
}

/** Two agents on public addresses without servers. */
function world(options: NetworkOptions = {}): World {
  const clock = createSimulatedClock();
  const network = createNetwork(clock, options);
  const pacer = createIcePacer(clock);
  const one = createTestAgent(clock, network.host(), { addresses: ['192.0.2.1'], pacer });
  const two = createTestAgent(clock, network.host(), { addresses: ['192.0.2.2'], pacer });
  return { clock, network, one, two };
}

interface Tapped extends Datagram {
  readonly message: ReceivedStun;
}

function stunOf(network: Network): readonly Tapped[] {
  return network.tap.flatMap((datagram) => {
    const decoded = decodeStun(datagram.bytes);
    return decoded.ok ? [{ ...datagram, message: decoded.value }] : [];
  });
}

function checksOf(network: Network): readonly Tapped[] {
  return stunOf(network).filter(({ message }) => message.class === 'request');
}

const idle = { settled: 9000 };

test('[R6940-6.5.1.3-01] full ICE: of two candidates on each side the pair that works is found', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const works = new Set(['192.0.2.12', '192.0.2.21']);
  network.drop = ({ from, to }) => !works.has(from.address) || !works.has(to.address);
  const one = createTestAgent(clock, network.host(), { addresses: ['192.0.2.11', '192.0.2.12'] });
  const two = createTestAgent(clock, network.host(), { addresses: ['192.0.2.21', '192.0.2.22'] });
  connect(clock, one, two);
  assert.equal(one.path?.local.address, '192.0.2.12');
  assert.equal(one.path.remote.address, '192.0.2.21');
  assert.deepEqual(one.path.local, two.path?.remote);
  assert.deepEqual(one.path.remote, two.path?.local);
  // Both sides make checks of their own: neither is lite.
  const senders = new Set(checksOf(network).map(({ from }) => from.address));
  assert.deepEqual([...senders].sort(), ['192.0.2.11', '192.0.2.12', '192.0.2.21', '192.0.2.22']);
});

test('[R6940-6.5.1.3-02] one stream, one component, one exchange', () => {
  const { clock, network, one, two } = world();
  gather(clock, one, two);
  assert.equal(one.parameters?.candidates.length, 1);
  assert.equal(network.sockets, 2, 'one socket for each address: no second component');
  // The lowest byte of a priority is 256 less the component (RFC 8445 §5.1.2.1).
  assert.equal(one.parameters.candidates[0]!.priority & 0xff, 255);
  exchange(clock, one, two);
  assert.throws(() => one.agent.start(two.parameters!, 'controlling'), UsageError);
  clock.advance(idle.settled);
  assert.throws(() => one.agent.start(two.parameters!, 'controlling'), UsageError);
  assert.equal(one.agent.state, 'connected');
});

test('[R6940-6.5.1.8-01] an answer of nothing but credentials and candidates is enough', () => {
  const { clock, one, two } = world();
  gather(clock, one, two);
  const { ufrag, password, candidates } = two.parameters!;
  const bare = candidates.map((candidate) => ({ ...candidate, foundation: '', extensions: [] }));
  two.agent.start(one.parameters!, 'controlled');
  one.agent.start({ ufrag, password, candidates: bare }, 'controlling');
  clock.advance(idle.settled);
  assert.ok(one.path !== undefined && two.path !== undefined);
});

test('[R6940-6.5.1.9-01] [R6940-6.5.1.9-02] every check names the role of its sender, which never changes', () => {
  const { clock, network, one, two } = world({ latencyMs: [5, 80], loss: 0.2, seed: 'roles' });
  connect(clock, one, two);
  clock.advance(60_000);
  assert.ok(one.path !== undefined && two.path !== undefined);
  const checks = checksOf(network);
  assert.ok(checks.length >= 4);
  for (const { from, message } of checks) {
    const { iceControlling, iceControlled } = message.attributes;
    const isRequester = from.address === '192.0.2.1';
    assert.equal(iceControlling !== undefined, isRequester);
    assert.equal(iceControlled !== undefined, !isRequester);
    assert.ok(message.hasIntegrity && message.hasFingerprint);
    assert.ok(message.attributes.priority !== undefined);
  }
  // Only the controlling side nominates.
  const nominations = checks.filter(({ message }) => message.attributes.useCandidate === true);
  assert.ok(nominations.length > 0);
  assert.ok(nominations.every(({ from }) => from.address === '192.0.2.1'));
});

test('[R6940-6.5.1.10.1-01] checks are signed with the password of the far end and answered with the own', () => {
  const { clock, network, one, two } = world();
  connect(clock, one, two);
  const keys = {
    '192.0.2.1': shortTermKey(one.parameters!.password),
    '192.0.2.2': shortTermKey(two.parameters!.password),
  };
  const answers = stunOf(network).filter(({ message }) => message.class === 'success');
  assert.ok(answers.length >= 2);
  for (const { to, message } of checksOf(network)) {
    assert.ok(isAuthentic(message, keys[to.address as keyof typeof keys]));
  }
  for (const { from, to, message } of answers) {
    assert.ok(isAuthentic(message, keys[from.address as keyof typeof keys]));
    assert.deepEqual(message.attributes.xorMappedAddress, to);
  }
  const username = checksOf(network).find(({ from }) => from.address === '192.0.2.1')!.message
    .attributes.username;
  assert.equal(username, `${two.parameters!.ufrag}:${one.parameters!.ufrag}`);
});

test('[R6940-6.5.1.10.2-02] unused candidates are freed at once when ICE is completed', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const one = createTestAgent(clock, network.host(), { addresses: ['192.0.2.11', '192.0.2.12'] });
  const two = createTestAgent(clock, network.host(), { addresses: ['192.0.2.21', '192.0.2.22'] });
  gather(clock, one, two);
  exchange(clock, one, two);
  assert.equal(network.sockets, 4);
  while (one.path === undefined || two.path === undefined) {
    assert.equal(network.sockets, 4 - [one, two].filter((agent) => agent.path).length);
    clock.advance(1);
  }
  assert.equal(network.sockets, 2);
});

test('[R6940-6.5.1.10.3-01] an idle path shows Binding Indications every 15 seconds from both ends', () => {
  const { clock, network, one, two } = world();
  connect(clock, one, two);
  network.tap.length = 0;
  const startMs = clock.monotonicMs();
  clock.advance(61_000);
  const kept = stunOf(network);
  assert.ok(kept.every(({ message }) => message.class === 'indication'));
  assert.ok(kept.every(({ message }) => message.method === 'binding' && message.hasFingerprint));
  for (const address of ['192.0.2.1', '192.0.2.2']) {
    const times = kept.filter(({ from }) => from.address === address).map(({ atMs }) => atMs);
    assert.equal(times.length, 4);
    for (let i = 1; i < times.length; i++) assert.equal(times[i]! - times[i - 1]!, 15_000);
    assert.ok(times[0]! - startMs <= 15_000);
  }
  assert.equal(one.agent.state, 'connected');
});

test('a path that carries data needs no keep-alive', () => {
  const { clock, network, one, two } = world();
  connect(clock, one, two);
  network.tap.length = 0;
  for (let i = 0; i < 12; i++) {
    one.agent.send(dtls('a'));
    two.agent.send(dtls('b'));
    clock.advance(5000);
  }
  assert.deepEqual(stunOf(network), []);
});

test('[R6940-6.5.1.12-02] an attempt to restart ICE is ignored', () => {
  const { clock, network, one, two } = world();
  connect(clock, one, two);
  const before = network.tap.length;
  const path = one.path!;
  // New credentials, as after an offer with a changed ufrag and password (RFC 5245 §9.1.1.1).
  const bytes = encodeStun(
    check({ username: 'new1:new2', useCandidate: true }),
    shortTermKey('a new password of an offer'),
  );
  const stranger = { address: path.remote.address, port: path.remote.port };
  inject(network, clock, stranger, path.local, bytes);
  clock.advance(1000);
  const answers = stunOf(network).slice(before);
  assert.deepEqual(
    answers.map(({ message }) => message.attributes.errorCode?.code),
    [401],
  );
  assert.equal(one.path, path);
  one.agent.send(dtls('still here'));
  clock.advance(100);
  assert.deepEqual(two.data, ['still here']);
});

test('[R6940-6.5.1.14-01] data that arrives before ICE has concluded here is not lost', () => {
  const { clock, network, one, two } = world();
  // Answers to nominations are lost for a while: two has concluded, one has not.
  let holding = true;
  const nominations = new Set<string>();
  network.drop = ({ bytes }) => {
    const decoded = decodeStun(bytes);
    if (!decoded.ok) return false;
    const { class: kind, transactionId, attributes } = decoded.value;
    if (attributes.useCandidate === true) nominations.add(transactionId);
    return kind === 'success' && nominations.has(transactionId) && holding;
  };
  gather(clock, one, two);
  exchange(clock, one, two);
  while (two.path === undefined) clock.advance(1);
  two.agent.send(dtls('client'));
  two.agent.send(dtls('hello'));
  clock.advance(100);
  assert.equal(one.agent.state, 'checking');
  assert.deepEqual(one.data, []);
  holding = false;
  clock.advance(5000);
  assert.equal(one.agent.state, 'connected');
  assert.deepEqual(one.data, ['client', 'hello']);
  assert.deepEqual(one.events, ['connected', 'datagram', 'datagram']);
});

test('early data is bounded, and of strangers it is dropped', () => {
  const { clock, network, one, two } = world();
  gather(clock, one, two);
  const local = { address: '192.0.2.1', port: portOf(one) };
  const remote = { address: '192.0.2.2', port: portOf(two) };
  two.agent.start(one.parameters!, 'controlled');
  clock.advance(100);
  for (let i = 0; i < 100; i++) inject(network, clock, remote, local, dtls(String(i)));
  inject(network, clock, { address: '192.0.2.9', port: 9 }, local, dtls('stranger'));
  clock.advance(100);
  assert.equal(one.trace.count('ice_refused_total', 'full'), 100 - limits.ice.earlyDatagrams);
  assert.equal(one.trace.count('ice_refused_total', 'stray'), 1);
  one.agent.start(two.parameters!, 'controlling');
  clock.advance(idle.settled);
  assert.equal(one.data.length, limits.ice.earlyDatagrams);
  inject(network, clock, { address: '192.0.2.9', port: 9 }, local, dtls('stranger'));
  clock.advance(100);
  assert.ok(!one.data.includes('stranger'));
});

test('checks that overtake the answer are answered and used', () => {
  const { clock, network, one, two } = world();
  gather(clock, one, two);
  two.agent.start(one.parameters!, 'controlled');
  clock.advance(3000);
  assert.ok(stunOf(network).some(({ from }) => from.address === '192.0.2.1'));
  const startMs = clock.monotonicMs();
  one.agent.start(two.parameters!, 'controlling');
  clock.advance(5000);
  assert.ok(one.connectedMs! - startMs < 200);
  assert.ok(two.path !== undefined);
});

for (const password of ['wrong password of 22 letters', '']) {
  test(`a wrong password${password === '' ? ', even none,' : ''} connects nobody and ends in time`, () => {
    const { clock, network, one, two } = world();
    gather(clock, one, two);
    const startMs = clock.monotonicMs();
    one.agent.start({ ...two.parameters!, password }, 'controlling');
    two.agent.start(one.parameters!, 'controlled');
    clock.advance(limits.ice.checksMs + 1);
    assert.equal(one.path, undefined);
    assert.equal(two.path, undefined);
    assert.ok(one.failure !== undefined && two.failure !== undefined);
    assert.ok(two.trace.count('ice_refused_total', 'unauthenticated') > 0);
    assert.deepEqual([one.agent.state, two.agent.state], ['closed', 'closed']);
    assert.equal(network.sockets, 0);
    assert.equal(clock.pending, 0);
    assert.equal(clock.monotonicMs() - startMs, limits.ice.checksMs + 1);
  });
}

test('a check without or with foreign credentials is refused and proves nothing', () => {
  const { clock, network, one, two } = world();
  gather(clock, one, two);
  one.agent.start(two.parameters!, 'controlling');
  clock.advance(1);
  network.tap.length = 0;
  const local = { address: '192.0.2.1', port: portOf(one) };
  const attacker = { address: '192.0.2.66', port: 666 };
  const { ufrag, password } = one.parameters!;
  const key = shortTermKey(password);
  const cases: readonly (readonly [StunMessage, Uint8Array | undefined, number])[] = [
    [check({ username: `${ufrag}:x`, useCandidate: true }), undefined, 400],
    [check({ username: `${ufrag}:x` }), shortTermKey('guess'), 401],
    [check({ username: 'other:x' }), key, 401],
    [check({ username: `${ufrag}x:x` }), key, 401],
    [check({}), key, 400],
    [check({ username: `${ufrag}:x`, priority: undefined }), key, 400],
    [check({ useCandidate: true }), undefined, 420],
  ];
  for (const [message, secret, code] of cases) {
    network.tap.length = 0;
    inject(network, clock, attacker, local, encodeStun(message, secret));
    clock.advance(1);
    const answers = stunOf(network).filter(({ to }) => to.address === attacker.address);
    assert.deepEqual(
      answers.map(({ message: { attributes } }) => attributes.errorCode?.code),
      [code],
    );
  }
  clock.advance(1000);
  assert.ok(!checksOf(network).some(({ to }) => to.address === attacker.address));
});

test('a role conflict is resolved by the tie-breakers', () => {
  for (const role of ['controlling', 'controlled'] as IceRole[]) {
    for (const seed of ['a', 'b', 'c']) {
      const clock = createSimulatedClock();
      const network = createNetwork(clock, { seed, latencyMs: [5, 60] });
      const one = createTestAgent(clock, network.host(), { addresses: ['192.0.2.1'], seed });
      const two = createTestAgent(clock, network.host(), { addresses: ['192.0.2.2'], seed });
      connect(clock, one, two, [role, role]);
      assert.ok(one.path !== undefined && two.path !== undefined, `${role} ${seed}`);
      const conflicts = [one, two].map(({ trace }) =>
        trace.count('ice_refused_total', 'role-conflict'),
      );
      assert.deepEqual(conflicts.toSorted(), [0, 1], 'one of both gives way');
    }
  }
});

test('loss, repetition and reordering: both ends find a path, or both know that there is none', () => {
  let connected = 0;
  for (let i = 0; i < 40; i++) {
    const clock = createSimulatedClock();
    const options = { seed: `loss ${i}`, loss: 0.2, repetition: 0.2, latencyMs: [5, 200] } as const;
    const network = createNetwork(clock, options);
    startServers(clock, network);
    const nat = { mapping: 'endpoint-independent', filtering: 'address-dependent' } as const;
    const one = createTestAgent(clock, network.behind('198.51.100.1', nat), {
      addresses: ['10.0.0.1'],
      servers: bothServers,
      seed: `${i}`,
    });
    // Both private addresses are the same: the host candidates lead nowhere.
    const two = createTestAgent(clock, network.behind('198.51.100.2', nat), {
      addresses: ['10.0.0.1'],
      servers: bothServers,
      seed: `two ${i}`,
    });
    connect(clock, one, two);
    // Where loss has eaten all that a side could have told, nothing can be found.
    const told = [one, two].map(({ parameters }) => parameters!.candidates.length);
    const possible = Math.min(...told) > 1;
    assert.equal(one.path !== undefined, possible, `seed ${i}: ${String(one.failure)}`);
    assert.equal(two.path !== undefined, possible, `seed ${i}: ${String(two.failure)}`);
    if (possible) connected += 1;
    one.agent.close('done');
    two.agent.close('done');
    clock.advance(60_000);
    assert.equal(clock.pending, 0);
  }
  assert.ok(connected > 30);
});

test('the checks of all agents keep five milliseconds apart, those of one agent fifty', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  network.drop = () => true;
  const pacer = createIcePacer(clock);
  const addresses = ['192.0.2.11', '192.0.2.12', '192.0.2.13', '192.0.2.14'];
  const agents = Array.from({ length: 10 }, (_, i) =>
    createTestAgent(clock, network.host(), { addresses, pacer, seed: String(i) }),
  );
  gather(clock, ...agents);
  for (const { agent } of agents) agent.start(agents[0]!.parameters!, 'controlling');
  clock.advance(2000);
  const first = new Map<string, Tapped>();
  for (const datagram of checksOf(network)) {
    const { transactionId } = datagram.message;
    if (!first.has(transactionId)) first.set(transactionId, datagram);
  }
  assert.ok(first.size > 100);
  const all = [...first.values()];
  for (let i = 1; i < all.length; i++) assert.ok(all[i]!.atMs - all[i - 1]!.atMs >= 5);
  const ufrags = new Set(all.map(({ message }) => message.attributes.username));
  assert.equal(ufrags.size, 10);
  for (const username of ufrags) {
    const own = all.filter(({ message }) => message.attributes.username === username);
    for (let i = 1; i < own.length; i++) assert.ok(own[i]!.atMs - own[i - 1]!.atMs >= 50);
  }
});

test('nobody there: failed after exactly the bound, with everything freed', () => {
  const { clock, network, one, two } = world();
  gather(clock, one, two);
  network.drop = () => true;
  one.agent.start(two.parameters!, 'controlling');
  clock.advance(limits.ice.checksMs - 1);
  assert.equal(one.failure, undefined);
  clock.advance(1);
  assert.equal(one.failure, 'no check succeeded');
  two.agent.close('not needed');
  assert.equal(network.sockets, 0);
  assert.equal(clock.pending, 0);
  assert.deepEqual(one.events, ['failed']);
  assert.deepEqual(two.events, []);
});

test('candidates that cannot be tried fail at once, yet not inside the call', () => {
  const { clock, one, two } = world();
  gather(clock, one, two);
  const [candidate] = two.parameters!.candidates;
  const at = (address: string, port: number): typeof candidate => ({
    ...candidate!,
    addrPort: { type: address.includes(':') ? 'ipv6' : 'ipv4', address, port },
  });
  const useless = [
    at('2001:db8::1', 5000),
    at('192.0.2.2', 0),
    at('224.0.0.1', 5000),
    at('0.0.0.0', 5000),
    at('255.255.255.255', 5000),
    { ...candidate!, addrPort: { type: 'unknown' as const, tag: 9, raw: new Uint8Array(2) } },
    { ...candidate!, overlayLink: 'TLS-TCP-FH-NO-ICE' as const },
    { ...candidate!, overlayLink: 77 },
  ];
  one.agent.start(
    { ...two.parameters!, candidates: useless.filter((c) => c !== undefined) },
    'controlling',
  );
  assert.equal(one.failure, undefined);
  clock.advance(0);
  assert.equal(one.failure, 'no candidates of one address family');
});

test('a path whose far end has vanished is questioned and then given up', () => {
  const { clock, network, one, two } = world();
  connect(clock, one, two);
  clock.advance(20_000);
  network.drop = ({ from }) => from.address === '192.0.2.2';
  network.tap.length = 0;
  clock.advance(limits.ice.silenceMs + 3000);
  assert.ok(checksOf(network).some(({ from }) => from.address === '192.0.2.1'));
  assert.equal(one.agent.state, 'connected');
  clock.advance(limits.ice.deadMs);
  assert.equal(one.closed, 'the far end is silent');
  assert.equal(one.agent.state, 'closed');
});

test('an answer to the question keeps a path whose far end sends no keep-alives', () => {
  const { clock, network, one, two } = world();
  connect(clock, one, two);
  network.drop = ({ bytes }) => {
    const decoded = decodeStun(bytes);
    return decoded.ok && decoded.value.class === 'indication';
  };
  clock.advance(300_000);
  assert.equal(one.agent.state, 'connected');
  assert.equal(two.agent.state, 'connected');
});

test('a socket that fails ends the path on it, and its relay', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const turn = startServers(clock, network);
  let fail: (() => void) | undefined;
  const host = network.host();
  const failing: DatagramOpener = {
    open(at, handler, done) {
      fail = () => handler.failed?.('the interface is gone');
      host.open(at, handler, done);
    },
  };
  const one = createTestAgent(clock, failing, { addresses: ['192.0.2.1'], servers: bothServers });
  const two = createTestAgent(clock, network.host(), { addresses: ['192.0.2.2'] });
  connect(clock, one, two);
  fail!();
  assert.equal(one.closed, 'the interface is gone');

  const idleOne = createTestAgent(clock, failing, {
    addresses: ['192.0.2.3'],
    servers: bothServers,
  });
  gather(clock, idleOne);
  assert.equal(turn.allocations, 1);
  fail!();
  clock.advance(5000);
  assert.equal(turn.allocations, 0);
  idleOne.agent.start(two.parameters!, 'controlling');
  clock.advance(idle.settled);
  assert.ok(idleOne.failure !== undefined);
  two.agent.close('done');
  clock.advance(1000);
  assert.equal(clock.pending, 0);
});

test('peers that ask without credentials learn their address, a few times a second', () => {
  const { clock, network, one, two } = world();
  connect(clock, one, two);
  network.tap.length = 0;
  const local = { address: '192.0.2.1', port: portOf(one) };
  const asking = { address: '192.0.2.77', port: 7 };
  const bytes = encodeStun({ ...check({}), attributes: {} });
  for (let i = 0; i < 50; i++) inject(network, clock, asking, local, bytes);
  const answers = stunOf(network);
  assert.equal(answers.length, limits.ice.plainAnswersPerSecond);
  assert.deepEqual(answers[0]?.message.attributes, { xorMappedAddress: asking });
});

test('[R6940-6.5.1.10.1-01] an answer that comes from elsewhere than the check went to proves nothing', () => {
  for (const elsewhere of [true, false]) {
    const clock = createSimulatedClock();
    const network = createNetwork(clock);
    const one = createTestAgent(clock, network.host(), { addresses: ['192.0.2.1'] });
    gather(clock, one);
    const local = { address: '192.0.2.1', port: portOf(one) };
    const password = 'a password of the far end';
    const [host] = one.parameters!.candidates;
    const far = { ...host!, addrPort: { type: 'ipv4' as const, address: '192.0.2.50', port: 50 } };
    one.agent.start({ ufrag: 'farr', password, candidates: [far] }, 'controlling');
    for (let i = 0; i < 80; i++) {
      clock.advance(100);
      for (const { to, message } of checksOf(network)) {
        const { transactionId } = message;
        const attributes = { xorMappedAddress: local };
        const success = { class: 'success', method: 'binding', transactionId, attributes } as const;
        const from = elsewhere ? { ...to, port: 51 } : to;
        inject(network, clock, from, local, encodeStun(success, shortTermKey(password)));
      }
      network.tap.length = 0;
    }
    clock.advance(100);
    assert.equal(one.path === undefined, elsewhere);
  }
});

test('an aggressive far end may change its mind towards a better pair', () => {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const one = createTestAgent(clock, network.host(), { addresses: ['192.0.2.1'] });
  gather(clock, one);
  const local = { address: '192.0.2.1', port: portOf(one) };
  const far = shortTermKey('a password of the far end');
  const host = one.parameters!.candidates[0]!;
  const low = { address: '192.0.2.50', port: 50 };
  const high = { address: '192.0.2.51', port: 51 };
  const told = (at: typeof low, priority: number): typeof host => ({
    ...host,
    addrPort: { type: 'ipv4', ...at },
    priority,
  });
  one.agent.start(
    {
      ufrag: 'farr',
      password: 'a password of the far end',
      candidates: [told(low, 1000), told(high, 2000)],
    },
    'controlled',
  );
  const answerChecks = (): void => {
    clock.advance(200);
    for (const { to, message } of checksOf(network)) {
      const { transactionId } = message;
      const attributes = { xorMappedAddress: local };
      const success = { class: 'success', method: 'binding', transactionId, attributes } as const;
      inject(network, clock, to, local, encodeStun(success, far));
    }
    network.tap.length = 0;
  };
  const nominate = (from: typeof low): void => {
    const username = `${one.parameters!.ufrag}:farr`;
    const message = check({ username, useCandidate: true });
    inject(
      network,
      clock,
      from,
      local,
      encodeStun(message, shortTermKey(one.parameters!.password)),
    );
  };
  nominate(low);
  answerChecks();
  assert.deepEqual(one.path?.remote, low);
  nominate(high);
  answerChecks();
  const sentTo = (): unknown => {
    network.tap.length = 0;
    one.agent.send(dtls('x'));
    return network.tap[0]?.to;
  };
  assert.deepEqual(sentTo(), high);
  nominate(low);
  answerChecks();
  assert.deepEqual(sentTo(), high, 'not back to the worse one');
});

test('close ends an agent in every state, silently unless it was connected', () => {
  for (const untilMs of [0, 1, 500, 1500, 1520, 1545, 1560, 3000]) {
    const clock = createSimulatedClock();
    const network = createNetwork(clock);
    const turn = startServers(clock, network);
    const one = createTestAgent(clock, network.host(), {
      addresses: ['192.0.2.1', '2001:db8::1'],
      servers: bothServers,
    });
    const two = createTestAgent(clock, network.host(), { addresses: ['192.0.2.2'] });
    clock.after('close', untilMs, () => {
      one.agent.close('enough');
      one.agent.close('again');
    });
    gather(clock, one, two);
    if (one.agent.state === 'gathered') {
      two.agent.start(one.parameters!, 'controlled');
      one.agent.start(two.parameters!, 'controlling');
    }
    clock.advance(60_000);
    two.agent.close('enough');
    clock.advance(1000);
    assert.equal(one.agent.state, 'closed');
    const expected = one.path === undefined ? [] : ['connected', 'closed'];
    assert.deepEqual(one.events, expected, `${untilMs} ms`);
    assert.equal(network.sockets, 2, `${untilMs} ms: those of the servers`);
    assert.equal(turn.allocations, 0, `${untilMs} ms`);
    assert.equal(clock.pending, 0, `${untilMs} ms`);
  }
});

test('random and mutated datagrams in every state change nothing', () => {
  const prng = createPrng('ice');
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  startServers(clock, network);
  const options = { servers: bothServers };
  const one = createTestAgent(clock, network.host(), { addresses: ['192.0.2.1'], ...options });
  const two = createTestAgent(clock, network.host(), { addresses: ['192.0.2.2'], ...options });
  const hostile = (): void => {
    const port = portOf(one);
    const local = { address: '192.0.2.1', port };
    const sources = [stunAddress, { address: '192.0.2.2', port: portOf(two) }];
    const seen = network.tap.slice(-20).map(({ bytes }) => bytes);
    for (let i = 0; i < 300; i++) {
      const from = sources[prng.u32() % sources.length]!;
      const length = prng.u32() % 100;
      let bytes = Uint8Array.from({ length }, () => prng.u32() & 0xff);
      if (prng.u32() % 2 === 0 && seen.length > 0) {
        bytes = Uint8Array.from(seen[prng.u32() % seen.length]!);
        bytes[prng.u32() % bytes.length]! ^= 1 << (prng.u32() % 8);
      }
      inject(network, clock, from, local, bytes);
    }
  };
  gather(clock, one, two);
  hostile();
  exchange(clock, one, two);
  for (let i = 0; i < 10; i++) {
    clock.advance(20);
    hostile();
  }
  clock.advance(idle.settled);
  assert.ok(one.path !== undefined && two.path !== undefined);
  hostile();
  one.agent.send(dtls('fine'));
  clock.advance(100);
  assert.equal(two.data.at(-1), 'fine');
});

function check(attributes: {
  username?: string;
  useCandidate?: true;
  priority?: number | undefined;
}): StunMessage {
  const { priority = 'priority' in attributes ? undefined : 1000, ...rest } = attributes;
  return {
    class: 'request',
    method: 'binding',
    transactionId: 'aabbccddeeff001122334455',
    attributes: { iceControlling: 7n, ...(priority === undefined ? {} : { priority }), ...rest },
  };
}

function portOf({ parameters }: TestAgent): number {
  const address = parameters!.candidates[0]!.addrPort;
  return address.type === 'unknown' ? 0 : address.port;
}

/** A datagram from anywhere, with any sender address. */
function inject(
  network: Network,
  clock: SimulatedClock,
  from: { readonly address: string; readonly port: number },
  to: { readonly address: string; readonly port: number },
  bytes: Uint8Array,
): void {
  network.forge(from, to, bytes);
  clock.advance(0);
}
