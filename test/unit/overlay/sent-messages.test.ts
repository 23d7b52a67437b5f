/** What every message that leaves a peer has in common. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { bytesEqual } from '../../../src/base/bytes.ts';
import { idBytes, resourceIdOfName, type NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { FetchResult, OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import type { PingResult } from '../../../src/overlay/peer-api.ts';
import { messagePayload } from '../../../src/trust/trust.ts';
import { resolveSigner } from '../../../src/trust/signer-identity.ts';
import { encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import { storedValues, storeReq } from '../../../src/wire/reload/storage.ts';
import { storedValueSignatureInput } from '../../../src/wire/reload/signature-inputs.ts';
import { errorCodes, errorResponse } from '../../../src/wire/reload/errors.ts';
import { messageClass, messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { signerIdentity } from '../../../src/wire/reload/security.ts';
import { capture, type Sent } from './support/capture.ts';
import { createVerifier } from './support/fake-keys.ts';
import {
  createWorld,
  dictionaryKind,
  linkPort,
  type TestPeer,
  type World,
} from './support/world.ts';

const alice = 'alice@test.example';

/** A ring of twelve that joins, stores, fetches, pings and leaves; all that was sent. */
function run(config: { initialTtl?: number } = {}): {
  world: World;
  sent: Sent[];
  linked: readonly NodeId[];
} {
  const world = createWorld('sent');
  const sent = capture(world);
  for (let i = 0; i < 12; i++) {
    world.add({ config });
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  const identity = world.user(alice, 'u');
  const key = idBytes(identity.certificate.nodeIds[0] as never);
  const resource = resourceIdOfName(alice);
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const values = [{ key, exists: true, value: Uint8Array.of(1), lifetimeS: 600 }];
    const request = { resource, kind: dictionaryKind, values, identity };
    (world.peers[1] as TestPeer).overlay.store(request, done);
  });
  assert.ok(stored.ok);
  for (const peer of world.peers) {
    const fetched = world.await<Outcome<FetchResult, OverlayError>>((done) =>
      peer.overlay.fetch({ resource, kind: dictionaryKind }, done),
    );
    assert.ok(fetched.ok);
    for (const { nodeId } of world.peers) {
      const pinged = world.await<Outcome<PingResult, OverlayError>>((done) =>
        peer.overlay.ping([{ type: 'node', nodeId }], done),
      );
      assert.ok(pinged.ok);
    }
  }
  const leaving = world.peers[5] as TestPeer;
  const linked = leaving.overlay.snapshot().links.map(({ nodeId }) => nodeId);
  world.await<boolean>((done) => leaving.overlay.stop(() => done(true)));
  return { world, sent, linked };
}

const { world, sent, linked: linkedBeforeLeave } = run();
const isRequest = ({ code }: Sent): boolean =>
  code !== undefined && messageClass(code) === 'request';
/** Messages at their first hop. */
const originated = sent.filter(({ header }) => header.ttl === 100);

test('[R6940-6.3-02] [R6940-6.3.4-15] [R6940-13.2-02] [R6940-13.3-05] every message is signed by its originator', () => {
  const verifier = createVerifier(world.clock);
  assert.ok(sent.length > 1000);
  let good = 0;
  for (const { header, payload } of sent) {
    assert.ok(payload !== undefined && payload.security.signature.signatureValue.length > 0);
    // The message alone is enough to check it.
    const parsed = payload.security.certificates.map(({ certificate }) =>
      verifier.parseCertificate(certificate),
    );
    const certificates = parsed.flatMap((outcome) => (outcome.ok ? [outcome.value] : []));
    const signer = resolveSigner(payload.security.signature.identity, certificates);
    assert.ok(signer !== undefined);
    const contents = payload.contentsBytes;
    const input = Buffer.concat([
      messagePayload({
        overlayHash: header.overlay,
        transactionId: header.transactionId,
        contents,
      }),
      encodeToBytes(signerIdentity, payload.security.signature.identity),
    ]);
    const { signature } = payload.security;
    const scheme = { hash: signature.hash, signature: signature.signature };
    verifier.verify(signer.certificate, scheme, input, signature.signatureValue, (valid) => {
      if (valid) good++;
    });
  }
  world.clock.advance(0);
  assert.equal(good, sent.length);
});

test('[R6940-6.3.4-05] every message carries the certificate of its signer', () => {
  const verifier = createVerifier(world.clock);
  for (const { payload } of sent) {
    const parsed = (payload?.security.certificates ?? []).map(({ certificate }) =>
      verifier.parseCertificate(certificate),
    );
    const certificates = parsed.flatMap((outcome) => (outcome.ok ? [outcome.value] : []));
    assert.ok(payload !== undefined);
    assert.ok(resolveSigner(payload.security.signature.identity, certificates) !== undefined);
  }
});

test('[R6940-6.2.1-01] every message names where it goes', () => {
  assert.ok(sent.every(({ header }) => header.destinationList.length > 0));
});

test('[R6940-3-06] a list for one Node-ID has that one entry; the source is in no list', () => {
  const pings = originated.filter(({ code }) => code === messageCodes.pingReq);
  assert.ok(pings.some(({ header }) => header.destinationList.length === 1));
  for (const { from, header } of pings) {
    const own = world.peers.find((peer) => peer.host === from)?.nodeId;
    assert.ok(
      header.destinationList.every((entry) => entry.type !== 'node' || entry.nodeId !== own),
    );
  }
});

test('[R6940-6.3.2-23] requests leave their originator with an empty Via List', () => {
  const requests = originated.filter(isRequest);
  assert.ok(requests.length > 100);
  assert.ok(requests.every(({ header }) => header.viaList.length === 0));
});

test('[R6940-6.3.2-10] [R6940-6.3.2-11] messages start with TTL 100, or with initial-ttl', () => {
  assert.equal(Math.max(...sent.map(({ header }) => header.ttl)), 100);
  const other = run({ initialTtl: 40 }).sent;
  assert.equal(Math.max(...other.map(({ header }) => header.ttl)), 40);
  assert.ok(other.filter(({ header }) => header.ttl === 40).length > 100);
});

test('[R6940-6.3.2-21] responses have no max_response_length', () => {
  const answers = sent.filter((message) => !isRequest(message));
  assert.ok(answers.length > 100);
  assert.ok(answers.every(({ header }) => header.maxResponseLength === 0));
});

test('[R6940-6.3.2-19] [R6940-6.3.3.1-02] an answer has the code of its request plus one, and its transaction', () => {
  const requests = new Map<bigint, number>();
  let answers = 0;
  for (const { header, code = 0 } of sent) {
    if (messageClass(code) === 'request') requests.set(header.transactionId, code);
    else if (messageClass(code) === 'answer') {
      assert.equal(code, (requests.get(header.transactionId) ?? 0) + 1);
      answers++;
    }
  }
  assert.ok(answers > 100);
  const methods = new Set([...requests.values()]);
  for (const name of [
    'pingReq',
    'attachReq',
    'joinReq',
    'updateReq',
    'storeReq',
    'leaveReq',
  ] as const) {
    assert.ok(methods.has(messageCodes[name]), name);
  }
});

test('[R6940-6.3.2-18] [R6940-3-08] transaction ids are random 64-bit numbers', () => {
  const ids = [...new Set(sent.filter(isRequest).map(({ header }) => header.transactionId))];
  assert.ok(ids.length > 300);
  for (let bit = 0n; bit < 64n; bit++) {
    const ones = ids.filter((id) => ((id >> bit) & 1n) === 1n).length;
    // Six standard deviations around the half.
    assert.ok(Math.abs(ones - ids.length / 2) < 3 * Math.sqrt(ids.length), `bit ${bit}: ${ones}`);
  }
});

test('[R6940-6.3.3.1-07] the experimental error codes are not used', () => {
  assert.ok(!Object.values<number>(errorCodes).some((code) => code === 0x12 || code === 0x13));
  for (const { payload, code } of sent) {
    if (code !== messageCodes.error || payload === undefined) continue;
    const decoded = tryDecode(errorResponse, payload.contents.messageBody);
    assert.ok(decoded.ok && decoded.value.errorCode !== 0x12 && decoded.value.errorCode !== 0x13);
  }
});

test('[R6940-6.1.1-09] a location is asked for by Resource-ID', () => {
  const fetches = originated.filter(({ code }) => code === messageCodes.fetchReq);
  assert.ok(fetches.length > 0);
  for (const { header } of fetches) {
    const last = header.destinationList.at(-1);
    assert.deepEqual(last, { type: 'resource', resource: resourceIdOfName(alice) });
  }
});

test('[R6940-6.2.1-12] peers in transit send each request on once', () => {
  const copies = new Map<string, number>();
  for (const { header, from } of sent.filter(isRequest)) {
    const key = `${header.transactionId} ${from.address}`;
    copies.set(key, (copies.get(key) ?? 0) + 1);
  }
  assert.ok([...copies.values()].every((count) => count === 1));
  assert.ok(sent.filter((message) => isRequest(message) && message.header.ttl < 100).length > 10);
});

test('[R6940-6.3.4-16] a body is the same bytes at every hop', () => {
  const bodies = new Map<string, Uint8Array>();
  let forwarded = 0;
  for (const { header, body, code } of sent) {
    const key = `${header.transactionId} ${code ?? ''}`;
    const first = bodies.get(key);
    if (first === undefined) bodies.set(key, body);
    else if (header.ttl < 100) {
      assert.ok(bytesEqual(first, body));
      forwarded++;
    }
  }
  assert.ok(forwarded > 10);
});

test('[R6940-6.6.5-04] an AttachReq offers the listening address', () => {
  const requests = originated.filter(({ code }) => code === messageCodes.attachReq);
  assert.ok(requests.length > 10);
  for (const { from, payload } of requests) {
    const body = payload?.contents.messageBody as Uint8Array;
    const decoded = tryDecode(attachReqAns, body);
    assert.ok(decoded.ok);
    assert.equal(decoded.value.role, 'passive');
    const [candidate] = decoded.value.candidates;
    assert.equal(candidate?.overlayLink, 'TLS-TCP-FH-NO-ICE');
    assert.deepEqual(candidate.addrPort, { type: 'ipv4', address: from.address, port: linkPort });
  }
});

test('[R6940-6.4.2.2-02] a peer that leaves tells every directly connected peer', () => {
  const leaves = sent.filter(({ code }) => code === messageCodes.leaveReq);
  const told = leaves.flatMap(({ header }) =>
    header.destinationList.map((entry) => (entry.type === 'node' ? entry.nodeId : '')),
  );
  assert.ok(linkedBeforeLeave.length >= 3);
  assert.deepEqual(
    linkedBeforeLeave.filter((nodeId) => !told.includes(nodeId)),
    [],
  );
});

test('Pings are padded at random', () => {
  const lengths = originated
    .filter(({ code }) => code === messageCodes.pingReq)
    .map(({ payload }) => payload?.contents.messageBody.length ?? 0);
  assert.ok(new Set(lengths).size > 20);
  assert.ok(Math.max(...lengths) <= 66);
});

test('[R6940-6.3.4-07] [R6940-13.5.1-01] a Store carries a good signature for each value beside that of the message', () => {
  const verifier = createVerifier(world.clock);
  const stores = originated.filter(({ code }) => code === messageCodes.storeReq);
  assert.ok(stores.length > 0);
  let values = 0;
  let good = 0;
  for (const { payload } of stores) {
    assert.ok(payload !== undefined);
    const decoded = tryDecode(storeReq, payload.contents.messageBody);
    assert.ok(decoded.ok);
    const parsed = payload.security.certificates.map(({ certificate }) =>
      verifier.parseCertificate(certificate),
    );
    const certificates = parsed.flatMap((outcome) => (outcome.ok ? [outcome.value] : []));
    for (const { kind, values: bytes } of decoded.value.kindData) {
      const list = tryDecode(storedValues('DICTIONARY'), bytes);
      assert.ok(list.ok);
      for (const { storageTime, value, signature } of list.value) {
        values++;
        const signer = resolveSigner(signature.identity, certificates);
        assert.ok(signer !== undefined);
        const { resource } = decoded.value;
        const context = { resource, kind, model: 'DICTIONARY' as const };
        const input = storedValueSignatureInput(context, storageTime, value, signature.identity);
        verifier.verify(signer.certificate, signature, input, signature.signatureValue, (valid) => {
          if (valid) good++;
        });
      }
    }
  }
  world.clock.advance(0);
  assert.ok(values > 0);
  assert.equal(good, values);
});
