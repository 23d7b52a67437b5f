/** Paths through a CA between member and root, from certificates that are plain values. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Certificate, Verifier } from '../../../src/ports/certificates.ts';
import { nodeIdsMatchKey, selfSignedNodeIds } from '../../../src/trust/node-id.ts';
import { findPath } from '../../../src/trust/path.ts';
import { sha1, sha256 } from '../../../src/base/hash.ts';
import { hexEncode } from '../../../src/base/text.ts';
import { nodeId, nowMs, overlayName } from './world.ts';

const hourMs = 3_600_000;

function certificate(fingerprint: string, more: Partial<Certificate> = {}): Certificate {
  return {
    der: new Uint8Array([1]),
    fingerprint,
    nodeIds: [nodeId(0x11)],
    overlayNames: [overlayName],
    userName: 'alice@lab.example',
    notBeforeMs: nowMs - hourMs,
    notAfterMs: nowMs + hourMs,
    isCa: false,
    keyType: 'ecdsa-p256',
    publicKey: new Uint8Array([2]),
    serialNumber: '01',
    ...more,
  };
}

/** `issuers`: fingerprint of the issuer by fingerprint of the subject. */
function path(
  subject: Certificate,
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  issuers: Readonly<Record<string, string>>,
) {
  const verifier: Verifier = {
    parseCertificate: () => assert.fail('nothing to parse'),
    isIssuedBy: (one, issuer) => issuers[one.fingerprint] === issuer.fingerprint,
    verify: () => assert.fail('nothing to verify'),
  };
  const badNodes: ReadonlySet<NodeId> = new Set();
  return findPath(subject, chain, { roots, verifier, overlayName, badNodes, nodeIdLength: 16 });
}

const refusal = { ok: false, error: 'certificate not issued by a root of the overlay' };
const root = certificate('root', { isCa: true, notAfterMs: nowMs + 9 * hourMs });
const middle = certificate('middle', {
  isCa: true,
  notBeforeMs: nowMs - 2 * hourMs,
  notAfterMs: nowMs + hourMs / 2,
});
const alice = certificate('alice');
const issuers = { alice: 'middle', middle: 'root' };

test('a CA between member and root is enough, and the path holds while all three are valid', () => {
  const other = certificate('other', { isCa: true });
  const validity = { notBeforeMs: nowMs - hourMs, notAfterMs: nowMs + hourMs / 2 };
  for (const chain of [[middle], [other, middle], [alice, middle]]) {
    assert.deepEqual(path(alice, chain, [other, root], issuers), { ok: true, value: validity });
  }
});

test('a CA that no root has signed, or that is none, proves nothing', () => {
  assert.deepEqual(path(alice, [middle], [root], { alice: 'middle' }), refusal);
  const noCa = { ...middle, isCa: false };
  assert.deepEqual(path(alice, [noCa], [root], issuers), refusal);
  assert.deepEqual(path(alice, [], [root], issuers), refusal);
  assert.deepEqual(path(alice, [middle], [], issuers), refusal);
});

test('two CAs between member and root are too many', () => {
  const second = certificate('second', { isCa: true });
  const long = { alice: 'middle', middle: 'second', second: 'root' };
  assert.deepEqual(path(alice, [middle, second], [root], long), refusal);
});

test('a member certificate has a Node-ID and exactly one user name', () => {
  const direct = { alice: 'root' };
  assert.equal(path(alice, [], [root], direct).ok, true);
  assert.deepEqual(path({ ...alice, nodeIds: [] }, [], [root], direct), {
    ok: false,
    error: 'certificate without Node-ID',
  });
  assert.deepEqual(path({ ...alice, userName: undefined }, [], [root], direct), {
    ok: false,
    error: 'certificate without a single user name',
  });
});

test('[R6940-11.3.1-03] [R6940-11.3.1-04] Node-IDs are digests of the key, several of an index of four bytes before it', () => {
  const key = new Uint8Array([0xaa, 0xbb]);
  const indexed = (index: number): Uint8Array =>
    new Uint8Array([0, 0, index >= 256 ? 1 : 0, index % 256, 0xaa, 0xbb]);
  assert.deepEqual(selfSignedNodeIds(key, 'sha1', 1, 16), [hexEncode(sha1(key)).slice(0, 32)]);
  const many = selfSignedNodeIds(key, 'sha256', 300, 18);
  assert.equal(many.length, 300);
  for (const index of [1, 2, 256, 300]) {
    assert.equal(many[index - 1], hexEncode(sha256(indexed(index))).slice(0, 36));
  }
  const own = certificate('own', { publicKey: key, nodeIds: many.slice(0, 3) });
  assert.equal(nodeIdsMatchKey(own, 'sha256'), true);
  assert.equal(nodeIdsMatchKey(own, 'sha1'), false);
  assert.equal(nodeIdsMatchKey({ ...own, nodeIds: [] }, 'sha256'), false);
});
