/** What trust remembers and counts: how often the host is asked, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { Verifier } from '../../../src/ports/certificates.ts';
import { createTrust } from '../../../src/trust/trust.ts';
import type { SignedMessage, Signer } from '../../../src/trust/trust.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { securityBlock } from '../../../src/wire/reload/security.ts';
import type { SecurityBlock, Signature } from '../../../src/wire/reload/security.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { config, member, nodeId, nowMs, root, verifier } from './world.ts';

function world() {
  const authority = root();
  const asked = { isIssuedBy: 0, verify: 0 };
  const counting: Verifier = {
    ...verifier,
    isIssuedBy(...parameters) {
      asked.isIssuedBy++;
      return verifier.isIssuedBy(...parameters);
    },
    verify(...parameters) {
      asked.verify++;
      verifier.verify(...parameters);
    },
  };
  const delays: number[] = [];
  const trace = createCountingTrace();
  const current = { config: config([authority.certificate]) };
  const trust = createTrust({
    verifier: counting,
    trace,
    config: () => current.config,
    clock: {
      monotonicMs: () => 0,
      wallMs: () => nowMs,
      after: (_name, delayMs, fire) => {
        delays.push(delayMs);
        setImmediate(fire);
        return { cancel: () => undefined };
      },
    },
  });
  const alice = member(authority);
  const message: SignedMessage = {
    overlayHash: 0x9aa32b8d,
    transactionId: 7n,
    contents: new Uint8Array([0, 0x17, 0, 0, 0, 0]),
  };
  return {
    authority,
    trust,
    asked,
    delays,
    current,
    alice,
    refused: (what: string) => trace.count('trust_refused_total', what),
    signedMessage: () =>
      new Promise<SecurityBlock>((resolve) => {
        trust.signMessage(message, alice, (block) => {
          resolve(decodeExact(securityBlock, block));
        });
      }),
    checkMessage: (block: SecurityBlock) =>
      new Promise<Outcome<Signer>>((resolve) => {
        trust.verifyMessage(message, block, resolve);
      }),
    signed: (payload: Uint8Array) =>
      new Promise<Signature>((resolve) => {
        trust.sign(payload, alice, resolve);
      }),
    check: (payload: Uint8Array, signature: Signature, certificates = [alice.certificate]) =>
      new Promise<Outcome<Signer>>((resolve) => {
        trust.verify(payload, signature, certificates, resolve);
      }),
  };
}

test('a path is built once per certificate, and again after a change of the configuration', () => {
  const { trust, asked, alice, current } = world();
  for (let i = 0; i < 3; i++) assert.equal(trust.checkMember(alice.certificate, []).ok, true);
  assert.equal(asked.isIssuedBy, 1);
  current.config = { ...current.config, badNodes: [nodeId(0x22)] };
  for (let i = 0; i < 3; i++) assert.equal(trust.checkMember(alice.certificate, []).ok, true);
  assert.equal(asked.isIssuedBy, 2);
});

test('each message is verified, even one that came before', async () => {
  const { signedMessage, checkMessage, asked } = world();
  const block = await signedMessage();
  for (let i = 0; i < 2; i++) assert.equal((await checkMessage(block)).ok, true);
  assert.equal(asked.verify, 2);
});

test('a remembered value does not vouch for the same bytes with other algorithms or another border', async () => {
  const { signed, check, asked } = world();
  const payload = new Uint8Array([1, 2, 3]);
  const signature = await signed(payload);
  assert.equal((await check(payload, signature)).ok, true);
  const { signatureValue } = signature;
  const others: Signature[] = [
    { ...signature, signature: 1 },
    { ...signature, hash: 2 },
    { ...signature, signatureValue: signatureValue.subarray(1) },
  ];
  for (const other of others) assert.equal((await check(payload, other)).ok, false);
  assert.equal(asked.verify, 1 + others.length);
});

test('what is refused is counted by its reason and answered without delay', async () => {
  const { signed, check, checkMessage, signedMessage, refused, delays, current, alice } = world();
  const payload = new Uint8Array([1, 2, 3]);
  const signature = await signed(payload);

  await check(payload, signature, []);
  assert.equal(refused('signer'), 1);

  await check(new Uint8Array([9]), signature);
  assert.deepEqual([refused('signer'), refused('signature')], [1, 1]);

  const block = await signedMessage();
  const broken = { type: 'x509' as const, certificate: new Uint8Array([0x30, 0x01]) };
  const outcome = await checkMessage({ ...block, certificates: [broken, ...block.certificates] });
  assert.equal(outcome.ok, true);
  assert.equal(refused('certificate'), 1);

  current.config = { ...current.config, badNodes: [...alice.certificate.nodeIds] };
  await check(payload, signature);
  assert.deepEqual([refused('signer'), refused('signature'), refused('certificate')], [2, 1, 1]);
  assert.ok(delays.every((delayMs) => delayMs === 0));
});
