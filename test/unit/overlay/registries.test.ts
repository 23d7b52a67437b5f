/** Codes that are for experiments or not assigned. RFC 6940 §14. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { idBytes, resourceIdOfName, type KindId, type NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import { UsageError } from '../../../src/base/assert.ts';
import { dialTargets } from '../../../src/overlay/candidates.ts';
import type { OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import type { ConfigUpdateOffer } from '../../../src/overlay/peer-api.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { applicationIds, isUsableApplication } from '../../../src/wire/reload/app-attach.ts';
import { extensionTypes } from '../../../src/wire/reload/contents.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { iceCandidate, overlayLinkTypes } from '../../../src/wire/reload/ice-candidate.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { probeAns, probeInformationTypes } from '../../../src/wire/reload/probe.ts';
import { decodeHeader } from '../../../src/wire/reload/header.ts';
import { decodePayload } from '../../../src/wire/reload/contents.ts';
import { createRawPeer, errorOf } from './support/raw-peer.ts';
import {
  createWorld,
  dictionaryKind,
  testConfig,
  type TestPeer,
  type World,
} from './support/world.ts';

function single(seed: string): { world: World; peer: TestPeer } {
  const world = createWorld(seed);
  const peer = world.add();
  world.clock.advance(1000);
  return { world, peer };
}

test('[R6940-14.5-01] [R6940-14.5-02] only registered and private applications are accepted', () => {
  assert.deepEqual(applicationIds, { sip: 5060, sips: 5061 });
  const { peer } = single('applications');
  for (const application of [5060, 5061, 61_441, 65_534]) {
    assert.equal(isUsableApplication(application), true);
    peer.overlay.onApplication(application, () => undefined);
  }
  for (const application of [0, 1, 5059, 5062, 32_767, 32_768, 61_440, 65_535]) {
    assert.equal(isUsableApplication(application), false);
    assert.throws(() => {
      peer.overlay.onApplication(application, () => undefined);
    }, UsageError);
  }
});

test('[R6940-14.8-01] experimental message codes are not used, and requests with them are refused', () => {
  for (const code of Object.values(messageCodes)) assert.ok(code < 0x23 || code > 0x26);
  const { world, peer } = single('codes');
  const raw = createRawPeer(world, peer, 'raw');
  for (const code of [0x23, 0x25, 0x7f01]) {
    const [answer] = raw.exchange({ code });
    assert.equal(errorOf(answer), errorCodes.invalidMessage, `code ${code}`);
  }
});

test('[R6940-14.10-01] candidates of experimental and unknown link types are passed over', () => {
  assert.deepEqual(Object.values(overlayLinkTypes).toSorted(), [1, 3, 4]);
  const known = encodeToBytes(iceCandidate, {
    type: 'host',
    addrPort: { type: 'ipv4', address: '192.0.2.1', port: 6084 },
    overlayLink: 'TLS-TCP-FH-NO-ICE',
    foundation: '1',
    priority: 1,
    extensions: [],
  });
  const linkTypeAt = 8;
  assert.equal(known[linkTypeAt], 4);
  const of = (linkType: number): ReturnType<typeof dialTargets> => {
    const bytes = Uint8Array.from(known);
    bytes[linkTypeAt] = linkType;
    return dialTargets([decodeExact(iceCandidate, bytes)]);
  };
  const linkType = 'TLS-TCP-FH-NO-ICE';
  assert.deepEqual(of(4), [{ address: '192.0.2.1', port: 6084, linkType }]);
  for (const linkType of [2, 5, 6, 255]) assert.deepEqual(of(linkType), []);
});

test('[R6940-14.12-01] [R6940-14.14-01] no message carries an experimental option or extension', () => {
  for (const type of Object.values(extensionTypes)) assert.notEqual(type, 1);
  const world = createWorld('options');
  let messages = 0;
  world.network.onSend = (_from, bytes) => {
    if (bytes[0] !== 128) return;
    const { header, headerLength } = decodeHeader(bytes.subarray(8));
    for (const { type } of header.options) assert.notEqual(type, 1);
    const { contents } = decodePayload(bytes.subarray(8 + headerLength));
    for (const { type } of contents.extensions) assert.notEqual(type, 1);
    assert.ok(contents.messageCode < 0x23 || contents.messageCode > 0x26);
    messages++;
  };
  for (let i = 0; i < 3; i++) {
    world.add();
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  assert.ok(messages > 20);
});

test('[R6940-14.13-01] a Probe for an experimental item is answered without it', () => {
  assert.deepEqual(probeInformationTypes, { responsibleSet: 1, numResources: 2, uptime: 3 });
  const { world, peer } = single('probe');
  const raw = createRawPeer(world, peer, 'raw');
  const ask = (...types: readonly number[]): string[] => {
    const body = Uint8Array.of(types.length, ...types);
    const [answer] = raw.exchange({ code: messageCodes.probeReq, body });
    assert.equal(answer?.payload.contents.messageCode, messageCodes.probeAns);
    const { probeInfo } = decodeExact(probeAns, answer.payload.contents.messageBody);
    return probeInfo.map(({ type }) => type);
  };
  assert.deepEqual(ask(4), []);
  assert.deepEqual(ask(2, 4), ['numResources']);
});

test('[R6940-7.4.1.2-09] who does not know a Kind of the document is told its definition', () => {
  const world = createWorld('lacking');
  const block = utf8Encode('<kind-block/>');
  const kindsWithBlock = testConfig.requiredKinds.map((one) => ({ ...one, block }));
  const offers: ConfigUpdateOffer[] = [];
  const lacking = world.add({
    config: { requiredKinds: testConfig.requiredKinds.slice(0, 1) },
    dependencies: {
      onConfigUpdate(update, done) {
        offers.push(update);
        lacking.overlay.updateConfig({ ...testConfig, requiredKinds: kindsWithBlock });
        world.clock.after('judged', 1, () => done({ ok: true, value: undefined }));
      },
    },
  });
  world.clock.advance(1000);
  const knowing = world.add({ config: { requiredKinds: kindsWithBlock } });
  assert.ok(world.settle());
  const name = [...Array(64).keys()]
    .map((i) => `user${i}@test.example`)
    .find((one) => isAt(world, one, lacking));
  const user = world.user(name ?? assert.fail(), 'u1');
  const store = (kind: KindId): Outcome<StoreResult, OverlayError> =>
    world.await((done) => {
      const key = idBytes(user.certificate.nodeIds[0] as NodeId);
      const values = [{ key, exists: true, value: utf8Encode('x'), lifetimeS: 60 }];
      const resource = resourceIdOfName(user.certificate.userName ?? '');
      knowing.overlay.store({ resource, kind, values, identity: user }, done);
    });
  const refused = store(dictionaryKind);
  assert.ok(!refused.ok);
  assert.equal(refused.error.code, errorCodes.unknownKind);
  world.clock.advance(100);
  assert.deepEqual(
    offers.map((offer) => (offer.type === 'kind' ? offer.kindBlocks.map((b) => [...b]) : offer)),
    [[[...block]]],
  );
  assert.ok(store(dictionaryKind).ok);
  assert.equal(offers.length, 1);
});

/** True when the peer of two is responsible for the user's data. */
function isAt(world: World, name: string, peer: TestPeer): boolean {
  const resource: string = resourceIdOfName(name);
  const ids = world.peers.map(({ nodeId }) => nodeId as string).sort();
  const owner = ids.find((id) => id >= resource) ?? ids[0];
  return owner === peer.nodeId;
}
