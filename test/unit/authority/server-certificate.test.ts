import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createServerCertificate } from '../../../src/node/authority-certificate.ts';
import { generatePrivateKey } from '../../../src/node/keys.ts';
import { createRoot } from '../../../src/node/x509.ts';

test('the server certificate names hosts and addresses, is no CA and is signed by the root', async () => {
  for (const keyType of ['ecdsa-p256', 'rsa'] as const) {
    const rootKey = await generatePrivateKey(keyType);
    const validity = { notBeforeMs: Date.UTC(2026, 0, 1), notAfterMs: Date.UTC(2027, 0, 1) };
    const certificateDer = createRoot({ name: 'root', privateKey: rootKey, ...validity });
    const hosts = ['lab.example', '192.0.2.7', '::1', '2001:db8::7:0:1', '64:ff9b::192.0.2.33'];
    const der = createServerCertificate({
      privateKey: await generatePrivateKey('ecdsa-p256'),
      hosts,
      issuer: { certificateDer, privateKey: rootKey },
      ...validity,
    });
    const certificate = new X509Certificate(der);
    assert.ok(certificate.verify(new X509Certificate(certificateDer).publicKey));
    assert.equal(certificate.ca, false);
    assert.equal(
      certificate.subjectAltName,
      'DNS:lab.example, IP Address:192.0.2.7, IP Address:0:0:0:0:0:0:0:1, ' +
        'IP Address:2001:DB8:0:0:0:7:0:1, IP Address:64:FF9B:0:0:0:0:C000:221',
    );
    for (const host of hosts) {
      const matches =
        host.includes(':') || host.includes('192')
          ? certificate.checkIP(host)
          : certificate.checkHost(host);
      assert.ok(matches !== undefined, host);
    }
    assert.equal(certificate.checkIP('192.0.2.8'), undefined);
  }
});
