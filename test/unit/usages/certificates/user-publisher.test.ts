import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { failure, success, type Outcome } from '../../../../src/base/outcome.ts';
import type { OverlayError } from '../../../../src/overlay/api.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import type { Certificate, Identity } from '../../../../src/ports/certificates.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { createKindRegistry } from '../../../../src/storage/kinds.ts';
import { createCertificateStore } from '../../../../src/usages/certificates/certificate-store.ts';
import {
  certificateByNodeKind,
  certificateByUserKind,
} from '../../../../src/usages/certificates/kinds.ts';
import { createUserCertificatePublisher } from '../../../../src/usages/certificates/user-publisher.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { createIdentity, createVerifier } from '../../overlay/support/fake-keys.ts';
import { createWorld, type TestPeer } from '../../overlay/support/world.ts';

type Done = (outcome: Outcome<void, OverlayError>) => void;

function scene() {
  const clock = createFakeClock();
  const identities = new Map<string, Identity>();
  const asked: { readonly user: string; readonly atMs: number; readonly done: Done }[] = [];
  const publisher = createUserCertificatePublisher({
    clock,
    trace: silentTrace,
    certificates: {
      publish(identity, done) {
        const user = identity.certificate.userName ?? '';
        asked.push({ user, atMs: clock.monotonicMs(), done });
      },
    },
    identityFor: (aor) => identities.get(aor),
    paceMs: 250,
  });
  const enroll = (aor: string): void => {
    identities.set(aor, createIdentity(clock, [aor.padStart(32, '1') as NodeId], aor));
    publisher.add(aor);
  };
  const stored = (place: number): void => (asked[place] ?? assert.fail()).done(success(undefined));
  return { clock, publisher, identities, asked, enroll, stored };
}

test('users have their turn one after the other, in the pace that is set', () => {
  const { clock, publisher, asked, enroll, stored } = scene();
  for (const aor of ['a@x', 'b@x', 'c@x']) enroll(aor);
  clock.advance(10_000);
  assert.equal(asked.length, 0, 'not before the box has joined');
  publisher.joined();
  clock.advance(249);
  assert.equal(asked.length, 0);
  clock.advance(10_000);
  assert.equal(asked.length, 1, 'not before the first one has ended');
  stored(0);
  clock.advance(250);
  stored(1);
  clock.advance(250);
  stored(2);
  assert.deepEqual(
    asked.map(({ user }) => user),
    ['a@x', 'b@x', 'c@x'],
  );
  clock.advance(limits.usagesCertificates.refreshMs - 1000);
  assert.equal(asked.length, 3);
  clock.advance(2000);
  assert.equal(asked[3]?.user, 'a@x', 'and again a day later');
});

test('a failure is tried again, a renewed certificate at once, a user who has gone never', () => {
  const { clock, publisher, identities, asked, enroll, stored } = scene();
  publisher.joined();
  enroll('a@x');
  clock.advance(250);
  asked[0]?.done(failure({ code: 0, reason: 'timeout', text: 'no answer' }));
  clock.advance(limits.usagesCertificates.retryMs - 1);
  assert.equal(asked.length, 1);
  clock.advance(251);
  assert.equal(asked.length, 2);
  stored(1);
  publisher.add('a@x');
  publisher.add('a@x');
  clock.advance(250);
  assert.equal(asked.length, 3);
  stored(2);
  clock.advance(10_000);
  assert.equal(asked.length, 3, 'once, although it was told twice');
  identities.clear();
  clock.advance(2 * limits.usagesCertificates.refreshMs);
  assert.equal(asked.length, 3);
  publisher.stop();
  enroll('b@x');
  clock.advance(10_000);
  assert.equal(asked.length, 3);
});

test('[R6940-8-01] the certificate of a user is found by name and by Node-ID', () => {
  const world = createWorld('user certificates');
  const verifier = createVerifier(world.clock);
  for (let i = 0; i < 4; i++) {
    const kinds = createKindRegistry();
    kinds.register(certificateByNodeKind(verifier));
    kinds.register(certificateByUserKind(verifier));
    world.add({ dependencies: { kinds } });
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  const [first, second] = world.peers as [TestPeer, TestPeer];
  const { clock } = world;
  const alice = world.user('alice@test.example', 'u');
  const storeOf = ({ overlay }: TestPeer) => createCertificateStore({ overlay, clock, verifier });
  const publisher = createUserCertificatePublisher({
    clock,
    trace: silentTrace,
    certificates: storeOf(first),
    identityFor: () => alice,
    paceMs: 100,
  });
  publisher.add('alice@test.example');
  publisher.joined();
  clock.advance(5000);
  const found = (
    ask: (
      store: ReturnType<typeof storeOf>,
      done: (outcome: Outcome<readonly Certificate[], OverlayError>) => void,
    ) => void,
  ): readonly string[] => {
    const outcome = world.await<Outcome<readonly Certificate[], OverlayError>>((done) =>
      ask(storeOf(second), done),
    );
    assert.ok(outcome.ok);
    return outcome.value.map(({ fingerprint }) => fingerprint);
  };
  const { fingerprint, nodeIds } = alice.certificate;
  assert.deepEqual(
    found((store, done) => store.byUser('alice@test.example', done)),
    [fingerprint],
  );
  assert.deepEqual(
    found((store, done) => store.byNode(nodeIds[0] as NodeId, done)),
    [fingerprint],
  );
});
