/** What configuration values do to a running peer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../src/base/outcome.ts';
import { resourceIdFromBytes, resourceIdOfName } from '../../../src/base/ids.ts';
import { createLink } from '../../../src/link/link.ts';
import type { OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { decodePayload } from '../../../src/wire/reload/contents.ts';
import { decodeHeader } from '../../../src/wire/reload/header.ts';
import type { ForwardingHeader } from '../../../src/wire/reload/header.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { hexDecode, utf8Encode } from '../../../src/base/text.ts';
import type { Identity } from '../../../src/ports/certificates.ts';
import { createIdentity } from '../overlay/support/fake-keys.ts';
import { createRawPeer } from '../overlay/support/raw-peer.ts';
import {
  createWorld,
  linkPort,
  memoryStore,
  singleKind,
  testConfig,
  type TestPeer,
  type World,
} from '../overlay/support/world.ts';

const alice = 'alice@test.example';
const resource = resourceIdOfName(alice);

function store(
  world: World,
  peer: TestPeer,
  identity: Identity,
  text = 'here',
): Outcome<StoreResult, OverlayError> {
  return world.await((done) => {
    const value = { exists: true, value: utf8Encode(text), lifetimeS: 600 };
    peer.overlay.store({ resource, kind: singleKind, values: [value], identity }, done);
  });
}

function ring(count: number): World {
  const world = createWorld('effects');
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  return world;
}

test('[R6940-11.1-36] links, messages and values of a bad node are refused once it is listed', () => {
  const world = ring(1);
  const [peer] = world.peers;
  assert.ok(peer);
  const bad = createRawPeer(world, peer, 'bad');
  const good = createRawPeer(world, peer, 'good!');
  assert.equal(bad.exchange()[0]?.payload.contents.messageCode, messageCodes.pingAns);
  const owner = createIdentity(world.clock, [world.nodeId('owner')], alice);
  assert.ok(store(world, peer, owner).ok);

  const badNodes = [bad.nodeId, ...owner.certificate.nodeIds];
  peer.overlay.updateConfig({ ...testConfig, badNodes });
  world.clock.advance(100);
  assert.match(bad.closed[0] ?? '', /bad node/);
  assert.deepEqual(good.closed, []);
  const carried = { identity: bad.identity };
  assert.equal(good.exchange(carried).length, 0, 'a message that a good node carries');
  assert.equal(good.exchange()[0]?.payload.contents.messageCode, messageCodes.pingAns);
  const again = createRawPeer(world, peer, 'bad');
  world.clock.advance(100);
  assert.equal(again.closed.length, 1, 'a new link');
  const stored = store(world, peer, owner, 'more');
  assert.equal(stored.ok, false, 'a value');
});

test('[R6940-11.1-57] the next request uses the initial TTL of the new configuration', () => {
  const world = ring(1);
  const [peer] = world.peers;
  assert.ok(peer);
  const raw = createRawPeer(world, peer, 'raw');
  const pinged = (): number | undefined => {
    raw.received.length = 0;
    peer.overlay.ping([{ type: 'node', nodeId: raw.nodeId }], () => undefined);
    world.clock.advance(50);
    return raw.received[0]?.header.ttl;
  };
  assert.equal(pinged(), 100);
  peer.overlay.updateConfig({ ...testConfig, sequence: 23, initialTtl: 33 });
  assert.equal(pinged(), 33);
  assert.equal(raw.received[0]?.header.configurationSequence, 23);
});

test('[R6940-11.1-59] a lower max-size counts from the next Store on', () => {
  const world = ring(1);
  const [peer] = world.peers;
  assert.ok(peer);
  const owner = createIdentity(world.clock, [world.nodeId('owner')], alice);
  assert.ok(store(world, peer, owner, 'x'.repeat(100)).ok);
  const requiredKinds = testConfig.requiredKinds.map((kind) => ({ ...kind, maxSizeBytes: 99 }));
  peer.overlay.updateConfig({ ...testConfig, requiredKinds });
  const larger = store(world, peer, owner, 'y'.repeat(100));
  assert.match(larger.ok ? '' : larger.error.text, /max-size/);
  assert.ok(store(world, peer, owner, 'y'.repeat(99)).ok);
});

test('[R6940-11.1-60] a Kind that is no longer in force is unknown', () => {
  const world = ring(1);
  const [peer] = world.peers;
  assert.ok(peer);
  const owner = createIdentity(world.clock, [world.nodeId('owner')], alice);
  assert.ok(store(world, peer, owner).ok);
  const requiredKinds = testConfig.requiredKinds.filter(({ kind }) => kind !== singleKind);
  peer.overlay.updateConfig({ ...testConfig, requiredKinds });
  const fetched = world.await<Outcome<unknown, OverlayError>>((done) => {
    peer.overlay.fetch({ resource, kind: singleKind }, done);
  });
  assert.equal(fetched.ok, false);
  assert.equal(peer.overlay.snapshot().storage.values, 0, 'and its data are gone');

  peer.overlay.updateConfig(testConfig);
  assert.ok(store(world, peer, owner).ok);
  peer.overlay.updateConfig({ ...testConfig, sequence: 24 });
  assert.equal(peer.overlay.snapshot().storage.values, 1, 'Kinds that stay keep theirs');
});

test('a Kind that was discarded while the peer was down takes its data with it at the start', () => {
  const world = ring(1);
  const [peer] = world.peers;
  assert.ok(peer);
  const owner = createIdentity(world.clock, [world.nodeId('owner')], alice);
  const disk = memoryStore(world.clock);
  const before = world.add({ bootstrap: 'first', dependencies: { store: disk } });
  world.clock.advance(5000);
  assert.ok(store(world, before, owner).ok);
  before.host.dead = true;
  const requiredKinds = testConfig.requiredKinds.filter(({ kind }) => kind !== singleKind);
  const after = world.add({
    start: false,
    config: { requiredKinds },
    dependencies: { store: disk },
    identity: before.identity,
  });
  after.overlay.start({ bootstrap: 'first' });
  assert.equal(after.overlay.snapshot().storage.values, 0);
  after.overlay.updateConfig(testConfig);
  assert.equal(after.overlay.snapshot().storage.values, 0);
});

test('[R6940-4.5.2-01] the first peer serves the whole ring alone', () => {
  const world = ring(1);
  const [peer] = world.peers;
  assert.ok(peer);
  for (const name of ['alice', 'bob', 'carol', 'dave', 'eve']) {
    const aor = `${name}@test.example`;
    const owner = createIdentity(world.clock, [world.nodeId(name)], aor);
    const at = resourceIdOfName(aor);
    const value = { exists: true, value: utf8Encode(name), lifetimeS: 600 };
    const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
      const request = { resource: at, kind: singleKind, values: [value], identity: owner };
      peer.overlay.store(request, done);
    });
    assert.ok(stored.ok);
    const fetched = world.await<
      Outcome<{ values: readonly { value: Uint8Array }[] }, OverlayError>
    >((done) => {
      peer.overlay.fetch({ resource: at, kind: singleKind }, done);
    });
    assert.deepEqual(fetched.ok && fetched.value.values[0]?.value, utf8Encode(name));
  }
});

test('[R6940-11.4-01][R6940-11.4-03] a joining node connects to a bootstrap node and first sends an Attach to its Node-ID plus 1', () => {
  const world = createWorld('joiner');
  const seen: { header: ForwardingHeader; code: number }[] = [];
  const host = { address: '10.9.0.1', chain: [], frozen: false, dead: false } as const;
  const server = createIdentity(world.clock, [world.nodeId('server')], 'server');
  let connections = 0;
  const mutable = { ...host, chain: [server.certificate] };
  world.network.listen({ address: '10.9.0.1', port: linkPort }, mutable, (connection) => {
    connections++;
    createLink({
      clock: world.clock,
      trace: silentTrace,
      connection,
      nodeId: world.nodeId('joiner 1'),
      maxMessageBytes: () => 1 << 20,
      events: {
        message(bytes) {
          const { header, headerLength } = decodeHeader(bytes);
          seen.push({
            header,
            code: decodePayload(bytes.subarray(headerLength)).contents.messageCode,
          });
        },
        oversized: () => undefined,
        suspect: () => undefined,
        closed: () => undefined,
      },
    });
  });
  const own = `${'0f'.repeat(14)}ffff`;
  const joiner = world.add({
    nodeId: own as never,
    bootstrap: [{ address: '10.9.0.1', port: linkPort }],
  });
  world.clock.advance(1000);
  assert.equal(connections, 1);
  assert.equal(joiner.overlay.state() === 'joined', false);
  const [first] = seen;
  assert.ok(first);
  assert.equal(first.code, messageCodes.attachReq);
  const next = resourceIdFromBytes(hexDecode(`${'0f'.repeat(13)}100000`) ?? new Uint8Array(0));
  assert.deepEqual(first.header.destinationList.at(-1), { type: 'resource', resource: next });
});

test('[R6940-13.6.3-01] each side of a link looks at the certificate of the other', () => {
  const world = ring(1);
  const id = world.nodeId('stranger');
  const stranger = createIdentity(world.clock, [id], 'stranger', { issuer: 'somebody' });
  const joiner = world.add({ nodeId: id, identity: stranger });
  world.clock.advance(20_000);
  assert.notEqual(joiner.overlay.state(), 'joined', 'refused by the one that is dialled');
  assert.equal(world.peers[0]?.overlay.snapshot().links.length, 0);

  const other = createWorld('dialler');
  other.add({ identity: createIdentity(other.clock, [id], 'stranger', { issuer: 'somebody' }) });
  const honest = other.add();
  other.clock.advance(20_000);
  assert.equal(honest.overlay.snapshot().links.length, 0, 'refused by the one that dials');
});
