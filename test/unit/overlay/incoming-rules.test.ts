/** What happens to a message that has arrived, with signatures, transactions and handlers played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { concatBytes } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import type { RoutedMessage } from '../../../src/overlay/routed-message.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { encodeContents, messageContents } from '../../../src/wire/reload/contents.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { errorCodes, errorResponse } from '../../../src/wire/reload/errors.ts';
import { encodeHeader } from '../../../src/wire/reload/header.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { testConfig } from './support/world.ts';
import {
  self,
  hosted,
  neighbor,
  far,
  block,
  scene,
  type MessageOptions,
  message,
} from './support/incoming-scene.ts';

test('a request reaches its handler with who asks, how it came, and where to', () => {
  const direct = scene();
  direct.deliver(message(1n));
  const [request] = direct.handled;
  assert.ok(request);
  assert.deepEqual(
    [request.signer.nodeId, request.direct, request.local, request.transactionId],
    [neighbor, true, false, 1n],
  );
  assert.deepEqual(request.destination, { type: 'node', nodeId: self });
  assert.equal(direct.received('ping_req'), 1);
  const passed = scene();
  passed.deliver(message(1n, { header: { viaList: [{ type: 'node', nodeId: far }] } }));
  passed.deliver(message(2n, { from: undefined }));
  assert.deepEqual(
    passed.handled.map(({ direct: isDirect, local }) => [isDirect, local]),
    [
      [false, false],
      [false, true],
    ],
  );
  const relayed = scene({ signer: far });
  relayed.deliver(message(1n));
  assert.equal(relayed.handled[0]?.direct, false);
});

test('an answer goes back once, over the way of the request, signed for whom it was addressed to', () => {
  const world = scene({ handle: (request) => request.answer(Uint8Array.of(1)) });
  world.deliver(message(1n, { header: { viaList: [{ type: 'node', nodeId: far }] } }), hosted);
  world.handled[0]?.answer(Uint8Array.of(2));
  world.handled[0]?.refuse(2, '');
  world.clock.advance(0);
  assert.equal(world.sent.length, 1);
  const { header, from } = world.sent[0] ?? assert.fail('an answer');
  assert.deepEqual(header.destinationList, [
    { type: 'node', nodeId: neighbor },
    { type: 'node', nodeId: far },
  ]);
  assert.deepEqual(
    [header.transactionId, header.ttl, header.maxResponseLength, header.overlay, from],
    [1n, testConfig.initialTtl, 0, 3, undefined],
  );
  assert.deepEqual(world.signedBy, [hosted]);
  assert.equal(world.answered('success'), 1);
});

test('options that are to be copied come back, without the flags that ask for it', () => {
  const world = scene({ handle: (request) => request.answer(Uint8Array.of(1)) });
  const value = Uint8Array.of(1);
  const options = [
    { type: 1, flags: 0x04, value },
    { type: 2, flags: 0x00, value },
    { type: 3, flags: 0xf4, value },
  ];
  world.deliver(message(1n, { header: { options } }));
  assert.deepEqual(world.sent[0]?.header.options, [
    { type: 1, flags: 0, value },
    { type: 3, flags: 0xf0, value },
  ]);
});

test('a repeated request gets the answer of the first; while that is made, nothing', () => {
  const answering = scene({ handle: (request) => request.answer(Uint8Array.of(1)) });
  for (let i = 0; i < 3; i++) answering.deliver(message(1n));
  assert.deepEqual([answering.handled.length, answering.sent.length], [1, 3]);
  assert.deepEqual(answering.sent[2]?.body, answering.sent[0]?.body);
  assert.equal(answering.repeated(), 2);
  const silent = scene();
  for (let i = 0; i < 3; i++) silent.deliver(message(1n));
  assert.deepEqual([silent.handled.length, silent.sent.length, silent.repeated()], [1, 0, 2]);
  const twice = scene({ slow: true });
  for (let i = 0; i < 2; i++) twice.deliver(message(1n));
  for (const judge of twice.verifications) judge();
  assert.deepEqual([twice.handled.length, twice.repeated()], [1, 1]);
});

test('what is dropped is counted by its reason', () => {
  const world = scene();
  world.deliver(message(1n, { code: 0x8000 }));
  world.deliver(message(2n, { code: messageCodes.pingAns }));
  world.deliver(message(77n, { code: messageCodes.pingAns }));
  const whole = message(3n);
  world.deliver({ ...whole, body: whole.body.subarray(0, 9) });
  world.deliver({ ...whole, body: concatBytes([whole.body, Uint8Array.of(0)]) });
  world.forge();
  world.deliver(message(4n));
  assert.deepEqual(
    ['message-code', 'unexpected-response', 'malformed', 'signature'].map(world.dropped),
    [1, 1, 2, 1],
  );
  assert.deepEqual(world.responses, [77n]);
  assert.deepEqual([world.handled.length, world.sent.length], [0, 0]);
});

test('only so many signatures are checked at once', () => {
  const world = scene({ slow: true });
  const most = limits.overlay.verifications;
  for (let i = 0; i <= most; i++) world.deliver(message(BigInt(i)));
  assert.deepEqual([world.verifications.length, world.dropped('overload')], [most, 1]);
  world.verifications[0]?.();
  world.deliver(message(9999n));
  assert.deepEqual([world.verifications.length, world.dropped('overload')], [most + 1, 1]);
});

test('[R6940-6.3.2.1-04] [R6940-6.3.2.1-05] the configuration must be ours; who has an older one is offered ours', () => {
  for (const [sequence, error, offers] of [
    [testConfig.sequence - 1, errorCodes.configTooOld, [neighbor]],
    [testConfig.sequence + 1, errorCodes.configTooNew, []],
    [65_535, errorCodes.configTooNew, []],
  ] as const) {
    const world = scene();
    world.deliver(message(1n, { header: { configurationSequence: sequence } }));
    assert.equal(world.errorCode(), error);
    assert.deepEqual(world.oldConfigs, offers);
    assert.equal(world.handled.length, 0);
    world.deliver(message(1n, { header: { configurationSequence: sequence } }));
    assert.equal(world.sent.length, 2, 'it is judged anew each time');
  }
});

test('options, extensions and methods that are not known are refused where they matter', () => {
  const critical = (flags: number) => ({
    header: { options: [{ type: 9, flags, value: new Uint8Array() }] },
  });
  const extension = (type: number, isCritical: boolean) => ({
    extensions: [{ type, critical: isCritical, extensionContents: new Uint8Array() }],
  });
  for (const [options, error] of [
    [critical(0x02), errorCodes.unsupportedForwardingOption],
    [critical(0x01), undefined],
    [extension(9, true), errorCodes.unknownExtension],
    [extension(9, false), undefined],
    [extension(5, true), undefined],
    [{ code: messageCodes.findReq }, errorCodes.invalidMessage],
  ] as const) {
    const world = scene();
    world.deliver(message(1n, options));
    if (error === undefined) assert.equal(world.handled.length, 1);
    else assert.equal(world.errorCode(), error);
  }
});

test('[R6940-6.3.2-20] an answer as long as the request allows is sent, a longer one becomes an error', () => {
  const answer = new Uint8Array(100);
  const length = 38 + 18 + 2 + 4 + answer.length + 4 + block.length;
  for (const [most, isSent] of [
    [0, true],
    [length, true],
    [length - 1, false],
  ] as const) {
    const world = scene({ handle: (request) => request.answer(answer) });
    world.deliver(message(1n, { header: { maxResponseLength: most } }));
    world.clock.advance(0);
    assert.equal(world.sent.length, 1);
    if (isSent) assert.equal(world.answered('Error_Response_Too_Large'), 0);
    else assert.equal(world.errorCode(), errorCodes.responseTooLarge);
  }
});

test('a refusal of any length is sent; its text is cut, bytes that do not fit are left out', () => {
  const infos = ['x'.repeat(5000), new Uint8Array(0xffff + 1), new Uint8Array(0xffff)];
  const world = scene({ handle: (request) => request.refuse(7, infos.shift() ?? '') });
  const lengths = [1n, 2n, 3n].map((id) => {
    world.deliver(message(id, { header: { maxResponseLength: 60 } }));
    const body = world.sent.at(-1)?.body ?? new Uint8Array();
    const { messageBody } = decodeExact(messageContents, body.subarray(0, -block.length));
    return decodeExact(errorResponse, messageBody).errorInfo.length;
  });
  assert.deepEqual(lengths, [1000, 0, 0xffff]);
});

test('errors for messages in transit are for requests of others, fifty per second', () => {
  const world = scene();
  const refuse = (options: MessageOptions = {}): void => {
    world.incoming.refuseInTransit(message(1n, options), errorCodes.ttlExceeded, 'too far');
    world.clock.advance(0);
  };
  refuse({ from: undefined });
  refuse({ code: messageCodes.pingAns });
  assert.equal(world.sent.length, 0);
  const most = limits.overlay.transitErrorsPerSecond;
  for (let i = 0; i <= most; i++) refuse();
  assert.deepEqual([world.sent.length, world.dropped('error-rate')], [most, 1]);
  assert.equal(world.errorCode(), errorCodes.ttlExceeded);
  assert.equal(world.answered('Error_TTL_Exceeded'), most);
  assert.equal(world.signedBy[0], self);
  world.clock.advance(999);
  refuse();
  assert.equal(world.sent.length, most);
  world.clock.advance(1);
  refuse();
  assert.equal(world.sent.length, most + 1);
});

test('fragments that do not fit together are counted; a whole message goes on', () => {
  const world = scene();
  const whole = message(1n);
  const piece = (from: number, to: number, last: boolean): RoutedMessage => ({
    ...whole,
    header: { ...whole.header, fragment: { offset: from, last } },
    body: whole.body.subarray(from, to),
  });
  world.deliver(piece(0, 10, false));
  assert.equal(world.handled.length, 0);
  world.deliver(piece(10, whole.body.length, true));
  assert.equal(world.handled.length, 1);
  world.deliver(piece(0, 10, false));
  world.deliver(piece(5, 12, false));
  assert.equal(world.dropped('fragment-conflict'), 1);
});

test('fragments of one transaction for different places are put together apart', () => {
  const world = scene();
  const to = (last: NodeId, from: number, upTo?: number): void => {
    const whole = message(1n, {
      header: {
        destinationList: [
          { type: 'node', nodeId: far },
          { type: 'node', nodeId: last },
        ],
      },
    });
    world.deliver({
      ...whole,
      header: { ...whole.header, fragment: { offset: from, last: upTo === undefined } },
      body: whole.body.subarray(from, upTo),
    });
  };
  to(self, 0, 10);
  to(hosted, 10);
  assert.equal(world.handled.length, 0);
  to(hosted, 0, 10);
  assert.equal(world.handled.length, 1);
  to(self, 10);
  assert.equal(world.repeated(), 1, 'the other is whole as well');
});

test('a fragment and an answer are remembered for five times the reliability timer', () => {
  const lifetimeMs = 5 * testConfig.reliabilityTimerMs;
  for (const [afterMs, handled] of [
    [lifetimeMs - 1, 1],
    [lifetimeMs, 2],
  ] as const) {
    const world = scene();
    world.deliver(message(1n));
    world.clock.advance(afterMs);
    world.deliver(message(1n));
    assert.equal(world.handled.length, handled);
  }
  for (const [afterMs, handled] of [
    [lifetimeMs - 1, 1],
    [lifetimeMs, 0],
  ] as const) {
    const world = scene();
    const whole = message(1n);
    const piece = (offset: number, end: number, last: boolean): RoutedMessage => ({
      ...whole,
      header: { ...whole.header, fragment: { offset, last } },
      body: whole.body.subarray(offset, end),
    });
    world.deliver(piece(0, 10, false));
    world.clock.advance(afterMs);
    world.deliver(piece(10, whole.body.length, true));
    assert.equal(world.handled.length, handled);
  }
});

test('the length of an answer is that on the wire, whatever the way back and the options are', () => {
  const answer = new Uint8Array(100);
  const value = new Uint8Array(9);
  const viaList: Destination[] = [
    { type: 'opaque', id: new Uint8Array(11) },
    { type: 'compressed', id: 0x8001 },
    { type: 'node', nodeId: far },
  ];
  const options = [{ type: 3, flags: 4, value }];
  const contents = encodeContents(messageCodes.pingAns, answer);
  const open = scene({ handle: (request) => request.answer(answer) });
  open.deliver(message(1n, { header: { viaList, options } }));
  const [sent] = open.sent;
  assert.ok(sent);
  const body = concatBytes([contents, block]);
  assert.deepEqual(sent.body, body);
  const length = encodeHeader(sent.header, body.length).length + body.length;
  for (const [most, isSent] of [
    [length, true],
    [length - 1, false],
  ] as const) {
    const world = scene({ handle: (request) => request.answer(answer) });
    world.deliver(message(1n, { header: { viaList, options, maxResponseLength: most } }));
    world.clock.advance(0);
    assert.deepEqual([world.sent.length, world.answered('success')], [1, 1]);
    assert.equal(world.answered('Error_Response_Too_Large'), isSent ? 0 : 1);
  }
});

test('no answer is longer than the overlay lets messages be', () => {
  const room = testConfig.maxMessageSize - 38 - 18 - 2 - 4 - 4 - block.length;
  for (const [length, isSent] of [
    [room, true],
    [room + 1, false],
  ] as const) {
    const world = scene({ handle: (request) => request.answer(new Uint8Array(length)) });
    world.deliver(message(1n));
    world.clock.advance(0);
    assert.equal(world.sent.length, 1);
    assert.equal(world.answered('Error_Response_Too_Large'), isSent ? 0 : 1);
  }
});
