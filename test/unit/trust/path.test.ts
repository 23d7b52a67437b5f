import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNodeId } from '../../../src/base/ids.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Certificate } from '../../../src/ports/certificates.ts';
import { selfSignedNodeIds } from '../../../src/trust/node-id.ts';
import { checkCertificate } from '../../../src/trust/path.ts';
import type { PathContext } from '../../../src/trust/path.ts';
import { publicKeyDer } from '../../../src/node/x509.ts';
import { key, member, nodeId, nowMs, overlayName, root, selfSigned, verifier } from './world.ts';

const authority = root();

function errorOf(
  certificate: Certificate,
  context: Partial<PathContext> = {},
  chain: readonly Certificate[] = [],
): string | undefined {
  const roots = [authority.certificate];
  const badNodes = new Set<NodeId>();
  const base = { roots, verifier, overlayName, nowMs, badNodes, nodeIdLength: 16 };
  const outcome = checkCertificate(certificate, chain, { ...base, ...context });
  return outcome.ok ? undefined : outcome.error;
}

test('[R6940-11.3-28] accepts a member certificate and refuses everything else', () => {
  assert.equal(errorOf(member(authority).certificate), undefined);
  assert.match(errorOf(member(root()).certificate) ?? '', /not issued by a root/);
  assert.match(errorOf(authority.certificate) ?? '', /CA certificate/);
  const other = member(authority, { overlay: 'other.example' }).certificate;
  assert.match(errorOf(other) ?? '', /another overlay/);
});

test('[R6940-11.3-28] a member cannot issue certificates', () => {
  const alice = key();
  const issuer = member(authority, { privateKey: alice }).certificate;
  const forged = member({ certificateDer: issuer.der, privateKey: alice }).certificate;
  assert.match(errorOf(forged, {}, [issuer]) ?? '', /not issued by a root/);
});

test('respects the dates to the millisecond', () => {
  const { certificate } = member(authority, { notBeforeMs: nowMs, notAfterMs: nowMs + 60_000 });
  assert.match(errorOf(certificate, { nowMs: nowMs - 1 }) ?? '', /not yet valid/);
  assert.equal(errorOf(certificate, { nowMs }), undefined);
  assert.equal(errorOf(certificate, { nowMs: nowMs + 60_000 }), undefined);
  assert.match(errorOf(certificate, { nowMs: nowMs + 60_001 }) ?? '', /expired/);
});

test('[R6940-6.3.1.1-03] every Node-ID has the length of the overlay, 16 to 20 bytes', () => {
  const long = parseNodeId('5a'.repeat(20)) as NodeId;
  const longest = member(authority, { nodeIds: [long] }).certificate;
  assert.match(errorOf(longest) ?? '', /another length/);
  assert.equal(errorOf(longest, { nodeIdLength: 20 }), undefined);
  assert.match(errorOf(longest, { nodeIdLength: 19 }) ?? '', /another length/);
  const mixed = member(authority, { nodeIds: [nodeId(1), long] }).certificate;
  for (const nodeIdLength of [16, 20]) {
    assert.match(errorOf(mixed, { nodeIdLength }) ?? '', /another length/);
  }
});

test('[R6940-3-03] refuses bad nodes and reserved Node-IDs', () => {
  const { certificate } = member(authority, { nodeIds: [nodeId(1), nodeId(2)] });
  assert.equal(errorOf(certificate, { badNodes: new Set([nodeId(2)]) }), 'bad node');
  for (const reserved of [nodeId(0), nodeId(0xff)]) {
    const wild = member(authority, { nodeIds: [reserved] }).certificate;
    assert.match(errorOf(wild) ?? '', /reserved/);
  }
});

test('[R6940-11.3.1-03] [R6940-11.3.1-04] derives Node-IDs from the key', () => {
  const spki = new Uint8Array(Buffer.from('3059301306072a8648ce3d0201', 'hex'));
  for (const digest of ['sha1', 'sha256'] as const) {
    const [alone] = selfSignedNodeIds(spki, digest, 1, 16);
    const several = selfSignedNodeIds(spki, digest, 3, 20);
    assert.equal(new Set([alone, ...several]).size, 4);
    assert.ok(parseNodeId(alone ?? ''));
    assert.ok(several.every((id) => id.length === 40));
  }
});

test('[R6940-11.3.1-05] a self-signed certificate counts only where permitted and only with its own Node-ID', () => {
  const privateKey = key();
  const [own] = selfSignedNodeIds(publicKeyDer(privateKey), 'sha256', 1, 16);
  const good = selfSigned(privateKey, { nodeIds: [own ?? nodeId(1)] });
  assert.equal(errorOf(good, { selfSignedDigest: 'sha256' }), undefined);
  assert.match(errorOf(good) ?? '', /not issued by a root/);
  assert.match(errorOf(good, { selfSignedDigest: 'sha1' }) ?? '', /does not belong/);
  const stolen = selfSigned(privateKey, { nodeIds: [nodeId(9)] });
  assert.match(errorOf(stolen, { selfSignedDigest: 'sha256' }) ?? '', /does not belong/);
});
