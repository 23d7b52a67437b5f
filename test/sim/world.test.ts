import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdFromBytes } from '../../src/base/ids.ts';
import { utf8Encode } from '../../src/base/text.ts';
import { createSimulatedHost } from '../../src/sim/host.ts';
import { createSimulatedAuthority } from '../../src/sim/identities.ts';
import { createSimulatedDisk } from '../../src/sim/memory-store.ts';
import { createSimulatedNetwork } from '../../src/sim/network.ts';
import { createWorld } from '../../src/sim/world.ts';
import type { SecureConnection } from '../../src/ports/connection.ts';

test('events run in the order of time, then of scheduling; withdrawn ones do not', () => {
  const world = createWorld(1);
  const seen: string[] = [];
  world.after(5, () => seen.push('b'));
  world.after(1, () => seen.push('a'));
  world.after(5, () => seen.push('c'));
  world.after(2, () => seen.push('never'))();
  world.run(4);
  assert.deepEqual([seen.join(''), world.nowMs], ['a', 4]);
  world.run(1);
  assert.equal(seen.join(''), 'abc');
});

test('a stalled process does late what a running one does in time, a dead one nothing', () => {
  const world = createWorld(1);
  const host = createSimulatedHost(world, 0);
  host.start();
  const fired: number[] = [];
  host.clock.after('one', 10, () => fired.push(world.nowMs));
  host.clock.after('cancelled', 10, () => fired.push(-1)).cancel();
  host.stall();
  world.run(50);
  assert.equal(fired.length, 0);
  host.resume();
  assert.deepEqual(fired, [50]);
  host.clock.after('two', 10, () => fired.push(world.nowMs));
  host.die();
  host.start();
  world.run(50);
  assert.deepEqual(fired, [50]);
});

test('signatures hold for their input and key only; certificates for their issuer', () => {
  const authority = createSimulatedAuthority('sim.example', 0);
  const now = (run: () => void): void => run();
  const [a, b] = [1, 2].map((i) =>
    authority.issue(nodeIdFromBytes(new Uint8Array(16).fill(i)), `n${i}@sim.example`, now),
  );
  assert.ok(a && b);
  const verifier = authority.verifier(now);
  const input = utf8Encode('text');
  const check = (who: typeof a, bytes: Uint8Array, signature: Uint8Array): boolean => {
    let valid = false;
    verifier.verify(who.certificate, who.scheme, bytes, signature, (answer) => (valid = answer));
    return valid;
  };
  a.sign(input, (signature) => {
    assert.equal(check(a, input, signature), true);
    assert.equal(check(b, input, signature), false);
    assert.equal(check(a, utf8Encode('other'), signature), false);
  });
  assert.equal(verifier.isIssuedBy(a.certificate, authority.root), true);
  assert.equal(verifier.isIssuedBy(a.certificate, b.certificate), false);
  assert.equal(verifier.parseCertificate(utf8Encode('x')).ok, false);
});

test('a crash loses what was not yet durable', () => {
  const disk = createSimulatedDisk();
  const pending: (() => void)[] = [];
  const store = disk.open((run) => void pending.push(run));
  store.write([{ put: 'a', value: utf8Encode('1') }]);
  pending.shift()?.();
  store.write([{ put: 'b', value: utf8Encode('2') }]);
  assert.ok(store.get('b'));
  const reopened = disk.open(() => undefined);
  assert.ok(reopened.get('a'));
  assert.equal(reopened.get('b'), undefined);
  assert.deepEqual([...reopened.entries('a')].length, 1);
});

test('connections keep order, end with the process, and are silent across a partition', () => {
  const world = createWorld(7);
  const network = createSimulatedNetwork(world, { minimumMs: 1, maximumMs: 9 });
  const authority = createSimulatedAuthority('sim.example', 0);
  const hosts = [0, 1].map((index) => createSimulatedHost(world, index));
  const [one, two] = hosts;
  assert.ok(one && two);
  for (const host of hosts) host.start();
  const nodeId = nodeIdFromBytes(new Uint8Array(16).fill(3));
  const chain = [authority.root];
  const address = { address: '10.0.0.2', port: 6084 };
  const received: number[] = [];
  const closed: string[] = [];
  network.listen(address, {
    host: two,
    nodeId,
    chain,
    accept(connection) {
      connection.setHandler({
        data: (bytes) => received.push(...bytes),
        closed: (reason) => closed.push(reason),
      });
    },
  });
  let connection: SecureConnection | undefined;
  const dialer = network.dialer({ address: '10.0.0.1', port: 1 }, { host: one, nodeId, chain });
  dialer.dial(address, 1000, (outcome) => {
    assert.ok(outcome.ok);
    connection = outcome.value;
  });
  world.run(100);
  for (let i = 1; i <= 20; i++) connection?.send(Uint8Array.of(i));
  world.run(100);
  assert.deepEqual(
    received,
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  network.reach((from, to) => from === to);
  connection?.send(Uint8Array.of(99));
  world.run(100);
  assert.equal(received.length, 20);
  network.reach(undefined);
  network.dropHost(one, false);
  one.die();
  world.run(100);
  assert.deepEqual(closed, ['reset']);
  let refused = '';
  dialer.dial({ address: '10.9.9.9', port: 1 }, 1000, (outcome) => {
    refused = outcome.ok ? '' : outcome.error;
  });
  one.start();
  world.run(2000);
  assert.equal(refused, '');
  network
    .dialer({ address: '10.0.0.1', port: 1 }, { host: one, nodeId, chain })
    .dial({ address: '10.9.9.9', port: 1 }, 1000, (outcome) => {
      refused = outcome.ok ? '' : outcome.error;
    });
  world.run(2000);
  assert.equal(refused, 'refused');
});

test('whoever takes over a connection that has ended already gets what it carried, and is told', () => {
  const world = createWorld(7);
  const network = createSimulatedNetwork(world, { minimumMs: 1, maximumMs: 9 });
  const chain = [createSimulatedAuthority('sim.example', 0).root];
  const [one, two] = [0, 1].map((index) => createSimulatedHost(world, index));
  assert.ok(one && two);
  one.start();
  two.start();
  const nodeId = nodeIdFromBytes(new Uint8Array(16).fill(3));
  const address = { address: '10.0.0.2', port: 6084 };
  network.listen(address, {
    host: two,
    nodeId,
    chain,
    accept(connection) {
      connection.setHandler({ data: () => undefined, closed: () => undefined });
      connection.send(Uint8Array.of(1, 2));
      connection.close('already linked');
    },
  });
  const seen: unknown[] = [];
  const dialer = network.dialer({ address: '10.0.0.1', port: 1 }, { host: one, nodeId, chain });
  dialer.dial(address, 1000, (outcome) => {
    assert.ok(outcome.ok);
    const connection = outcome.value;
    world.after(50, () => {
      connection.setHandler({
        data: (bytes) => seen.push([...bytes]),
        closed: (reason) => seen.push(reason),
      });
      assert.deepEqual(seen, [], 'never inside the call');
    });
  });
  world.run(200);
  assert.deepEqual(seen, [[1, 2], 'closed by the other side']);
});

test('datagrams are lost, repeated and overtaken, streams are not', () => {
  const arrivals = (share: number): number[] => {
    const world = createWorld(11);
    const faults = { share, loss: 0.2, duplication: 0.2, reordering: 0.3 };
    const network = createSimulatedNetwork(world, { minimumMs: 1, maximumMs: 9 }, faults);
    const authority = createSimulatedAuthority('sim.example', 0);
    const [one, two] = [0, 1].map((index) => createSimulatedHost(world, index));
    assert.ok(one && two);
    for (const host of [one, two]) host.start();
    const shown = { nodeId: nodeIdFromBytes(new Uint8Array(16)), chain: [authority.root] };
    const received: number[] = [];
    const address = { address: '10.0.0.2', port: 6084 };
    network.listen(address, {
      host: two,
      ...shown,
      accept(connection) {
        assert.equal(connection.datagramBytes !== undefined, share === 1);
        connection.setHandler({
          data: (bytes) => received.push(...bytes),
          closed: () => undefined,
        });
      },
    });
    const dialer = network.dialer({ address: '10.0.0.1', port: 1 }, { host: one, ...shown });
    dialer.dial(address, 5000, (outcome) => {
      assert.ok(outcome.ok);
      for (let i = 0; i < 200; i++) {
        world.after(i, () => outcome.value.send(Uint8Array.of(i)));
      }
    });
    world.run(10_000);
    return received;
  };
  const all = Array.from({ length: 200 }, (_, i) => i);
  assert.deepEqual(arrivals(0), all);
  const some = arrivals(1);
  const different = new Set(some);
  assert.ok(different.size < 195 && different.size > 120, `${different.size} of 200 arrived`);
  assert.ok(some.length > different.size, 'some came twice');
  assert.notDeepEqual(
    some,
    [...some].sort((a, b) => a - b),
  );
});
