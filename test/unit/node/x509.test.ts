import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeId } from '../../../src/base/ids.ts';
import type { KeyType } from '../../../src/ports/certificates.ts';
import { parseCertificateDer } from '../../../src/node/certificate-parse.ts';
import { createCsr, parseCsr } from '../../../src/node/csr.ts';
import { generatePrivateKey } from '../../../src/node/keys.ts';
import { createRoot, issueCertificate, publicKeyDer } from '../../../src/node/x509.ts';

const ids = ['11'.repeat(16), '22'.repeat(16)] as NodeId[];
const times = { notBeforeMs: 1_800_000_000_000, notAfterMs: 2_600_000_000_000 };

async function issue(keyType: KeyType, nodeIds: readonly NodeId[] = ids) {
  const privateKey = await generatePrivateKey(keyType);
  const certificateDer = createRoot({ name: 'Test Root', privateKey, ...times });
  const publicKey = publicKeyDer(await generatePrivateKey(keyType));
  const issuer = { certificateDer, privateKey };
  const names = { nodeIds, overlayName: 'lab.example', userName: 'alice@lab.example' };
  return {
    root: certificateDer,
    leaf: issueCertificate({ ...names, ...times, publicKey, issuer }),
    publicKey,
  };
}

for (const keyType of ['ecdsa-p256', 'rsa', 'ed25519'] as const) {
  test(`[R6940-11.3-14] [R6940-11.3-18] [R6940-11.3-20] [R6940-11.3-23] [R6940-11.3-24] certificate with ${keyType}`, async () => {
    const { root, leaf, publicKey } = await issue(keyType);
    const x509 = new X509Certificate(leaf);
    assert.equal(x509.subject, undefined);
    assert.equal(
      x509.subjectAltName,
      ids.map((id) => `URI:reload://0110${id}@lab.example/`).join(', ') +
        ', email:alice@lab.example',
    );
    assert.equal(x509.checkIssued(new X509Certificate(root)), true);
    assert.equal(x509.verify(new X509Certificate(root).publicKey), true);
    const parsed = parseCertificateDer(leaf);
    assert.ok(parsed.ok);
    const { certificate } = parsed.value;
    assert.deepEqual(certificate.nodeIds, ids);
    assert.deepEqual(certificate.overlayNames, ['lab.example', 'lab.example']);
    assert.equal(certificate.userName, 'alice@lab.example');
    assert.equal(certificate.keyType, keyType);
    assert.equal(certificate.isCa, false);
    assert.equal(certificate.notBeforeMs, times.notBeforeMs);
    assert.equal(certificate.notAfterMs, times.notAfterMs);
    assert.deepEqual(certificate.publicKey, publicKey);
    const authority = parseCertificateDer(root);
    assert.ok(authority.ok);
    assert.equal(authority.value.certificate.isCa, true);
  });

  test(`[R6940-11.3-10] certificate request with ${keyType}`, async () => {
    const key = await generatePrivateKey(keyType);
    const csr = createCsr(key, 'bob@lab.example');
    const parsed = parseCsr(csr);
    assert.ok(parsed.ok);
    assert.equal(parsed.value.userName, 'bob@lab.example');
    assert.equal(parsed.value.keyType, keyType);
    assert.deepEqual(parsed.value.publicKey, publicKeyDer(key));
    const forged = csr.slice();
    const place = Buffer.from(csr).indexOf('bob@');
    forged[place] = 'r'.charCodeAt(0);
    assert.deepEqual(parseCsr(forged), {
      ok: false,
      error: 'the signature of the request is wrong',
    });
  });
}

test('serial numbers differ and are positive', async () => {
  const serials = new Set<string>();
  for (let i = 0; i < 4; i++)
    serials.add(new X509Certificate((await issue('ecdsa-p256')).leaf).serialNumber);
  assert.equal(serials.size, 4);
  assert.ok([...serials].every((serial) => /^[4-7]/.test(serial)));
});

test('foreign and damaged bytes are refused, never thrown on', async () => {
  const { leaf } = await issue('ecdsa-p256');
  const csr = createCsr(await generatePrivateKey('ecdsa-p256'), 'bob@lab.example');
  for (const whole of [leaf, csr]) {
    for (let length = 0; length < whole.length; length++) {
      assert.equal(parseCertificateDer(whole.subarray(0, length)).ok, false);
      assert.equal(parseCsr(whole.subarray(0, length)).ok, false);
    }
  }
  assert.equal(parseCertificateDer(Uint8Array.of(...leaf, 0)).ok, false);
  assert.equal(parseCsr(Uint8Array.of(...csr, 0)).ok, false);
  const place = fc.integer({ min: 0, max: leaf.length - 1 });
  fc.assert(
    fc.property(place, fc.integer({ min: 0, max: 255 }), (at, byte) => {
      parseCertificateDer(leaf.with(at, byte));
      parseCsr(csr.with(at % csr.length, byte));
    }),
    { numRuns: 500 },
  );
});

test('a user name that is no printable ASCII is not issued', async () => {
  const privateKey = await generatePrivateKey('ecdsa-p256');
  const issuer = { certificateDer: createRoot({ name: 'r', privateKey, ...times }), privateKey };
  const names = { nodeIds: ids, overlayName: 'lab.example', publicKey: publicKeyDer(privateKey) };
  for (const userName of ['', 'a b', 'a\u0000b', 'ä@b']) {
    assert.throws(() => issueCertificate({ ...names, ...times, userName, issuer }), /user name/);
  }
});
