/** Messages at the end of their Destination List, and those of nodes that are joining. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { success } from '../../../src/base/outcome.ts';
import type { OverlayError } from '../../../src/overlay/api.ts';
import { makeOffer } from '../../../src/overlay/candidates.ts';
import type { ProbeResult } from '../../../src/overlay/peer-api.ts';
import { encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import { configUpdateReq } from '../../../src/wire/reload/config-update.ts';
import { errorCodes, errorResponse, errorText } from '../../../src/wire/reload/errors.ts';
import { messageCodeName, messageCodes } from '../../../src/wire/reload/message-codes.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { createRawPeer, errorOf, type RawPeer } from './support/raw-peer.ts';
import { createWorld, type TestPeer, type World } from './support/world.ts';

const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });

interface Scene {
  readonly world: World;
  readonly peer: TestPeer;
  readonly a: RawPeer;
  readonly b: RawPeer;
}

/** One peer alone in its ring, with two bare clients linked to it. */
function scene(): Scene {
  const world = createWorld('forwarding');
  const peer = world.add();
  world.clock.advance(1000);
  return {
    world,
    peer,
    a: createRawPeer(world, peer, 'a'),
    b: createRawPeer(world, peer, 'bb'),
  };
}

test('[R6940-6.1-02] a bad header is answered with an error where the policy says so', () => {
  for (const answersBadHeaders of [true, false]) {
    const world = createWorld('policy');
    const peer = world.add({ dependencies: { answersBadHeaders } });
    world.clock.advance(1000);
    const a = createRawPeer(world, peer, 'a');
    const version = a.message();
    version[10] = 0x0b;
    a.link.send(version);
    a.link.send(a.message({ header: { overlay: 1 } }));
    a.link.send(Uint8Array.of(1, 2, 3));
    world.clock.advance(500);
    const errors = a.received.map(errorOf).filter((code) => code !== undefined);
    const expected = answersBadHeaders ? new Array(2).fill(errorCodes.incompatibleWithOverlay) : [];
    assert.deepEqual(errors, expected);
  }
});

test('[R6940-6.3.1.1-08] an unknown SignerIdentityType is a parse error, the message is dropped', () => {
  const { a, peer } = scene();
  assert.equal(a.exchange({ identityType: 1 }).length, 1);
  assert.deepEqual(a.exchange({ identityType: 77 }), []);
  assert.equal(peer.count('overlay_messages_dropped_total', 'malformed'), 1);
});

test('[R6940-6.3.2.3-03] no option of a response has a flag set', () => {
  const { a } = scene();
  for (const flags of [4, 5]) {
    const options = [{ type: 77, flags, value: Uint8Array.of(5) }];
    const [answer] = a.exchange({ header: { options } });
    assert.deepEqual(
      answer?.header.options.map((option) => [option.type, option.flags]),
      [[77, 0]],
    );
    // The same in an error.
    const [refused] = a.exchange({ code: 0x51, header: { options } });
    assert.deepEqual(refused?.header.options[0]?.flags, 0);
  }
});

test('[R6940-6.3.3.1-01] each method reports success by its code plus one and failure as an error', () => {
  const { a } = scene();
  const resource = Uint8Array.of(16, ...new Array<number>(16).fill(4));
  const kind = Uint8Array.of(0xf0, 0, 0, 3);
  const good = new Map<number, Uint8Array>([
    [messageCodes.pingReq, Uint8Array.of(0, 0)],
    [messageCodes.probeReq, Uint8Array.of(1, 3)],
    [messageCodes.findReq, Uint8Array.of(...resource, 4, ...kind)],
    [
      messageCodes.fetchReq,
      Uint8Array.of(...resource, 0, 16, ...kind, ...new Array<number>(8).fill(0), 0, 2, 0, 0),
    ],
  ]);
  for (const [code, body] of good) {
    const header = {
      destinationList: [{ type: 'resource' as const, resource: '04'.repeat(16) as ResourceId }],
    };
    const [answer] = a.exchange({ code, body, header });
    assert.equal(answer?.payload.contents.messageCode, code + 1, messageCodeName(code));
  }
  for (const code of Object.values(messageCodes)) {
    if (code % 2 === 0 || code === messageCodes.error) continue;
    const [refused] = a.exchange({ code, body: Uint8Array.of(9, 9, 9) });
    assert.equal(refused?.payload.contents.messageCode, messageCodes.error, messageCodeName(code));
  }
});

test('[R6940-6.3.3.1-06] Error_Invalid_Message says what is wrong', () => {
  const { a } = scene();
  let seen = 0;
  for (const code of Object.values(messageCodes)) {
    if (code % 2 === 0 || code === messageCodes.error) continue;
    const [refused] = a.exchange({ code, body: Uint8Array.of(9, 9, 9) });
    if (errorOf(refused) !== errorCodes.invalidMessage) continue;
    const decoded = tryDecode(errorResponse, refused?.payload.contents.messageBody as Uint8Array);
    assert.ok(decoded.ok && decoded.value.errorInfo.length > 5, messageCodeName(code));
    seen++;
  }
  assert.ok(seen > 5);
});

test('[R6940-6.7-13] messages with the top fragment bit clear are never put together', () => {
  const { a, peer, world } = scene();
  const whole = a.message({ body: Uint8Array.of(2, 0, ...new Array<number>(512).fill(7)) });
  const headerLength = 38 + 18;
  const parts = [
    whole.subarray(headerLength, headerLength + 300),
    whole.subarray(headerLength + 300),
  ];
  parts.forEach((part, i) => {
    const piece = new Uint8Array(headerLength + part.length);
    piece.set(whole.subarray(0, headerLength));
    piece.set(part, headerLength);
    const view = new DataView(piece.buffer);
    view.setUint32(12, i === 0 ? 0 : 0x4000_0000 | 300);
    view.setUint32(16, piece.length);
    a.link.send(piece);
  });
  world.clock.advance(500);
  assert.equal(a.received.length, 0);
  assert.equal(peer.count('overlay_messages_dropped_total', 'header'), 2);
});

test('[R6940-6.3.2.1-07] a ConfigUpdate for any sequence is taken up whatever the own number is', () => {
  const world = createWorld('config update');
  const offered: unknown[] = [];
  const peer = world.add({
    dependencies: {
      onConfigUpdate(update, done) {
        offered.push(update);
        world.clock.after('judged', 0, () => done(success(undefined)));
      },
    },
  });
  world.clock.advance(1000);
  const a = createRawPeer(world, peer, 'a');
  const document = Uint8Array.of(1, 2, 3);
  const body = encodeToBytes(configUpdateReq, { type: 'config', configData: document });
  const code = messageCodes.configUpdateReq;
  const [answer] = a.exchange({ code, body, header: { configurationSequence: 65_535 } });
  assert.equal(answer?.payload.contents.messageCode, messageCodes.configUpdateAns);
  assert.deepEqual(offered, [{ type: 'config', document }]);
  // The number is for ConfigUpdate only.
  const [refused] = a.exchange({ header: { configurationSequence: 65_535 } });
  assert.equal(errorOf(refused), errorCodes.configTooNew);
});

test('[R6940-6.1.2-13] Ping and Attach of a node that has only linked are answered through the peer it linked with', () => {
  const world = createWorld('joining');
  for (let i = 0; i < 3; i++) {
    world.add();
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  const [first, second] = world.peers as [TestPeer, TestPeer];
  const raw = createRawPeer(world, first, 'joining', [world.nodeId('x'), world.nodeId('y')]);
  const header = { destinationList: [node(second.nodeId)] };
  const [pong] = raw.exchange({ header });
  assert.equal(pong?.payload.contents.messageCode, messageCodes.pingAns);
  const offer = makeOffer([{ address: '10.9.9.9', port: 9 }], 'passive', {
    u32: () => 1,
    bytes: (length) => new Uint8Array(length),
  });
  const body = encodeToBytes(attachReqAns, { ...offer, sendUpdate: false });
  const [attached] = raw.exchange({ header, code: messageCodes.attachReq, body });
  assert.equal(attached?.payload.contents.messageCode, messageCodes.attachAns);
  assert.deepEqual(attached.header.destinationList, [node(raw.nodeId)]);
});

test('[R6940-6.5-01] Attach, AppAttach and Ping are methods', () => {
  const { a } = scene();
  assert.deepEqual(
    [messageCodes.attachReq, messageCodes.appAttachReq, messageCodes.pingReq],
    [0x3, 0x1d, 0x17],
  );
  for (const code of [messageCodes.attachReq, messageCodes.appAttachReq, messageCodes.pingReq]) {
    const [refused] = a.exchange({ code, body: Uint8Array.of(9, 9, 9) });
    const decoded = tryDecode(errorResponse, refused?.payload.contents.messageBody as Uint8Array);
    assert.ok(decoded.ok && !errorText(decoded.value).startsWith('unknown method'));
  }
});

test('[R6940-6.4.2.3-02] an Attach with send_update is followed by an Update, also to a node outside the ring', () => {
  const { a } = scene();
  const offer = makeOffer([{ address: '10.9.9.9', port: 9 }], 'passive', {
    u32: () => 1,
    bytes: (length) => new Uint8Array(length),
  });
  for (const sendUpdate of [false, true]) {
    const body = encodeToBytes(attachReqAns, { ...offer, sendUpdate });
    const got = a.exchange({ code: messageCodes.attachReq, body });
    const codes = got.map((message) => message.payload.contents.messageCode);
    assert.equal(codes.includes(messageCodes.updateReq), sendUpdate);
  }
});

test('[R6940-6.4.2.5.2-02] [R6940-6.4.2.5.2-03] Probe tells share of the ring and seconds since the start', () => {
  const half = '8'.padEnd(32, '0') as NodeId;
  const world = createWorld('probe');
  const first = world.add({ nodeId: half });
  const probe = (): ProbeResult => {
    const outcome = world.await<Outcome<ProbeResult, OverlayError>>((done) =>
      first.overlay.probe(half, done),
    );
    assert.ok(outcome.ok);
    return outcome.value;
  };
  world.clock.advance(600_000);
  assert.equal(probe().responsiblePpb, 1_000_000_000);
  assert.equal(probe().uptimeS, 600);
  world.add({ nodeId: 'f'.repeat(31).concat('e') as NodeId });
  assert.ok(world.settle());
  world.clock.advance(2000);
  assert.ok(Math.abs((probe().responsiblePpb ?? 0) - 500_000_000) <= 1);
});
