import { test } from 'node:test';
import assert from 'node:assert/strict';
import { idBytes, resourceIdOfName, type NodeId } from '../../../../src/base/ids.ts';
import type { Outcome } from '../../../../src/base/outcome.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import type { Certificate, Identity } from '../../../../src/ports/certificates.ts';
import type { FetchResult, OverlayError, StoreResult } from '../../../../src/overlay/api.ts';
import { createKindRegistry, kindIds } from '../../../../src/storage/kinds.ts';
import {
  createCertificateStore,
  type CertificateStore,
} from '../../../../src/usages/certificates/certificate-store.ts';
import {
  certificateByNodeKind,
  certificateByUserKind,
  resourceOfNodeId,
  resourceOfUserName,
} from '../../../../src/usages/certificates/kinds.ts';
import { createCertificatePublisher } from '../../../../src/usages/certificates/publisher.ts';
import { errorCodes } from '../../../../src/wire/reload/errors.ts';
import { lastIndex } from '../../../../src/wire/reload/storage.ts';
import { createIdentity, createVerifier } from '../../overlay/support/fake-keys.ts';
import { createWorld, type TestPeer, type World } from '../../overlay/support/world.ts';
import { vectorBytes } from '../../../vectors/vectors.ts';

const alice = 'alice@test.example';

interface Scene {
  readonly world: World;
  readonly store: CertificateStore;
  readonly peer: TestPeer;
}

function scene(count = 3): Scene {
  const world = createWorld('certificates');
  const verifier = createVerifier(world.clock);
  for (let i = 0; i < count; i++) {
    const kinds = createKindRegistry();
    kinds.register(certificateByNodeKind(verifier));
    kinds.register(certificateByUserKind(verifier));
    world.add({ dependencies: { kinds } });
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  const peer = world.peers[0] as TestPeer;
  const store = createCertificateStore({ overlay: peer.overlay, clock: world.clock, verifier });
  return { world, store, peer };
}

function publish({ world, store }: Scene, identity: Identity): Outcome<void, OverlayError> {
  return world.await((done) => store.publish(identity, done));
}

function names(outcome: Outcome<readonly Certificate[], OverlayError>): string[] {
  assert.ok(outcome.ok);
  return outcome.value.map(({ fingerprint }) => fingerprint);
}

function byNode({ world, store }: Scene, nodeId: NodeId): string[] {
  return names(world.await((done) => store.byNode(nodeId, done)));
}

function byUser({ world, store }: Scene, userName: string): string[] {
  return names(world.await((done) => store.byUser(userName, done)));
}

const only = (identity: Identity): NodeId => identity.certificate.nodeIds[0] as NodeId;

test('[R6940-8-01] a certificate is found under its user name and under its Node-ID', () => {
  const s = scene();
  const user = s.world.user(alice, 'u1');
  assert.ok(publish(s, user).ok);
  assert.deepEqual(byNode(s, only(user)), [user.certificate.fingerprint]);
  assert.deepEqual(byUser(s, alice), [user.certificate.fingerprint]);
  assert.deepEqual(byUser(s, 'bob@test.example'), []);
});

test('[R6940-8-02] the Node-ID copy lies at the hash of the Node-ID', () => {
  const nodeId = '1f6c0603327d4df6c49f75cd411d2e16' as NodeId;
  assert.deepEqual(idBytes(resourceOfNodeId(nodeId)), vectorBytes('resource-id-node'));
  const s = scene(2);
  const user = s.world.user(alice, 'u1');
  assert.ok(publish(s, user).ok);
  const at = (resource: string): Outcome<FetchResult, OverlayError> =>
    s.world.await((done) => {
      const kind = kindIds.certificateByNode;
      s.peer.overlay.fetch({ kind, resource: resource as never }, done);
    });
  const hashed = at(resourceIdOfName(idBytes(only(user))));
  const plain = at(only(user));
  assert.ok(hashed.ok && plain.ok);
  assert.deepEqual(hashed.value.values[0]?.value, user.certificate.der);
  assert.equal(plain.value.values.length, 0);
});

test('[R6940-8-03] both Kinds are arrays, one by NODE-MATCH and one by USER-MATCH', () => {
  const verifier = createVerifier(createWorld().clock);
  const { kind, dataModel, accessControl } = certificateByNodeKind(verifier);
  assert.deepEqual([kind, dataModel, accessControl], [0x3, 'ARRAY', 'NODE-MATCH']);
  const user = certificateByUserKind(verifier);
  assert.deepEqual([user.kind, user.dataModel, user.accessControl], [0x10, 'ARRAY', 'USER-MATCH']);
});

test('[R6940-8-04] a renewed certificate is appended; storing it again changes nothing', () => {
  const s = scene();
  const nodeIds = [s.world.nodeId('u1')];
  const old = createIdentity(s.world.clock, nodeIds, alice, { notAfterMs: 3e12 });
  const renewed = createIdentity(s.world.clock, nodeIds, alice, { notAfterMs: 3.5e12 });
  for (const identity of [old, renewed, old, renewed]) assert.ok(publish(s, identity).ok);
  const both = [old.certificate.fingerprint, renewed.certificate.fingerprint].sort();
  assert.deepEqual(byNode(s, only(old)).sort(), both);
  assert.deepEqual(byUser(s, alice).sort(), both);
  const array = s.world.await<Outcome<FetchResult, OverlayError>>((done) => {
    const kind = kindIds.certificateByUser;
    s.peer.overlay.fetch({ kind, resource: resourceOfUserName(alice) }, done);
  });
  assert.ok(array.ok);
  assert.deepEqual(
    array.value.values.map(({ index, value }) => [index, value]),
    [
      [0, old.certificate.der],
      [1, renewed.certificate.der],
    ],
  );
});

test('a certificate with several Node-IDs is found under each', () => {
  const s = scene();
  const nodeIds = [s.world.nodeId('m1'), s.world.nodeId('m2'), s.world.nodeId('m3')];
  const many = createIdentity(s.world.clock, nodeIds, alice);
  assert.ok(publish(s, many).ok);
  for (const nodeId of nodeIds) {
    assert.deepEqual(byNode(s, nodeId), [many.certificate.fingerprint]);
  }
});

test('nobody stores a certificate at the name of another, nor anything else at his own', () => {
  const s = scene();
  const [user, other] = [s.world.user(alice, 'u1'), s.world.user('bob@test.example', 'u2')];
  const store = (
    kind: number,
    resource: string,
    value: Uint8Array,
    identity: Identity,
  ): Outcome<StoreResult, OverlayError> =>
    s.world.await((done) => {
      const values = [{ index: lastIndex, exists: true, value, lifetimeS: 600 }];
      s.peer.overlay.store({ kind, resource: resource as never, values, identity }, done);
    });
  const own = resourceOfNodeId(only(user));
  const { certificateByNode, certificateByUser } = kindIds;
  const nodeKind = [certificateByNode, own] as const;
  const userKind = [certificateByUser, resourceOfUserName(alice)] as const;
  for (const [kind, resource] of [nodeKind, userKind]) {
    for (const refused of [
      store(kind, resource, user.certificate.der, other),
      store(kind, resource, other.certificate.der, user),
      store(kind, resource, Uint8Array.of(1, 2, 3), user),
    ]) {
      assert.ok(!refused.ok);
      assert.equal(refused.error.code, errorCodes.forbidden);
    }
    assert.ok(store(kind, resource, user.certificate.der, user).ok);
    const removed = s.world.await<Outcome<StoreResult, OverlayError>>((done) => {
      const values = [{ index: 0, exists: false, value: new Uint8Array(0), lifetimeS: 600 }];
      s.peer.overlay.store({ kind, resource, values, identity: user }, done);
    });
    assert.ok(removed.ok);
  }
  assert.deepEqual(byNode(s, only(user)), []);
  assert.deepEqual(byUser(s, alice), []);
});

test('a certificate that expired since, or was never trusted, is not found', () => {
  const s = scene();
  const { clock } = s.world;
  const nodeIds = [s.world.nodeId('u1')];
  const current = createIdentity(clock, nodeIds, alice);
  const untrusted = createIdentity(clock, nodeIds, alice, { issuer: 'evil' });
  for (const der of [current.certificate.der, untrusted.certificate.der]) {
    const stored = s.world.await<Outcome<StoreResult, OverlayError>>((done) => {
      const values = [{ index: lastIndex, exists: true, value: der, lifetimeS: 600 }];
      const resource = resourceOfUserName(alice);
      const kind = kindIds.certificateByUser;
      s.peer.overlay.store({ kind, resource, values, identity: current }, done);
    });
    assert.ok(stored.ok);
  }
  assert.deepEqual(byUser(s, alice), [current.certificate.fingerprint]);

  const soonOver = createIdentity(clock, nodeIds, alice, { notAfterMs: clock.wallMs() + 30_000 });
  assert.ok(publish(s, soonOver).ok);
  assert.equal(byNode(s, nodeIds[0] as NodeId).length, 1);
  clock.advance(31_000);
  assert.deepEqual(byNode(s, nodeIds[0] as NodeId), []);
  const late = publish(s, soonOver);
  assert.ok(!late.ok);
  assert.equal(late.error.reason, 'invalid');
});

test('the publisher stores after the join, after a renewal, and again after a failure', () => {
  const { clock } = createWorld();
  const identity = createIdentity(clock, ['11' as NodeId], alice);
  const renewed = createIdentity(clock, ['11' as NodeId], alice, { notAfterMs: 3e12 });
  const asked: [Identity, (outcome: Outcome<void, OverlayError>) => void][] = [];
  const publisher = createCertificatePublisher({
    clock,
    trace: silentTrace,
    certificates: { publish: (one, done) => asked.push([one, done]) },
    identity,
  });
  const settle = (i: number, outcome: Outcome<void, OverlayError>): void => {
    const [, done] = asked[i] ?? assert.fail('not asked');
    done(outcome);
  };
  publisher.renewed(identity);
  assert.equal(asked.length, 0, 'not before the join');
  publisher.joined();
  assert.deepEqual(
    asked.map(([one]) => one),
    [identity],
  );
  publisher.renewed(renewed);
  assert.equal(asked.length, 1, 'one at a time');
  settle(0, { ok: true, value: undefined });
  clock.advance(0);
  assert.equal(asked[1]?.[0], renewed);
  settle(1, { ok: false, error: { code: 0, reason: 'timeout', text: 'no answer' } });
  clock.advance(59_999);
  assert.equal(asked.length, 2);
  clock.advance(1);
  assert.equal(asked.length, 3);
  settle(2, { ok: true, value: undefined });
  clock.advance(86_399_999);
  assert.equal(asked.length, 3);
  clock.advance(1);
  assert.equal(asked.length, 4);
  publisher.stop();
  settle(3, { ok: true, value: undefined });
  clock.advance(200_000_000);
  assert.equal(asked.length, 4);
});
