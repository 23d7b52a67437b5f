import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/base/assert.ts';
import { concatBytes } from '../../../src/base/bytes.ts';
import {
  idBytes,
  nodeIdFromBytes,
  resourceIdFromBytes,
  resourceIdOfName,
} from '../../../src/base/ids.ts';
import type { AccessControl, KindParameters } from '../../../src/ports/overlay-config.ts';
import { createKindRegistry, kindIds, type KindDefinition } from '../../../src/storage/kinds.ts';
import { mayWrite } from '../../../src/storage/policies.ts';
import { vectorBytes } from '../../vectors/vectors.ts';
import {
  alice,
  aliceResource,
  bob,
  codeOf,
  createWorld,
  keyOf,
  member,
  multipleKind,
  node,
  signed,
  store,
} from './world.ts';

const nodeA = node('a1');
const nodeB = node('b1');
const both = member('twin@overlay.example.org', [nodeA, nodeB]);
const signerOf = (identity: typeof alice, signerNodeId = identity.certificate.nodeIds[0]) => ({
  signer: identity.certificate,
  signerNodeId,
});
const anonymous = { signer: both.certificate, signerNodeId: undefined };
const policy = (accessControl: AccessControl, maxNodeMultiple?: number) => ({
  accessControl,
  maxNodeMultiple,
});

test('[R6940-7.3.1-01] USER-MATCH: the user name hashes to the Resource-ID', () => {
  const kind = policy('USER-MATCH');
  assert.ok(mayWrite(kind, aliceResource, {}, signerOf(alice)).ok);
  assert.ok(!mayWrite(kind, aliceResource, {}, signerOf(bob)).ok);
  const nameless = { ...alice.certificate, userName: undefined };
  assert.ok(!mayWrite(kind, aliceResource, {}, { signer: nameless, signerNodeId: nodeA }).ok);
});

test('[R6940-7.3.2-01] NODE-MATCH: the Node-ID that signed hashes to the Resource-ID', () => {
  const kind = policy('NODE-MATCH');
  const resource = resourceIdOfName(idBytes(nodeA));
  assert.ok(mayWrite(kind, resource, {}, signerOf(alice)).ok);
  assert.ok(!mayWrite(kind, resource, {}, signerOf(bob)).ok);
  assert.ok(mayWrite(kind, resource, {}, signerOf(both, nodeA)).ok);
  assert.ok(!mayWrite(kind, resource, {}, signerOf(both, nodeB)).ok);
  assert.ok(!mayWrite(kind, resource, {}, anonymous).ok, 'a signature without one Node-ID');
});

test('NODE-MATCH agrees with the published vector', () => {
  const nodeId = nodeIdFromBytes(vectorBytes('self-signed-node-id-sha1'));
  const resource = resourceIdFromBytes(vectorBytes('resource-id-node'));
  const signer = { signer: alice.certificate, signerNodeId: nodeId };
  assert.ok(mayWrite(policy('NODE-MATCH'), resource, {}, signer).ok);
});

test('[R6940-7.3.3-01] [R6940-7.3.3-02] USER-NODE-MATCH: user name and key', () => {
  const kind = policy('USER-NODE-MATCH');
  const key = keyOf(alice);
  assert.ok(mayWrite(kind, aliceResource, { key }, signerOf(alice)).ok);
  assert.ok(!mayWrite(kind, aliceResource, { key: keyOf(bob) }, signerOf(alice)).ok);
  assert.ok(!mayWrite(kind, aliceResource, {}, signerOf(alice)).ok);
  const twins = resourceIdOfName('twin@overlay.example.org');
  assert.ok(mayWrite(kind, twins, { key: idBytes(nodeB) }, signerOf(both, nodeB)).ok);
  assert.ok(!mayWrite(kind, twins, { key: idBytes(nodeB) }, signerOf(both, nodeA)).ok);
  assert.ok(!mayWrite(kind, twins, { key: idBytes(nodeB) }, anonymous).ok);
  assert.ok(!mayWrite(kind, aliceResource, { key: keyOf(bob) }, signerOf(bob)).ok);
});

test('[R6940-7.3.4-01] [R6940-7.3.4-03] NODE-MULTIPLE: every i up to the maximum is tried', () => {
  const kind = policy('NODE-MULTIPLE', 20);
  const at = (i: number) => resourceIdOfName(concatBytes([idBytes(nodeA), Uint8Array.of(i)]));
  for (const i of [1, 2, 19, 20]) assert.ok(mayWrite(kind, at(i), {}, signerOf(alice)).ok);
  for (const i of [0, 21, 255]) assert.ok(!mayWrite(kind, at(i), {}, signerOf(alice)).ok);
  assert.ok(!mayWrite(kind, at(1), {}, signerOf(bob)).ok);
  assert.ok(!mayWrite(policy('NODE-MULTIPLE'), at(1), {}, signerOf(alice)).ok);
  const published = nodeIdFromBytes(vectorBytes('self-signed-node-id-sha1'));
  const first = resourceIdFromBytes(vectorBytes('resource-id-turn-d1'));
  const signer = { signer: alice.certificate, signerNodeId: published };
  assert.ok(mayWrite(kind, first, {}, signer).ok);
});

test('[R6940-7.3.4-03] a Store under NODE-MULTIPLE at i = maximum is accepted, beyond it not', () => {
  const world = createWorld();
  for (const [i, code] of [
    [20, 0],
    [21, 2],
  ] as const) {
    const resource = resourceIdOfName(concatBytes([idBytes(nodeA), Uint8Array.of(i)]));
    const values = [signed(world, { kind: multipleKind, resource })];
    const outcome = store(world, [{ kind: multipleKind, values }], { resource });
    assert.equal(outcome.ok ? 0 : codeOf(outcome), code);
  }
});

test('NODE-ID-MATCH: the key is the Node-ID', () => {
  const kind = policy('NODE-ID-MATCH');
  assert.ok(mayWrite(kind, aliceResource, { key: keyOf(alice) }, signerOf(alice)).ok);
  assert.ok(!mayWrite(kind, aliceResource, { key: keyOf(alice) }, signerOf(bob)).ok);
});

test('the Node-ID of a certificate with several is the one that its signature names', () => {
  const world = createWorld();
  const resource = resourceIdOfName('twin@overlay.example.org');
  const draft = { kind: 1, resource, identity: both, nodeId: nodeB };
  const fits = signed(world, { ...draft, key: idBytes(nodeB) });
  const other = signed(world, { ...draft, key: idBytes(nodeA) });
  const context = {
    signer: { signer: both.certificate, signerNodeId: nodeB },
    certificates: [both.certificate],
  };
  const outcome = store(world, [{ kind: 1, values: [fits] }], { resource }, both, context);
  assert.ok(outcome.ok);
  const refused = store(world, [{ kind: 1, values: [other] }], { resource }, both, context);
  assert.equal(codeOf(refused), 2);
});

const base: KindDefinition = {
  kind: 0xf0000001,
  name: 'A-KIND',
  dataModel: 'DICTIONARY',
  accessControl: 'USER-NODE-MATCH',
  maxCount: 1,
  maxSizeBytes: 1,
};
const parameters: KindParameters = {
  kind: 0xf0000001,
  name: undefined,
  dataModel: 'DICTIONARY',
  accessControl: 'USER-NODE-MATCH',
  maxCount: 7,
  maxSizeBytes: 8,
  maxNodeMultiple: undefined,
};

test('[R6940-7.3.3-03] USER-NODE-MATCH is for dictionaries only', () => {
  const kinds = createKindRegistry();
  assert.throws(() => kinds.register({ ...base, dataModel: 'SINGLE' }), UsageError);
  const problems = kinds.configure([{ ...parameters, dataModel: 'ARRAY' }]);
  assert.equal(problems.length, 1);
  assert.equal(kinds.get(base.kind), undefined);
});

test('[R6940-7.3.4-02] NODE-MULTIPLE needs its maximum', () => {
  const kinds = createKindRegistry();
  const multiple = { ...base, dataModel: 'SINGLE', accessControl: 'NODE-MULTIPLE' } as const;
  assert.throws(() => kinds.register(multiple), UsageError);
  assert.throws(() => kinds.register({ ...multiple, maxNodeMultiple: 0 }), UsageError);
  kinds.register({ ...multiple, maxNodeMultiple: 1 });
  assert.equal(kinds.get(base.kind)?.maxNodeMultiple, 1);
});

test('a Kind cannot be registered twice, nor without sensible bounds', () => {
  const kinds = createKindRegistry();
  kinds.register(base);
  assert.throws(() => kinds.register(base), UsageError);
  assert.throws(() => kinds.register({ ...base, kind: 9, maxCount: 0 }), UsageError);
  assert.throws(
    () => kinds.register({ ...base, kind: 9, accessControl: 'NODE-ID-MATCH' }),
    UsageError,
  );
});

test('[R6940-7.4.5-01] the configuration defines private Kinds and overrides usages', () => {
  const kinds = createKindRegistry();
  const validate = () => ({ ok: true, value: undefined }) as const;
  kinds.register({ ...base, validate, findable: false });
  assert.deepEqual(kinds.configure([parameters, { ...parameters, kind: 0xf0000002 }]), []);
  const merged = kinds.get(base.kind);
  assert.equal(merged?.maxCount, 7);
  assert.equal(merged.name, 'A-KIND');
  assert.equal(merged.validate, validate);
  assert.equal(merged.findable, false);
  assert.equal(kinds.get(0xf0000002)?.maxSizeBytes, 8);
  assert.equal(kinds.byName('A-KIND')?.kind, base.kind);
  assert.equal(kinds.byName('B-KIND'), undefined);
  kinds.configure([]);
  assert.equal(kinds.get(base.kind)?.maxCount, 1);
  assert.equal(kinds.get(0xf0000002), undefined);
});

test('[R6940-14.6-02] Kind-IDs, value by value; reserved ones are no Kinds', () => {
  assert.deepEqual(kindIds, {
    sipRegistration: 1,
    turnService: 2,
    certificateByNode: 3,
    certificateByUser: 0x10,
    redir: 0x104,
  });
  const kinds = createKindRegistry();
  for (const kind of [0, 0x7fffffff, 0xfffffffe]) {
    assert.throws(() => kinds.register({ ...base, kind }), UsageError);
    assert.equal(kinds.configure([{ ...parameters, kind }]).length, 1);
    assert.equal(kinds.get(kind), undefined);
  }
});
