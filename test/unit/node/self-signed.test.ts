import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createSelfSignedNode } from '../../../src/node/self-signed.ts';
import { publicKeyDer } from '../../../src/node/x509.ts';
import type { Certificate } from '../../../src/ports/certificates.ts';
import { nodeIdsMatchKey, selfSignedNodeIds } from '../../../src/trust/node-id.ts';
import { checkCertificate } from '../../../src/trust/path.ts';
import { nowMs, overlayName, verifier } from '../trust/world.ts';

const dayMs = 86_400_000;

function options(digest: 'sha1' | 'sha256' | undefined, nodeIdLength = 16) {
  return {
    config: {
      overlayName,
      nodeIdLength,
      selfSignedPermitted: digest === undefined ? undefined : { digest },
    },
    userName: 'carol@anywhere.example',
    keyType: 'ecdsa-p256' as const,
    nodeIdsOf: selfSignedNodeIds,
    verifier,
    nowMs,
    lifetimeMs: dayMs,
  };
}

function judged(certificate: Certificate, digest: 'sha1' | 'sha256'): string {
  const context = {
    roots: [],
    verifier,
    overlayName,
    nowMs,
    badNodes: new Set<never>(),
    nodeIdLength: (certificate.nodeIds[0]?.length ?? 0) / 2,
    selfSignedDigest: digest,
  };
  const outcome = checkCertificate(certificate, [], context);
  return outcome.ok ? 'accepted' : outcome.error;
}

for (const digest of ['sha1', 'sha256'] as const) {
  for (const keyType of ['ecdsa-p256', 'rsa'] as const) {
    test(`[R6940-11.1-20][R6940-11.3.1-01][R6940-11.3.1-02] a node makes its own certificate (${digest}, ${keyType})`, async () => {
      const made = await createSelfSignedNode({ ...options(digest), keyType });
      assert.ok(made.ok);
      const { certificate, privateKey } = made.value;
      const spki = publicKeyDer(createPublicKey(privateKey));
      const expected = createHash(digest).update(spki).digest('hex').slice(0, 32);
      assert.deepEqual(certificate.nodeIds, [expected]);
      assert.equal(certificate.userName, 'carol@anywhere.example');
      assert.equal(judged(certificate, digest), 'accepted');
      const other = digest === 'sha1' ? 'sha256' : 'sha1';
      assert.match(judged(certificate, other), /does not belong to the key/);
    });
  }
}

test('[R6940-11.3.1-04] several Node-IDs come from the key and their index', async () => {
  const made = await createSelfSignedNode({ ...options('sha256', 20), nodeIds: 3 });
  assert.ok(made.ok);
  const { certificate } = made.value;
  const expected = [1, 2, 3].map((index) =>
    createHash('sha256')
      .update(Buffer.from([0, 0, 0, index]))
      .update(certificate.publicKey)
      .digest('hex')
      .slice(0, 40),
  );
  assert.deepEqual(certificate.nodeIds, expected);
  assert.equal(judged(certificate, 'sha256'), 'accepted');
  const reversed = { ...certificate, nodeIds: [...certificate.nodeIds].reverse() };
  assert.equal(nodeIdsMatchKey(reversed, 'sha256'), false);
});

test('a renewed certificate keeps key and Node-ID; where it is not permitted none is made', async () => {
  const first = await createSelfSignedNode(options('sha1'));
  assert.ok(first.ok);
  const { privateKey, certificate } = first.value;
  const later = await createSelfSignedNode({
    ...options('sha1'),
    privateKey,
    nowMs: nowMs + dayMs,
  });
  assert.ok(later.ok);
  assert.deepEqual(later.value.certificate.nodeIds, certificate.nodeIds);
  assert.ok(later.value.certificate.notAfterMs > certificate.notAfterMs);
  assert.equal((await createSelfSignedNode(options(undefined))).ok, false);
  for (const nodeIds of [0, 65, Number.NaN]) {
    assert.equal((await createSelfSignedNode({ ...options('sha1'), nodeIds })).ok, false);
  }
});
