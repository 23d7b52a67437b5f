import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Outcome } from '../../../src/base/outcome.ts';
import { initialKinds } from '../../../src/overlay-config/build.ts';
import { parseOverlayDocument } from '../../../src/overlay-config/parse.ts';
import type { ParsedConfiguration } from '../../../src/overlay-config/parse.ts';
import { verifyConfiguration } from '../../../src/overlay-config/sign.ts';
import type { OverlayConfig } from '../../../src/ports/overlay-config.ts';
import type { VerifiedConfiguration } from '../../../src/overlay-config/sign.ts';
import { nodeId, nowMs, secondId, signedDocument, signer, validity } from './signing.ts';
import { verifier, xml } from './support.ts';

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
  const outcome = await new Promise<Outcome<VerifiedConfiguration>>((resolve) => {
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
  const outcome = await new Promise<Outcome<VerifiedConfiguration>>((resolve) => {
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
  const check = (signedBytes: Uint8Array): Promise<Outcome<VerifiedConfiguration>> =>
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
  assert.equal((await check(input)).ok, true);
  assert.equal((await check(input.subarray(1))).ok, false);
});

test('[R6940-11.1-50] a Kind signed by a node that the configuration does not list is left out', async () => {
  const parsed = parse(await signedDocument(await signer([nodeId]), { kindSigners: [secondId] }));
  assert.equal(parsed.config.requiredKinds.length, initialKinds.length);
  const outcome = await new Promise<Outcome<VerifiedConfiguration>>((resolve) => {
    verifyConfiguration(parsed, { verifier, authority: parsed.config, nowMs }, resolve);
  });
  assert.ok(outcome.ok);
  assert.deepEqual(outcome.value.config.requiredKinds, []);
  assert.deepEqual(
    outcome.value.discardedKinds,
    initialKinds.map(({ kind }) => kind),
  );
});
