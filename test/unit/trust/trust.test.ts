import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { Certificate, Verifier } from '../../../src/ports/certificates.ts';
import type { OverlayConfig } from '../../../src/ports/overlay-config.ts';
import { createTrust } from '../../../src/trust/trust.ts';
import type { SignedMessage, Signer, Trust, VerifiedMessage } from '../../../src/trust/trust.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { securityBlock } from '../../../src/wire/reload/security.ts';
import type { SecurityBlock, Signature } from '../../../src/wire/reload/security.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { config, key, member, nodeId, nowMs, root, verifier } from './world.ts';

function trustOf(current: () => OverlayConfig, checker: Verifier = verifier): Trust {
  return createTrust({
    verifier: checker,
    trace: createCountingTrace(),
    config: current,
    clock: {
      monotonicMs: () => 0,
      wallMs: () => nowMs,
      after: (_name, _delayMs, fire) => {
        setImmediate(fire);
        return { cancel: () => undefined };
      },
    },
  });
}

const message: SignedMessage = {
  overlayHash: 0x9aa32b8d,
  transactionId: 0x0123456789abcdefn,
  contents: new Uint8Array([0, 0x17, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]),
};

const signMessage = (trust: Trust, ...rest: Parameters<typeof partial>): Promise<SecurityBlock> =>
  new Promise((resolve) => {
    const [identity, options] = partial(...rest);
    const done = (block: Uint8Array): void => {
      resolve(decodeExact(securityBlock, block));
    };
    trust.signMessage(message, identity, done, options);
  });
const partial = (
  identity: Parameters<Trust['signMessage']>[1],
  options: Parameters<Trust['signMessage']>[3] = {},
) => [identity, options] as const;

const verifyMessage = (
  trust: Trust,
  block: SecurityBlock,
  what: SignedMessage = message,
): Promise<Outcome<VerifiedMessage>> =>
  new Promise((resolve) => {
    let inside = true;
    trust.verifyMessage(what, block, (outcome) => {
      assert.equal(inside, false, 'done is called later');
      resolve(outcome);
    });
    inside = false;
  });

const verify = (
  trust: Trust,
  payload: Uint8Array,
  signature: Signature,
  certificates: readonly Certificate[],
): Promise<Outcome<Signer>> =>
  new Promise((resolve) => {
    trust.verify(payload, signature, certificates, resolve);
  });

for (const kind of ['ec', 'rsa'] as const) {
  test(`[R6940-6.3.4-11] [R6940-6.3.4-12] [R6940-6.3.4-14] a message signed with ${kind} verifies`, async () => {
    const authority = root();
    const trust = trustOf(() => config([authority.certificate]));
    const alice = member(authority, { privateKey: key(kind) });
    const block = await signMessage(trust, alice);
    assert.equal(block.signature.identity.type, 'certHash');
    assert.equal(block.signature.hash, 4);
    assert.equal(block.signature.signature, kind === 'rsa' ? 1 : 3);
    const outcome = await verifyMessage(trust, block);
    assert.ok(outcome.ok);
    assert.equal(outcome.value.signer, alice.certificate);
    assert.equal(outcome.value.signerNodeId, nodeId(0x11));
    assert.deepEqual(outcome.value.certificates, [alice.certificate]);
  });
}

test('[R6940-6.3.4-17] [R6940-6.3.4-14] any change of what is signed is found', async () => {
  const authority = root();
  const trust = trustOf(() => config([authority.certificate]));
  const block = await signMessage(trust, member(authority));
  const changed: SignedMessage[] = [
    { ...message, overlayHash: 1 },
    { ...message, transactionId: 1n },
    { ...message, contents: message.contents.with(1, 0x18) },
  ];
  for (const what of changed) {
    assert.deepEqual(await verifyMessage(trust, block, what), {
      ok: false,
      error: 'wrong signature',
    });
  }
  const signatureValue = block.signature.signatureValue.slice(0, -1);
  const cut = { ...block, signature: { ...block.signature, signatureValue } };
  assert.equal((await verifyMessage(trust, cut)).ok, false);
  const asRsa = { ...block, signature: { ...block.signature, signature: 1 } };
  assert.equal((await verifyMessage(trust, asRsa)).ok, false);
});

test('[R6940-6.3.4-13] a certificate with several Node-IDs names the one that signs', async () => {
  const authority = root();
  const trust = trustOf(() => config([authority.certificate]));
  const alice = member(authority, { nodeIds: [nodeId(1), nodeId(2), nodeId(3)] });
  const block = await signMessage(trust, alice, { nodeId: nodeId(2) });
  assert.equal(block.signature.identity.type, 'certHashNodeId');
  const outcome = await verifyMessage(trust, block);
  assert.ok(outcome.ok);
  assert.equal(outcome.value.signerNodeId, nodeId(2));
});

test('[R6940-6.3.4-03] the bucket holds the own certificate, its chain and the given ones once each', async () => {
  const authority = root();
  const trust = trustOf(() => config([authority.certificate]));
  const [alice, bob] = [member(authority), member(authority)];
  const certificates = [bob.certificate, alice.certificate, bob.certificate];
  const block = await signMessage(trust, alice, { certificates });
  const ders = block.certificates.map(({ certificate }) =>
    Buffer.from(certificate).toString('hex'),
  );
  const expected = [alice.certificate, bob.certificate];
  assert.deepEqual(
    ders,
    expected.map(({ der }) => Buffer.from(der).toString('hex')),
  );
});

test('[R6940-13.3-03] a member of another overlay root is refused', async () => {
  const trust = trustOf(() => config([root().certificate]));
  const outcome = await verifyMessage(trust, await signMessage(trust, member(root())));
  assert.deepEqual(outcome, {
    ok: false,
    error: 'certificate not issued by a root of the overlay',
  });
});

test('a bad node of a new configuration is refused from then on', async () => {
  const authority = root();
  let current = config([authority.certificate]);
  const trust = trustOf(() => current);
  const block = await signMessage(trust, member(authority));
  assert.equal((await verifyMessage(trust, block)).ok, true);
  current = config([authority.certificate], { badNodes: [nodeId(0x11)] });
  assert.deepEqual(await verifyMessage(trust, block), { ok: false, error: 'bad node' });
});

test('[R6940-6.3.4-04] a signer seen before is known without its certificate', async () => {
  const authority = root();
  const trust = trustOf(() => config([authority.certificate]));
  for (const nodeIds of [[nodeId(1)], [nodeId(2), nodeId(3)]]) {
    const block = await signMessage(trust, member(authority, { nodeIds }));
    const bare = { ...block, certificates: [] };
    assert.deepEqual(await verifyMessage(trust, bare), { ok: false, error: 'unknown signer' });
    assert.equal((await verifyMessage(trust, block)).ok, true);
    const outcome = await verifyMessage(trust, bare);
    assert.ok(outcome.ok);
    assert.equal(outcome.value.signerNodeId, nodeIds[0]);
  }
});

test('a stored value is verified once, a changed one never', async () => {
  const authority = root();
  let checks = 0;
  const counting: Verifier = {
    ...verifier,
    verify(...parameters) {
      checks++;
      verifier.verify(...parameters);
    },
  };
  const trust = trustOf(() => config([authority.certificate]), counting);
  const alice = member(authority);
  const payload = new Uint8Array([1, 2, 3]);
  const signature = await new Promise<Signature>((done) => {
    trust.sign(payload, alice, done);
  });
  for (let i = 0; i < 3; i++) {
    assert.equal((await verify(trust, payload, signature, [alice.certificate])).ok, true);
  }
  assert.equal(checks, 1);
  const forged = await verify(trust, new Uint8Array([1, 2, 4]), signature, [alice.certificate]);
  assert.equal(forged.ok, false);
  assert.equal(checks, 2);
});

test('an unsigned value and an unknown hash have no signer', async () => {
  const authority = root();
  const trust = trustOf(() => config([authority.certificate]));
  const alice = member(authority);
  const signatureValue = new Uint8Array(64);
  const unsigned: Signature = { hash: 4, signature: 3, identity: { type: 'none' }, signatureValue };
  const certificateHash = new Uint8Array(20);
  const sha1Named: Signature = {
    ...unsigned,
    identity: { type: 'certHash', hashAlg: 2, certificateHash },
  };
  for (const signature of [unsigned, sha1Named]) {
    const outcome = await verify(trust, new Uint8Array(1), signature, [alice.certificate]);
    assert.deepEqual(outcome, { ok: false, error: 'unknown signer' });
  }
});
