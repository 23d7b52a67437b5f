/** Whose values a Store takes: signatures, certificates, rights and Kind-specific rules. RFC 6940 §7.1, §7.3. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceIdOfName } from '../../../src/base/ids.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { emptySignature } from '../../../src/wire/reload/security.ts';
import {
  accepted,
  alice,
  aliceResource,
  arrayKind,
  bob,
  codeOf,
  createWorld,
  node,
  signed,
  singleKind,
  store,
  storeOne,
  texts,
} from './world.ts';

test('[R6940-7.4.1.1-10] a wrong signature is forbidden', () => {
  const world = createWorld();
  const value = signed(world, { kind: singleKind });
  for (const forged of [
    { ...value, storageTime: value.storageTime + 1n },
    { ...value, value: { ...value.value, value: Buffer.from('other') } },
    { ...value, value: { ...value.value, exists: false } },
    { ...value, signature: { ...value.signature, signatureValue: new Uint8Array(32) } },
  ]) {
    const outcome = store(world, [{ kind: singleKind, values: [forged] }]);
    assert.equal(codeOf(outcome), errorCodes.forbidden);
  }
  assert.deepEqual(texts(world, singleKind), []);
});

test('[R6940-7.1-01] resource and Kind are signed, the lifetime is not', () => {
  const world = createWorld();
  const value = signed(world, { kind: singleKind, lifetime: 3600 });
  const elsewhere = signed(world, { kind: multiple(), resource: aliceResource });
  assert.equal(
    codeOf(store(world, [{ kind: singleKind, values: [elsewhere] }])),
    errorCodes.forbidden,
  );
  accepted(store(world, [{ kind: singleKind, values: [{ ...value, lifetime: 60 }] }]));
});

/** Another SINGLE Kind. */
function multiple(): number {
  return 2;
}

test('[R6940-7.4.1.1-20] unsigned values are forbidden', () => {
  const world = createWorld();
  const value = signed(world, { kind: singleKind });
  for (const signature of [
    emptySignature,
    { ...value.signature, hash: 0, signature: 0 },
    { ...value.signature, identity: { type: 'none' } as const },
  ]) {
    const outcome = store(world, [{ kind: singleKind, values: [{ ...value, signature }] }]);
    assert.equal(codeOf(outcome), errorCodes.forbidden);
  }
});

test('[R6940-7.1-02] an expired certificate, or one not yet valid, signs nothing', () => {
  for (const jumpMs of [366 * 86_400_000, -2 * 86_400_000]) {
    const world = createWorld();
    const values = [signed(world, { kind: singleKind })];
    world.clock.jump(jumpMs);
    const outcome = store(world, [{ kind: singleKind, values }]);
    assert.equal(codeOf(outcome), errorCodes.forbidden);
  }
});

test('[R6940-7.1-03] a lifetime may end after the certificate', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind, lifetime: 0xffff_ffff }));
});

test('[R6940-7.4.1.1-11] [R6940-7.3-02] a signer without right to the place is forbidden', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind, identity: bob })];
  for (const by of [alice, bob]) {
    const outcome = store(world, [{ kind: singleKind, values }], {}, by);
    assert.equal(codeOf(outcome), errorCodes.forbidden);
  }
});

test('[R6940-7.4.1.1-12] [R6940-7.3-02] [R6940-13.5.1-02] a valid value sent on as an original Store is forbidden', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  const outcome = store(world, [{ kind: singleKind, values }], {}, bob);
  assert.equal(codeOf(outcome), errorCodes.forbidden);
  accepted(store(world, [{ kind: singleKind, values }]));
});

test('[R6940-7.3-03] a replica Store may come from another node, its values may not', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  const replica = { replicaNumber: 1 };
  accepted(store(world, [{ kind: singleKind, values, generation: 5n }], replica, bob));
  const foreign = [signed(world, { kind: arrayKind, identity: bob })];
  const outcome = store(
    world,
    [{ kind: arrayKind, values: foreign, generation: 5n }],
    replica,
    bob,
  );
  assert.equal(codeOf(outcome), errorCodes.forbidden);
});

test('a verified value is not verified again', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  store(world, [{ kind: singleKind, values }]);
  const before = world.verifications();
  store(world, [{ kind: singleKind, values, generation: 1n }], { replicaNumber: 1 }, bob);
  assert.equal(world.verifications(), before);
});

test('the Kind-specific rule is asked and can refuse', () => {
  const world = createWorld();
  const kind = 0xf0000010;
  const asked: unknown[] = [];
  world.kinds.register({
    kind,
    name: 'CHECKED',
    dataModel: 'SINGLE',
    accessControl: 'USER-MATCH',
    maxCount: 1,
    maxSizeBytes: 10,
    validate: ({ value, signer, signerNodeId, resource }) => {
      asked.push([signer.userName, signerNodeId, resource]);
      return value.value.length === 3
        ? { ok: true, value: undefined }
        : { ok: false, error: 'three bytes' };
    },
  });
  assert.equal(codeOf(storeOne(world, { kind, text: 'four' })), errorCodes.forbidden);
  accepted(storeOne(world, { kind, text: 'abc' }));
  assert.deepEqual(asked[0], ['alice@overlay.example.org', node('a1'), aliceResource]);
});

test('[R7904-8.1-01] a Kind may refuse a user by name before any signature is checked', () => {
  const world = createWorld();
  const kind = 0xf000_0042;
  world.kinds.register({
    kind,
    name: 'NAMED',
    dataModel: 'SINGLE',
    accessControl: 'USER-MATCH',
    maxCount: 4,
    maxSizeBytes: 100,
    acceptsUser: (userName) =>
      userName.startsWith('bob') ? success(undefined) : failure(`${userName} is not served`),
  });
  const refused = storeOne(world, { kind });
  assert.match(refused.ok ? '' : refused.error.text, /alice.* is not served/);
  assert.equal(world.verifications(), 0);
  accepted(
    storeOne(world, { kind, identity: bob, resource: resourceIdOfName('bob@overlay.example.org') }),
  );
  assert.equal(world.verifications(), 1);
});
