/** Who may store what at which peer. RFC 6940 §7.4.1.1, §7.4.4; reading A-16. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { idBytes, resourceIdOfName, type NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import type { Identity } from '../../../src/ports/certificates.ts';
import type { FetchResult, OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import { signStoredValue } from '../../../src/storage/signed-value.ts';
import { distance } from '../../../src/topology/chord/ring.ts';
import { createTrust } from '../../../src/trust/trust.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { findReq } from '../../../src/wire/reload/find.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { storedValues, storeReq, type StoredData } from '../../../src/wire/reload/storage.ts';
import { decodePayload } from '../../../src/wire/reload/contents.ts';
import { decodeHeader } from '../../../src/wire/reload/header.ts';
import { createIdentity, createVerifier } from './support/fake-keys.ts';
import { createRawPeer, errorOf, type RawPeer } from './support/raw-peer.ts';
import {
  createWorld,
  dictionaryKind,
  testConfig,
  type TestPeer,
  type World,
} from './support/world.ts';

const alice = 'alice@test.example';
const resource = resourceIdOfName(alice);

function ring(count: number, seed = 'roles'): World {
  const world = createWorld(seed);
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  return world;
}

/** Peers in ring order, the responsible one first. */
function byDistance(world: World): TestPeer[] {
  const way = (peer: TestPeer): bigint => distance(resource, peer.nodeId);
  return world.peers.toSorted((a, b) => (way(a) < way(b) ? -1 : 1));
}

function at(world: World, place: number): TestPeer {
  return byDistance(world).at(place) ?? assert.fail();
}

function signed(world: World, identity: Identity): StoredData {
  const { clock } = world;
  const verifier = createVerifier(clock);
  const trust = createTrust({ verifier, clock, trace: silentTrace, config: () => testConfig });
  let result: StoredData | undefined;
  signStoredValue(
    trust,
    identity,
    { resource, kind: dictionaryKind, model: 'DICTIONARY' },
    {
      storageTime: BigInt(clock.wallMs()),
      lifetime: 600,
      value: {
        key: idBytes(identity.certificate.nodeIds[0] as NodeId),
        exists: true,
        value: utf8Encode('here'),
      },
    },
    (data) => (result = data),
  );
  clock.advance(0);
  return result ?? assert.fail();
}

interface SentStore {
  readonly replicaNumber: number;
  readonly generation?: bigint;
}

/** error_code of the answer to a StoreReq that the raw peer sends; `undefined` when it was taken. */
function errorOfStore(
  world: World,
  raw: RawPeer,
  user: Identity,
  { replicaNumber, generation = 1n }: SentStore,
): number | undefined {
  const values = encodeToBytes(storedValues('DICTIONARY'), [signed(world, user)]);
  const body = encodeToBytes(storeReq, {
    resource,
    replicaNumber,
    kindData: [{ kind: dictionaryKind, generationCounter: generation, values }],
  });
  // The certificate that the value's signature needs is known from an earlier message.
  raw.exchange({ identity: user });
  const [answer] = raw.exchange({
    code: messageCodes.storeReq,
    body,
    ...(replicaNumber === 0 ? { identity: user } : {}),
  });
  assert.ok(answer, 'an answer');
  const { messageCode } = answer.payload.contents;
  assert.ok(messageCode === messageCodes.error || messageCode === messageCodes.storeAns);
  return errorOf(answer);
}

/** A Node-ID that many steps further than `from`. */
function beyond(from: string, steps: bigint): NodeId {
  const sum = (BigInt(`0x${from}`) + steps) % (1n << 128n);
  return sum.toString(16).padStart(32, '0') as NodeId;
}

test('[R6940-7.4.1.1-06] only the responsible peer takes a Store of replica number 0', () => {
  const world = ring(4);
  const user = world.user(alice, 'u1');
  for (const place of [1, 2, 3]) {
    const raw = createRawPeer(world, at(world, place), `raw ${place}`);
    const refused = errorOfStore(world, raw, user, { replicaNumber: 0, generation: 0n });
    assert.equal(refused, errorCodes.notFound);
  }
  const raw = createRawPeer(world, at(world, 0), 'raw');
  assert.equal(errorOfStore(world, raw, user, { replicaNumber: 0, generation: 0n }), undefined);
});

test('[R6940-7.4.1.1-07] only a peer that should hold a replica takes one', () => {
  const world = ring(9);
  const user = world.user(alice, 'u1');
  const sender = beyond(resource, 1n);
  for (const [place, expected] of [
    [1, undefined],
    [2, undefined],
    [3, errorCodes.forbidden],
    [5, errorCodes.forbidden],
  ] as const) {
    const raw = createRawPeer(world, at(world, place), `raw ${place}`, [sender]);
    const replicaNumber = Math.min(place, 2);
    assert.equal(errorOfStore(world, raw, user, { replicaNumber }), expected, `place ${place}`);
  }
});

test('[R6940-7.4.1.1-13] [R6940-7.4.1.1-14] a replica comes from the replica set or from closer by', () => {
  const world = ring(9);
  const user = world.user(alice, 'u1');
  const receiver = at(world, 1);
  const closer = [beyond(resource, 2n), beyond(at(world, 0).nodeId, 1n)];
  for (const sender of closer) {
    const raw = createRawPeer(world, receiver, 'near', [sender]);
    assert.equal(errorOfStore(world, raw, user, { replicaNumber: 1 }), undefined);
  }
  const opposite = beyond(receiver.nodeId, 1n << 127n);
  const before = beyond(resource, -1n + (1n << 128n));
  for (const sender of [opposite, before]) {
    const raw = createRawPeer(world, receiver, 'far away', [sender]);
    assert.equal(errorOfStore(world, raw, user, { replicaNumber: 1 }), errorCodes.forbidden);
  }
});

test('[R6940-7.4.4.2-02] a peer that is not responsible answers a Find with Error_Not_Found', () => {
  const world = ring(4);
  const body = encodeToBytes(findReq, { resource, kinds: [dictionaryKind] });
  const ask = (place: number): number | undefined => {
    const raw = createRawPeer(world, at(world, place), `raw ${place}`);
    const [answer] = raw.exchange({ code: messageCodes.findReq, body });
    assert.ok(answer);
    return errorOf(answer);
  };
  assert.equal(ask(2), errorCodes.notFound);
  assert.equal(ask(0), undefined);
});

test('[R6940-7.4.4.1-03] a Find that names a Kind twice is refused', () => {
  const world = ring(1);
  const raw = createRawPeer(world, at(world, 0), 'raw');
  const ask = (...kinds: readonly number[]): number | undefined => {
    const body = new Uint8Array(encodeToBytes(findReq, { resource, kinds }));
    // The codec does not write what must not be sent: one Kind is made equal to another.
    if (kinds.length === 2) body.copyWithin(body.length - 4, body.length - 8, body.length - 4);
    const [answer] = raw.exchange({ code: messageCodes.findReq, body });
    assert.ok(answer);
    return errorOf(answer);
  };
  assert.equal(ask(dictionaryKind), undefined);
  assert.equal(ask(dictionaryKind, dictionaryKind + 1), errorCodes.invalidMessage);
});

test('[R6940-7.4.1.1-05] an own Store has replica number 0; its copies have 1 and 2', () => {
  const world = ring(5);
  const seen = new Map<string, number>();
  world.network.onSend = (from, bytes) => {
    // RFC 6940 §6.6.2: type, sequence, length, then the message.
    if (bytes[0] !== 128) return;
    const message = bytes.subarray(8);
    const { headerLength, header } = decodeHeader(message);
    const { contents } = decodePayload(message.subarray(headerLength));
    if (contents.messageCode !== messageCodes.storeReq) return;
    const { replicaNumber } = decodeExact(storeReq, contents.messageBody);
    const target = header.destinationList.at(-1);
    const name = target?.type === 'node' ? target.nodeId : 'resource';
    seen.set(name, replicaNumber);
    assert.ok(replicaNumber > 0 || from.address === at(world, 4).host.address);
  };
  const user = world.user(alice, 'u1');
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const key = idBytes(user.certificate.nodeIds[0] as NodeId);
    const values = [{ key, exists: true, value: utf8Encode('here'), lifetimeS: 600 }];
    at(world, 4).overlay.store({ resource, kind: dictionaryKind, values, identity: user }, done);
  });
  assert.ok(stored.ok);
  world.clock.advance(1000);
  assert.deepEqual(
    [...seen],
    [
      ['resource', 0],
      [at(world, 1).nodeId, 1],
      [at(world, 2).nodeId, 2],
    ],
  );
});

test('[R6940-7.1-04] a value whose signer has expired since is not delivered', () => {
  const world = ring(3);
  const { clock } = world;
  const user = createIdentity(clock, [world.nodeId('u1')], alice, {
    notAfterMs: clock.wallMs() + 60_000,
  });
  const key = idBytes(user.certificate.nodeIds[0] as NodeId);
  const values = [{ key, exists: true, value: utf8Encode('here'), lifetimeS: 600 }];
  const [peer] = world.peers;
  assert.ok(peer);
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    peer.overlay.store({ resource, kind: dictionaryKind, values, identity: user }, done);
  });
  assert.ok(stored.ok);
  const fetch = (): FetchResult => {
    const outcome = world.await<Outcome<FetchResult, OverlayError>>((done) => {
      peer.overlay.fetch({ resource, kind: dictionaryKind }, done);
    });
    assert.ok(outcome.ok);
    return outcome.value;
  };
  assert.equal(fetch().values.length, 1);
  clock.advance(61_000);
  assert.equal(fetch().values.length, 0);
});

test('[R6940-13.2-02] every message is signed with the key of its sender', () => {
  const world = ring(4);
  const { clock } = world;
  const trust = createTrust({
    verifier: createVerifier(clock),
    clock,
    trace: silentTrace,
    config: () => testConfig,
  });
  const signers: string[] = [];
  let messages = 0;
  world.network.onSend = (_from, bytes) => {
    if (bytes[0] !== 128) return;
    const message = bytes.subarray(8);
    const { header, headerLength } = decodeHeader(message);
    const payload = decodePayload(message.subarray(headerLength));
    const { overlay: overlayHash, transactionId } = header;
    const contents = payload.contentsBytes;
    messages++;
    trust.verifyMessage({ overlayHash, transactionId, contents }, payload.security, (verified) => {
      assert.ok(verified.ok);
      if (verified.value.signerNodeId !== undefined) signers.push(verified.value.signerNodeId);
    });
  };
  for (const peer of world.peers) {
    const found = world.await<Outcome<FetchResult, OverlayError>>((done) => {
      peer.overlay.fetch({ resource, kind: dictionaryKind }, done);
    });
    assert.ok(found.ok);
  }
  clock.advance(10);
  assert.ok(messages >= 6);
  assert.equal(signers.length, messages);
  for (const { nodeId } of world.peers) assert.ok(signers.includes(nodeId));
});
