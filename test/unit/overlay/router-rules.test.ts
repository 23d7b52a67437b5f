/** What a router counts, refuses, sends on and tries again; links, topology and time are played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { limits } from '../../../src/base/limits.ts';
import type { LinkEntry } from '../../../src/overlay/link-table.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { overlayHash } from '../../../src/wire/reload/header.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { overlayName } from './support/fake-keys.ts';
import { numbered } from './support/parts.ts';
import { testConfig } from './support/world.ts';
import {
  self,
  b,
  c,
  d,
  far,
  node,
  place,
  many,
  towards,
  scene,
  body,
  bytesOf,
  own,
  value,
} from './support/router-scene.ts';

test('what is not sent on is counted by its reason, and refused where its sender can be told', () => {
  const twice = [node(b), node(b)];
  const here = [node(far)];
  const critical = (flags: number) => ({ options: [{ type: 9, flags, value }] });
  for (const [reason, bytes, code] of [
    ['header', Uint8Array.of(1, 2, 3), undefined],
    ['overlay', bytesOf({ overlay: 1 }), undefined],
    ['ttl-above-initial', bytesOf({ ttl: testConfig.initialTtl + 1 }), errorCodes.ttlExceeded],
    ['via-list', bytesOf({ viaList: many(limits.destinationListEntries) }), undefined],
    ['loop', bytesOf({ viaList: [node(self), node(far), node(self)] }), undefined],
    ['duplicate-destination', bytesOf({ destinationList: twice }), errorCodes.invalidMessage],
    ['ttl-exceeded', bytesOf({ ttl: 0 }), errorCodes.ttlExceeded],
    ['forward-critical-option', bytesOf(critical(1)), errorCodes.unsupportedForwardingOption],
    ['no-next-hop', bytesOf({ destinationList: here }), undefined],
  ] as const) {
    const { router, linkTo, sent, delivered, refused, dropped } = scene();
    linkTo(b);
    router.receive(linkTo(d), bytes);
    assert.equal(dropped(reason), 1, reason);
    assert.deepEqual(
      refused.map((refusal) => refusal.code),
      code === undefined ? [] : [code],
      reason,
    );
    assert.deepEqual([sent, delivered], [[], []], reason);
    if (code !== undefined) assert.equal(refused[0]?.message.from, d);
  }
});

test('what is just within the rules goes on', () => {
  for (const changes of [
    { ttl: testConfig.initialTtl },
    { ttl: 1 },
    { viaList: many(limits.destinationListEntries - 1) },
    { viaList: [node(self), node(far)] },
    { options: [{ type: 9, flags: 0xfe, value }] },
    { destinationList: [node(b), node(c)] },
  ]) {
    const { router, linkTo, sent, refused } = scene();
    linkTo(b);
    router.receive(linkTo(d), bytesOf(changes));
    assert.deepEqual([sent.length, refused.length], [1, 0], Object.keys(changes)[0]);
  }
});

test('an own message may leave with any TTL, options and lists', () => {
  const { router, linkTo, sent } = scene();
  linkTo(b);
  router.send(own({ ttl: 0 }));
  router.send(own({ options: [{ type: 9, flags: 1, value }] }));
  assert.deepEqual(
    sent.map(({ header }) => [header.ttl, header.viaList.length]),
    [
      [0, 0],
      [50, 0],
    ],
  );
});

test('who has not said which Node-ID is meant may only ping, attach and answer', () => {
  const { router, linkTo, sent, refused, dropped } = scene();
  linkTo(b);
  const plain = linkTo(d);
  let from: LinkEntry = { ...plain, ambiguous: true };
  const send = (code: number): number => {
    router.receive(from, bytesOf({}, Uint8Array.of(code >> 8, code & 255, 0)));
    return sent.length;
  };
  assert.equal(send(messageCodes.pingReq), 1);
  assert.equal(send(messageCodes.attachReq), 2);
  assert.equal(send(messageCodes.findAns), 3);
  assert.equal(send(messageCodes.error), 4);
  assert.equal(dropped('not-attached'), 0);
  assert.equal(send(messageCodes.findReq), 4);
  assert.equal(dropped('not-attached'), 1);
  assert.deepEqual(
    refused.map(({ code, message }) => [code, message.from]),
    [[errorCodes.forbidden, d]],
  );
  from = { ...from, attached: true };
  assert.equal(send(messageCodes.findReq), 5);
  from = plain;
  assert.equal(send(messageCodes.findReq), 6);
});

test('a header of another overlay or version is refused where bad headers are answered', () => {
  const { router, linkTo, refused, dropped, world } = scene({ answersBadHeaders: true });
  const from = linkTo(d);
  router.receive(from, bytesOf({ overlay: 1 }));
  const otherVersion = bytesOf();
  otherVersion[10] = 99;
  router.receive(from, otherVersion);
  assert.equal(otherVersion[10], 99, 'what came is left as it is');
  assert.deepEqual(
    refused.map(({ code }) => code),
    [errorCodes.incompatibleWithOverlay, errorCodes.incompatibleWithOverlay],
  );
  for (const { message } of refused) {
    assert.equal(message.header.overlay, overlayHash(overlayName));
    assert.deepEqual([Buffer.from(message.body), message.from], [Buffer.from(body), d]);
  }
  assert.deepEqual([dropped('overlay'), dropped('header')], [1, 1]);
  const broken = bytesOf();
  broken[0] = (broken[0] ?? 0) ^ 255;
  router.receive(from, broken);
  router.receive(from, otherVersion.subarray(0, 37));
  router.receive(from, bytesOf({ overlay: 1, viaList: many(limits.destinationListEntries) }));
  assert.equal(refused.length, 2);
  router.receive(from, bytesOf({ overlay: 1, viaList: many(limits.destinationListEntries - 1) }));
  assert.equal(refused.length, 3);
  world.overlayName = 'renamed.example';
  router.receive(from, bytesOf());
  assert.equal(refused.length, 4, 'the name is that of the current document');
});

test('who sends too large a message is told by the beginning of it, unless that says nothing', () => {
  const world = scene();
  const from = world.linkTo(d);
  const refusals = (bytes: Uint8Array): number => {
    world.router.receiveOversized(from, bytes);
    return world.refused.length;
  };
  const options = [{ type: 9, flags: 0, value: new Uint8Array(30) }];
  const rich = { viaList: [node(c)], destinationList: [node(b), node(far)], options };
  assert.equal(refusals(bytesOf(rich)), 1);
  const [first] = world.refused;
  assert.deepEqual(
    [first?.code, first?.text, first?.message.from],
    [errorCodes.messageTooLarge, `at most ${testConfig.maxMessageSize} bytes`, d],
  );
  assert.deepEqual(first?.message.header.viaList, rich.viaList);
  assert.deepEqual(Buffer.from(first.message.body), Buffer.from(body));
  assert.equal(refusals(bytesOf({ viaList: many(limits.destinationListEntries - 1) })), 2);
  assert.equal(refusals(bytesOf({ viaList: many(limits.destinationListEntries) })), 2);
  assert.equal(refusals(bytesOf({ overlay: 1 })), 2);
  assert.equal(refusals(bytesOf(rich).subarray(0, -body.length - 1)), 2);
  assert.equal(refusals(Uint8Array.of(1)), 2);
  assert.equal(world.dropped('too-large'), 6);
});

test('messages and bytes are counted, in all and by link', () => {
  const { router, linkTo, count, sent } = scene();
  const [to, from] = [linkTo(b), linkTo(d)];
  const bytes = bytesOf();
  router.receive(from, bytes);
  const outBytes = bytes.length + 18;
  assert.deepEqual(
    [count('bytes_total', 'in'), count('bytes_total', 'out')],
    [bytes.length, outBytes],
  );
  assert.deepEqual([to.messagesOut, to.bytesOut], [1, outBytes]);
  assert.equal(count('messages_forwarded_total'), 1);
  router.send(own());
  assert.equal(count('messages_forwarded_total'), 1, 'an own message is not forwarded');
  assert.deepEqual([to.messagesOut, sent.length], [2, 2]);
  assert.deepEqual([sent[0]?.header.ttl, sent[1]?.header.ttl], [49, 50]);
  assert.deepEqual(sent[0]?.header.viaList, [node(d)]);
});

test('answers gather no Via List', () => {
  const { router, linkTo, sent } = scene();
  linkTo(b);
  router.receive(linkTo(d), bytesOf({}, Uint8Array.of(0, messageCodes.pingAns)));
  assert.deepEqual(sent[0]?.header.viaList, []);
});

test('what ends here is delivered: that of others at once, that of our own later', () => {
  const { router, linkTo, delivered, clock } = scene();
  const here = { destinationList: [node(self)] };
  router.receive(linkTo(d), bytesOf(here));
  assert.deepEqual(
    delivered.map(({ message, at }) => [message.from, at]),
    [[d, self]],
  );
  router.send(own(here));
  assert.equal(delivered.length, 1);
  clock.advance(0);
  assert.deepEqual([delivered.length, delivered[1]?.message.from], [2, undefined]);
});

test('where a next hop does not acknowledge, others are tried, four in all', () => {
  const hops = [b, c, far, numbered(1), numbered(2)];
  const world = scene({ next: towards(...hops) });
  for (const hop of hops) world.linkTo(hop);
  world.router.send(own({ destinationList: [place] }));
  for (let i = 0; i < 3; i++) {
    assert.equal(world.count('messages_rerouted_total'), i);
    world.sent.at(-1)?.acknowledge(false);
  }
  assert.equal(world.tos(), 'bc9c');
  assert.equal(world.sent[3]?.to, numbered(1));
  assert.equal(world.dropped('no-acknowledgement'), 0);
  world.sent.at(-1)?.acknowledge(false);
  assert.equal(world.sent.length, limits.overlay.routeAttempts);
  assert.deepEqual(
    [world.dropped('no-acknowledgement'), world.count('messages_rerouted_total')],
    [1, 3],
  );
});

test('what was acknowledged is not sent again', () => {
  const world = scene({ next: towards(b, c) });
  for (const hop of [b, c]) world.linkTo(hop);
  world.router.send(own({ destinationList: [place] }));
  world.sent[0]?.acknowledge(true);
  world.clock.advance(0);
  assert.deepEqual([world.tos(), world.count('messages_rerouted_total')], ['b', 0]);
});

test('a node whose link was replaced meanwhile is tried again; one whose link is gone is not', () => {
  const replaced = scene({ next: towards(b, c) });
  for (const hop of [b, c]) replaced.linkTo(hop);
  replaced.router.send(own({ destinationList: [place] }));
  replaced.linkTo(b);
  replaced.sent[0]?.acknowledge(false);
  assert.equal(replaced.tos(), 'bb');
  const gone = scene({ next: towards(b, c) });
  for (const hop of [b, c]) gone.linkTo(hop);
  gone.router.send(own({ destinationList: [place] }));
  gone.links.delete(b);
  gone.sent[0]?.acknowledge(false);
  assert.equal(gone.tos(), 'bc');
});

test('a link that takes nothing is passed by, not inside the call, and nothing is counted for it', () => {
  const world = scene({ next: towards(b, c) });
  const deaf = world.linkTo(b);
  world.linkTo(c);
  world.deaf.add(b);
  world.router.send(own({ destinationList: [place] }));
  assert.equal(world.sent.length, 0);
  world.clock.advance(0);
  assert.equal(world.tos(), 'c');
  assert.deepEqual([deaf.messagesOut, deaf.bytesOut], [0, 0]);
  assert.equal(world.count('messages_rerouted_total'), 1);
});

test('a long message leaves in fragments that each find another way on their own', () => {
  const long = new Uint8Array(2000).fill(3);
  const world = scene({ next: towards(b, c), fragmentBytes: 700 });
  for (const hop of [b, c]) world.linkTo(hop);
  world.router.send(own({ destinationList: [place] }, long));
  assert.equal(world.tos(), 'bbbb');
  assert.equal(
    world.sent.reduce((sum, piece) => sum + piece.body.length, 0),
    long.length,
  );
  world.sent[1]?.acknowledge(false);
  assert.equal(world.tos(), 'bbbbc');
  assert.deepEqual(world.sent[4]?.header.fragment, world.sent[1]?.header.fragment);
  world.sent[2]?.acknowledge(false);
  assert.equal(world.tos(), 'bbbbcc', 'the attempts of one piece are none of the others');
  for (const piece of world.sent.slice(4)) piece.acknowledge(false);
  assert.equal(world.dropped('no-acknowledgement'), 0);
  assert.equal(world.dropped('no-next-hop'), 2);
});

test('the size of datagrams is that of the link where it has one', () => {
  const long = new Uint8Array(1000);
  const datagrams = scene({ next: towards(b) });
  datagrams.linkTo(b, 600);
  datagrams.router.send(own({ destinationList: [place] }, long));
  assert.equal(datagrams.sent.length, 2);
  const both = scene({ next: towards(b), fragmentBytes: 600 });
  both.linkTo(b, 5000);
  both.router.send(own({ destinationList: [place] }, long));
  assert.equal(both.sent.length, 1);
  const streams = scene({ next: towards(b) });
  streams.linkTo(b);
  streams.router.send(own({ destinationList: [place] }, long));
  assert.equal(streams.sent.length, 1);
});
