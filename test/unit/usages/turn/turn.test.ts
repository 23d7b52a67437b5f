import { test } from 'node:test';
import assert from 'node:assert/strict';
import { idBytes, type NodeId, type ResourceId } from '../../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../../src/base/outcome.ts';
import { createPrng } from '../../../../src/base/prng.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import type { OverlayError, StoreRequest, StoreResult } from '../../../../src/overlay/api.ts';
import { createKindRegistry, kindIds } from '../../../../src/storage/kinds.ts';
import {
  largestIteration,
  resourceOfTurnServer,
  turnServiceKind,
} from '../../../../src/usages/turn/kind.ts';
import { isPrivateAddress } from '../../../../src/usages/turn/private-address.ts';
import {
  announcedIterations,
  createTurnService,
  isTurnCandidate,
  type FoundServer,
  type TurnService,
} from '../../../../src/usages/turn/turn-service.ts';
import { encodeToBytes } from '../../../../src/wire/codec.ts';
import { errorCodes } from '../../../../src/wire/reload/errors.ts';
import { turnServer } from '../../../../src/wire/reload/turn-server.ts';
import { vectorBytes } from '../../../vectors/vectors.ts';
import { createWorld, testConfig, type TestPeer, type World } from '../../overlay/support/world.ts';

const server = { address: '192.0.2.10', port: 3478 };
const vectorNode = '1f6c0603327d4df6c49f75cd411d2e16' as NodeId;

function serviceOf(world: World, peer: TestPeer, seed = 'turn'): TurnService {
  const prng = createPrng(seed);
  return createTurnService({
    overlay: peer.overlay,
    identity: peer.identity,
    clock: world.clock,
    random: { u32: () => prng.u32(), bytes: (length) => prng.bytes(length) },
    trace: silentTrace,
  });
}

function ring(count: number, turnDensity: number): World {
  const world = createWorld('turn');
  for (let i = 0; i < count; i++) {
    const kinds = createKindRegistry();
    kinds.register(turnServiceKind());
    world.add({ config: { turnDensity }, dependencies: { kinds } });
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  return world;
}

function find(world: World, peer: TestPeer, seed?: string): FoundServer | undefined {
  return world.await((done) => serviceOf(world, peer, seed).find(done), 600_000);
}

/** An overlay that only takes Stores. */
function recorder(turnDensity: number) {
  const world = createWorld();
  const peer = world.add({ start: false });
  const requests: StoreRequest[] = [];
  const results = { ok: true };
  const service = createTurnService({
    overlay: {
      ...peer.overlay,
      config: () => ({ ...testConfig, turnDensity }),
      store(request, done) {
        requests.push(request);
        world.clock.after('stored', 0, () => {
          const error = { code: 0, reason: 'timeout', text: 'no answer' } as const;
          done(results.ok ? success({} as StoreResult) : failure(error));
        });
      },
    },
    identity: peer.identity,
    clock: world.clock,
    random: { u32: () => 0, bytes: (length) => new Uint8Array(length) },
    trace: silentTrace,
  });
  return { world, peer, requests, service, results };
}

test('[R6940-9-01] a peer that others see at another address is no candidate', () => {
  assert.equal(isTurnCandidate('192.0.2.10', ['198.51.100.7']), false);
  assert.equal(isTurnCandidate('192.0.2.10', ['192.0.2.10', '198.51.100.7']), false);
  const { service, requests } = recorder(2);
  service.announce(server, ['198.51.100.7']);
  assert.equal(requests.length, 0);
});

test('[R6940-9-02] a peer at a private address is no candidate', () => {
  const addresses = ['10.0.0.5', '172.16.0.1', '172.31.255.255', '192.168.1.1', '10.255.255.255'];
  for (const address of [...addresses, '127.0.0.1', '169.254.1.1', 'fe80::1', 'fd00::1', '::1']) {
    assert.equal(isPrivateAddress(address), true, address);
    const { service, requests } = recorder(2);
    service.announce({ address, port: 3478 }, [address]);
    assert.equal(requests.length, 0, address);
  }
  for (const address of [
    '9.255.255.255',
    '11.0.0.1',
    '172.15.0.1',
    '172.32.0.1',
    '192.167.1.1',
    '2001:db8::1',
    '100.128.0.1',
  ]) {
    assert.equal(isPrivateAddress(address), false, address);
  }
  assert.equal(isPrivateAddress('turn.example.org'), true, 'not an address');
});

test('[R6940-9-03] a peer at a public address announces itself', () => {
  const { service, requests, peer } = recorder(1);
  service.announce(server, []);
  assert.equal(requests.length, 1);
  const [request] = requests;
  assert.equal(request?.kind, kindIds.turnService);
  assert.equal(request.identity, peer.identity);
  const serverAddress = { type: 'ipv4', ...server } as const;
  const value = encodeToBytes(turnServer, { iteration: 1, serverAddress });
  assert.deepEqual(request.values, [{ exists: true, value, lifetimeS: 86_400 }]);
  assert.equal(isTurnCandidate('192.0.2.10', ['192.0.2.10']), true);
});

test('[R6940-9-04] turn-density records, each at the hash of Node-ID and d; none for 0', () => {
  assert.deepEqual(
    idBytes(resourceOfTurnServer(vectorNode, 1)),
    vectorBytes('resource-id-turn-d1'),
  );
  for (const density of [0, 1, 3, 20]) {
    const { service, requests, peer } = recorder(density);
    service.announce(server, []);
    assert.deepEqual(
      requests.map(({ resource }) => resource),
      Array.from({ length: density }, (_, i) => resourceOfTurnServer(peer.nodeId, i + 1)),
    );
  }
  assert.equal(announcedIterations(255).length, 20, 'no more than storing peers accept');
});

test('[R6940-9-05] the value is iteration and server address', () => {
  const serverAddress = { type: 'ipv4', address: '192.0.2.10', port: 3478 } as const;
  const bytes = encodeToBytes(turnServer, { iteration: 1, serverAddress });
  assert.deepEqual(Buffer.from(bytes), vectorBytes('turn-server'));
});

test('[R6940-9-06] TURN-SERVICE is a single value with NODE-MULTIPLE up to 20', () => {
  const { kind, dataModel, accessControl, maxNodeMultiple } = turnServiceKind();
  assert.deepEqual(
    [kind, dataModel, accessControl, maxNodeMultiple],
    [2, 'SINGLE', 'NODE-MULTIPLE', 20],
  );
  const world = ring(3, 1);
  const peer = world.peers[1] as TestPeer;
  const store = (resource: ResourceId, iteration: number): Outcome<StoreResult, OverlayError> =>
    world.await((done) => {
      const serverAddress = { type: 'ipv4', ...server } as const;
      const value = encodeToBytes(turnServer, { iteration, serverAddress });
      const values = [{ exists: true, value, lifetimeS: 600 }];
      peer.overlay.store({ kind, resource, values, identity: peer.identity }, done);
    });
  assert.ok(store(resourceOfTurnServer(peer.nodeId, largestIteration), largestIteration).ok);
  for (const refused of [
    store(resourceOfTurnServer(peer.nodeId, 21), 21),
    store(resourceOfTurnServer(peer.nodeId, 2), 3),
    store(resourceOfTurnServer((world.peers[0] as TestPeer).nodeId, 1), 1),
  ]) {
    assert.ok(!refused.ok);
    assert.equal(refused.error.code, errorCodes.forbidden);
  }
});

test('[R6940-9-07] one server among ten peers is found with random Finds', () => {
  const world = ring(10, 5);
  const peer = world.peers[4] as TestPeer;
  const service = serviceOf(world, peer);
  service.announce(server, []);
  world.clock.advance(2000);
  for (const seeker of [0, 3, 9]) {
    const found = find(world, world.peers[seeker] as TestPeer, `seeker ${seeker}`);
    assert.deepEqual(found, { nodeId: peer.nodeId, ...server });
  }
  service.withdraw();
  world.clock.advance(5000);
  assert.equal(find(world, world.peers[0] as TestPeer), undefined);
});

test('a search without any server ends after its probes', () => {
  const world = ring(2, 1);
  assert.equal(find(world, world.peers[0] as TestPeer), undefined);
});

test('records are stored again at half of their life, sooner after a failure, not after the end', () => {
  const { service, requests, world, results } = recorder(2);
  service.announce(server, []);
  world.clock.advance(43_199_999);
  assert.equal(requests.length, 2);
  results.ok = false;
  world.clock.advance(1);
  assert.equal(requests.length, 4);
  world.clock.advance(59_999);
  assert.equal(requests.length, 4);
  results.ok = true;
  world.clock.advance(1);
  assert.equal(requests.length, 6);
  service.withdraw();
  assert.deepEqual(
    requests.slice(6).map(({ values }) => values[0]?.exists),
    [false, false],
  );
  service.withdraw();
  service.stop();
  world.clock.advance(100_000_000);
  assert.equal(requests.length, 8);
});
