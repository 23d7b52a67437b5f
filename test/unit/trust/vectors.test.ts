import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hexEncode } from '../../../src/base/text.ts';
import { parseReloadUri, formatReloadUri } from '../../../src/node/reload-uri.ts';
import { selfSignedNodeIds } from '../../../src/trust/node-id.ts';
import { certHashIdentity } from '../../../src/trust/signer-identity.ts';
import { createTrust } from '../../../src/trust/trust.ts';
import { encodeToBytes } from '../../../src/wire/codec.ts';
import { decodePayload } from '../../../src/wire/reload/contents.ts';
import { decodeHeader } from '../../../src/wire/reload/header.ts';
import { signerIdentity } from '../../../src/wire/reload/security.ts';
import { createFakeClock, createCountingTrace } from '../link/fakes.ts';
import { config, nowMs, parse, verifier } from './world.ts';

const folder = new URL('../../vectors/data/', import.meta.url);
const pem = readFileSync(new URL('test-only-cert.pem', folder), 'utf8');
const der = new Uint8Array(Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64'));
const vectors = JSON.parse(readFileSync(new URL('vectors.json', folder), 'utf8')) as {
  name: string;
  hex: string;
  text?: string;
}[];

function vector(name: string): { hex: string; text?: string } {
  const found = vectors.find((entry) => entry.name === name);
  assert.ok(found, name);
  return found;
}

const certificate = parse(der);

test('[R6940-11.3.1-03] [R6940-11.3.1-04] self-signed Node-IDs of the published vectors', () => {
  const spki = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  assert.equal(hexEncode(certificate.publicKey), spki.toString('hex'));
  const ids = (digest: 'sha1' | 'sha256', count: number) =>
    selfSignedNodeIds(spki, digest, count, 16);
  assert.equal(ids('sha1', 1)[0], vector('self-signed-node-id-sha1').hex);
  assert.equal(ids('sha256', 1)[0], vector('self-signed-node-id-sha256').hex);
  assert.equal(ids('sha1', 2)[0], vector('self-signed-node-id-sha1-index1').hex);
});

test('[R6940-6.3.4-10] [R6940-6.3.4-12] [R6940-6.3.4-13] signer identities of the published vectors', () => {
  const one = encodeToBytes(signerIdentity, certHashIdentity(certificate));
  assert.equal(hexEncode(one), vector('signer-identity-cert-hash').hex);
  const [nodeId] = certificate.nodeIds;
  assert.ok(nodeId);
  const several = { ...certificate, nodeIds: [nodeId, nodeId] };
  const two = encodeToBytes(signerIdentity, certHashIdentity(several, nodeId));
  assert.equal(hexEncode(two), vector('signer-identity-cert-hash-node-id').hex);
});

test('[R6940-11.3-18] the reload URI of the published vectors', () => {
  const { text } = vector('reload-uri');
  const parsed = parseReloadUri(text ?? '');
  assert.ok(parsed.ok);
  assert.equal(parsed.value.nodeId, certificate.nodeIds[0]);
  assert.equal(formatReloadUri(parsed.value.nodeId, parsed.value.overlayName), text);
});

test('[R6940-6.3.4-11] [R6940-6.3.4-14] the signed Ping of the published vectors verifies', async () => {
  const message = new Uint8Array(Buffer.from(vector('ping-req-message').hex, 'hex'));
  const { header, headerLength } = decodeHeader(message);
  const payload = decodePayload(message.subarray(headerLength));
  const trust = createTrust({
    verifier,
    trace: createCountingTrace(),
    clock: { ...createFakeClock(), wallMs: () => nowMs },
    config: () =>
      config([], { overlayName: 'overlay.example.org', selfSignedPermitted: { digest: 'sha1' } }),
  });
  const signed = {
    overlayHash: header.overlay,
    transactionId: header.transactionId,
    contents: payload.contentsBytes,
  };
  const outcome = await new Promise((resolve) => {
    trust.verifyMessage(signed, payload.security, (answer) => {
      resolve(answer.ok ? answer.value.signerNodeId : answer.error);
    });
  });
  assert.equal(outcome, '1f6c0603327d4df6c49f75cd411d2e16');
});
