import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { nodeIdFromBytes } from '../../../src/base/ids.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { createIdentity } from '../../../src/node/identity.ts';
import { generatePrivateKey } from '../../../src/node/keys.ts';
import { createRoot, issueCertificate, publicKeyDer } from '../../../src/node/x509.ts';
import { initialKinds } from '../../../src/overlay-config/build.ts';
import type { OverlayDocumentValues } from '../../../src/overlay-config/build.ts';
import { parseOverlayDocument } from '../../../src/overlay-config/parse.ts';
import type { ParsedConfiguration } from '../../../src/overlay-config/parse.ts';
import { buildSignedDocument, verifyConfiguration } from '../../../src/overlay-config/sign.ts';
import type { Identity } from '../../../src/ports/certificates.ts';
import type { OverlayConfig } from '../../../src/ports/overlay-config.ts';
import { signatures, verifier, xml } from './support.ts';

const overlayName = 'lab.example';
const nowMs = Date.UTC(2030, 0, 1);
const validity = { notBeforeMs: nowMs - 86_400_000, notAfterMs: nowMs + 86_400_000 };
const rootKey = await generatePrivateKey('ecdsa-p256');
const rootDer = createRoot({ name: 'root', privateKey: rootKey, ...validity });
const nodeId = nodeIdFromBytes(new Uint8Array(16).fill(7));
const secondId = nodeIdFromBytes(new Uint8Array(16).fill(9));

async function signer(
  nodeIds: readonly NodeId[],
  keyType: 'ecdsa-p256' | 'rsa' = 'ecdsa-p256',
): Promise<Identity> {
  const key = await generatePrivateKey(keyType);
  const der = issueCertificate({
    publicKey: publicKeyDer(key),
    nodeIds,
    overlayName,
    userName: 'authority@nodes.lab.example',
    issuer: { certificateDer: rootDer, privateKey: rootKey },
    ...validity,
  });
  const certificate = verifier.parseCertificate(der);
  assert.ok(certificate.ok);
  return createIdentity(key, certificate.value, [], signatures);
}

async function signedDocument(
  identity: Identity,
  further: Partial<OverlayDocumentValues> = {},
): Promise<string> {
  const values: OverlayDocumentValues = {
    overlayName,
    sequence: 2,
    rootCertificates: [rootDer],
    enrollmentServers: [],
    bootstrapNodes: [],
    configurationSigners: [nodeId],
    kindSigners: [nodeId],
    sharedSecret: 'ü😀',
    ...further,
  };
  const document = await new Promise<Uint8Array>((resolve) => {
    buildSignedDocument(values, initialKinds, identity, resolve);
  });
  return new TextDecoder().decode(document);
}

function parse(text: string): ParsedConfiguration {
  const bytes = new TextEncoder().encode(text);
  const parsed = parseOverlayDocument(bytes, xml, verifier);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error);
  return parsed.value;
}

async function verdict(
  text: string,
  authority?: Partial<OverlayConfig>,
  atMs = nowMs,
): Promise<string> {
  const parsed = parse(text);
  const context = {
    verifier,
    authority: { ...parsed.config, ...authority },
    nowMs: atMs,
  };
  const outcome = await new Promise<Outcome<void>>((resolve) => {
    const started = verifyConfiguration(parsed, context, resolve);
    if (!started.ok) resolve(started);
  });
  return outcome.ok ? 'accepted' : outcome.error;
}

test('[R6940-11.1-53][R6940-11.1-54][R6940-11.1-56] a signed document verifies; one changed byte breaks it', async () => {
  const text = await signedDocument(await signer([nodeId]));
  assert.equal(await verdict(text), 'accepted');
  const indented = text.replace('    <node-id-length>', '   <node-id-length>');
  assert.notEqual(indented, text);
  assert.equal(await verdict(indented), 'a signature does not match');
  const outside = text.replace('  <configuration', '    <configuration');
  assert.notEqual(outside, text);
  assert.equal(await verdict(outside), 'accepted');
});

test('[R6940-11.1-50][R6940-11.1-51] one space more in a Kind breaks its signature', async () => {
  const identity = await signer([nodeId]);
  const text = await signedDocument(identity);
  const { kindSignatures } = parse(text);
  assert.equal(kindSignatures.length, initialKinds.length);
  const touched = text.replace('<max-count>64', '<max-count> 64');
  const parsed = parse(touched);
  // The configuration signature is left out to see the one of the Kind.
  const own = parse(text);
  const mixed = { ...own, kindSignatures: parsed.kindSignatures };
  const outcome = await new Promise<Outcome<void>>((resolve) => {
    const context = { verifier, authority: own.config, nowMs };
    const started = verifyConfiguration(mixed, context, resolve);
    if (!started.ok) resolve(started);
  });
  assert.equal(outcome.ok, false);
});

test('[R6940-11.1-55] the signer must be listed in the previous configuration', async () => {
  const text = await signedDocument(await signer([nodeId]));
  assert.match(
    await verdict(text, { configurationSigners: [secondId] }),
    /signature: the node 07.* may not sign/,
  );
  assert.match(
    await verdict(text, { kindSigners: [] }),
    /kind-signature of Kind 1: .*may not sign/,
  );
  assert.match(await verdict(text.replace(/<signature>.*<\/signature>/, '')), /not signed/);
  assert.match(
    await verdict(text.replace(/<signature>.*<\/signature>/, '<signature>AAAA</signature>')),
    /SecurityBlock/,
  );
});

test('the certificate of the signer is checked like any other', async () => {
  const text = await signedDocument(await signer([nodeId]));
  assert.match(await verdict(text, { rootCertificates: [] }), /not issued by a root/);
  assert.match(await verdict(text, { badNodes: [nodeId] }), /bad node/);
  assert.match(await verdict(text, {}, validity.notAfterMs + 1), /expired/);
});

test('a signer with several Node-IDs, and one with an RSA key', async () => {
  assert.equal(await verdict(await signedDocument(await signer([nodeId, secondId]))), 'accepted');
  assert.equal(await verdict(await signedDocument(await signer([nodeId], 'rsa'))), 'accepted');
});

test('[R6940-11.1-53][R6940-11.1-54] the published example of a signature verifies over exactly its bytes', async () => {
  const directory = new URL('../../vectors/data/', import.meta.url);
  const vectors = JSON.parse(readFileSync(new URL('vectors.json', directory), 'utf8')) as {
    name: string;
    hex: string;
  }[];
  const bytes = (name: string): Uint8Array =>
    new Uint8Array(Buffer.from(vectors.find((v) => v.name === name)?.hex ?? '', 'hex'));
  const pem = readFileSync(new URL('test-only-cert.pem', directory), 'utf8');
  const certificate = verifier.parseCertificate(
    Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64'),
  );
  assert.ok(certificate.ok);
  const template = parse(await signedDocument(await signer([nodeId])));
  const check = (signedBytes: Uint8Array): Promise<Outcome<void>> =>
    new Promise((resolve) => {
      const parsed = {
        ...template,
        kindSignatures: [],
        signedBytes,
        signatures: [bytes('config-signature-securityblock')],
      };
      const authority: OverlayConfig = {
        ...template.config,
        overlayName: 'overlay.example.org',
        rootCertificates: [{ ...certificate.value, isCa: true }],
        configurationSigners: certificate.value.nodeIds,
      };
      const started = verifyConfiguration(parsed, { verifier, authority, nowMs }, resolve);
      if (!started.ok) resolve(started);
    });
  const input = bytes('config-signature-input');
  assert.deepEqual(await check(input), { ok: true, value: undefined });
  assert.equal((await check(input.subarray(1))).ok, false);
});
