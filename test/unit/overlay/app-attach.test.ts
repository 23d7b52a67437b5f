import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { AppConnection, OverlayError } from '../../../src/overlay/api.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { createIdentity } from './support/fake-keys.ts';
import { createWorld, sipPort, type TestPeer, type World } from './support/world.ts';

function ring(count: number): World {
  const world = createWorld('app');
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  return world;
}

function attach(
  world: World,
  from: TestPeer,
  destination: readonly Destination[],
  application = sipPort,
): Outcome<AppConnection, OverlayError> {
  return world.await((done) => from.overlay.appAttach(destination, application, done));
}

test('[R6940-6.5.2.2-01] both ends get the same connection, the requester as TLS server', () => {
  const world = ring(4);
  const [from, to] = [world.peers[1] as TestPeer, world.peers[3] as TestPeer];
  const accepted: AppConnection[] = [];
  to.overlay.onApplication(sipPort, (connection) => accepted.push(connection));
  const outcome = attach(world, from, [{ type: 'node', nodeId: to.nodeId }]);
  assert.ok(outcome.ok);
  assert.equal(outcome.value.peer, to.nodeId);
  assert.equal(outcome.value.application, sipPort);
  assert.equal(outcome.value.connection.role, 'server');
  assert.equal(accepted.length, 1);
  assert.equal(accepted[0]?.peer, from.nodeId);
  const heard: string[] = [];
  accepted[0].connection.setHandler({
    data: (bytes) => heard.push(new TextDecoder().decode(bytes)),
    closed: () => undefined,
  });
  outcome.value.connection.setHandler({ data: () => undefined, closed: () => undefined });
  outcome.value.connection.send(new TextEncoder().encode('hello'));
  world.clock.advance(10);
  assert.deepEqual(heard, ['hello']);
});

test('[R6940-6.5.2.2-03] an application without listener is answered with Error_Not_Found', () => {
  const world = ring(2);
  const to = world.peers[1] as TestPeer;
  const outcome = attach(world, world.peers[0] as TestPeer, [{ type: 'node', nodeId: to.nodeId }]);
  assert.ok(!outcome.ok);
  assert.equal(outcome.error.code, errorCodes.notFound);
  assert.equal(outcome.error.reason, 'error-response');
});

test('a node that does not exist gives a timeout', () => {
  const world = ring(2);
  const nobody = world.nodeId('nobody');
  const outcome = attach(world, world.peers[0] as TestPeer, [{ type: 'node', nodeId: nobody }]);
  assert.ok(!outcome.ok);
  assert.equal(outcome.error.reason, 'timeout');
});

test('a connection that nobody asked for is closed', () => {
  const world = ring(2);
  const [a, b] = [world.peers[0] as TestPeer, world.peers[1] as TestPeer];
  const closed: string[] = [];
  world.network.dialer(b.host).dial({ address: a.host.address, port: sipPort }, 1000, (outcome) => {
    assert.ok(outcome.ok);
    outcome.value.setHandler({ data: () => undefined, closed: (reason) => closed.push(reason) });
  });
  world.clock.advance(100);
  assert.equal(closed.length, 1);
  assert.equal(a.count('overlay_app_attaches_total', 'unexpected-peer'), 1);
});

test('a connection of another node does not satisfy the request: wrong-peer', () => {
  const world = ring(3);
  const [a, b, intruder] = world.peers as [TestPeer, TestPeer, TestPeer];
  b.overlay.onApplication(sipPort, () => undefined);
  // The answerer shows the certificate of somebody else when it connects.
  const shown = b.host.chain;
  b.host.chain = intruder.host.chain;
  const outcome = attach(world, a, [{ type: 'node', nodeId: b.nodeId }]);
  b.host.chain = shown;
  assert.ok(!outcome.ok);
  assert.equal(outcome.error.reason, 'wrong-peer');
});

test('an answerer that reaches another node than the requester hangs up', () => {
  const world = ring(3);
  const [a, b, other] = world.peers as [TestPeer, TestPeer, TestPeer];
  const accepted: AppConnection[] = [];
  b.overlay.onApplication(sipPort, (connection) => accepted.push(connection));
  const shown = a.host.chain;
  a.host.chain = other.host.chain;
  attach(world, a, [{ type: 'node', nodeId: b.nodeId }]);
  a.host.chain = shown;
  assert.equal(accepted.length, 0);
  assert.equal(b.count('overlay_app_attaches_total', 'wrong-peer'), 1);
});

test('messages to a hosted identity are answered in its name', () => {
  const world = ring(3);
  const [a, b] = world.peers as [TestPeer, TestPeer, TestPeer];
  const user = createIdentity(world.clock, [world.nodeId('alice')], 'alice@test.example');
  const userNode = world.nodeId('alice');
  b.overlay.hostIdentity(user);
  const destination: Destination[] = [
    { type: 'node', nodeId: b.nodeId },
    { type: 'node', nodeId: userNode },
  ];
  const ping = world.await<Parameters<Parameters<typeof a.overlay.ping>[1]>[0]>((done) =>
    a.overlay.ping(destination, done),
  );
  assert.ok(ping.ok);
  assert.equal(ping.value.answeredBy, userNode);
  b.overlay.unhostIdentity(userNode);
  const gone = world.await<Parameters<Parameters<typeof a.overlay.ping>[1]>[0]>((done) =>
    a.overlay.ping(destination, done),
  );
  assert.ok(!gone.ok);
});

test('[R6940-5.4-01] nothing of the overlay travels on the connection of an application', () => {
  const world = ring(3);
  const [a, b] = world.peers as [TestPeer, TestPeer, TestPeer];
  const heard: number[] = [];
  b.overlay.onApplication(sipPort, ({ connection }) => {
    connection.setHandler({ data: (bytes) => heard.push(bytes.length), closed: () => undefined });
  });
  const outcome = attach(world, a, [{ type: 'node', nodeId: b.nodeId }]);
  assert.ok(outcome.ok);
  outcome.value.connection.setHandler({
    data: (bytes) => heard.push(bytes.length),
    closed: () => undefined,
  });
  const linksBefore = a.overlay.snapshot().links.length;
  for (let i = 0; i < 10; i++) {
    const destination: Destination[] = [{ type: 'node', nodeId: b.nodeId }];
    world.await((done) => a.overlay.ping(destination, done));
  }
  world.clock.advance(700_000);
  assert.deepEqual(heard, []);
  assert.equal(a.overlay.snapshot().links.length, linksBefore);
});

test('messages to a hosted identity alone reach it where it is linked', () => {
  const world = ring(2);
  const [, b] = world.peers as [TestPeer, TestPeer];
  const nodeId = world.nodeId('hosted');
  b.overlay.hostIdentity(createIdentity(world.clock, [nodeId], 'alice@test.example'));
  const destination: Destination[] = [{ type: 'node', nodeId }];
  const ping = world.await<Parameters<Parameters<typeof b.overlay.ping>[1]>[0]>((done) =>
    b.overlay.ping(destination, done),
  );
  assert.ok(ping.ok);
  assert.equal(ping.value.answeredBy, nodeId);
});
