/** The forwarding decision, with the topology and the links replaced. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import type { LinkEntry } from '../../../src/overlay/link-table.ts';
import { createRouter, type Router } from '../../../src/overlay/router.ts';
import type { RoutedMessage } from '../../../src/overlay/routed-message.ts';
import type { NextHop } from '../../../src/topology/plugin.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { decodeHeader, encodeHeader, overlayHash } from '../../../src/wire/reload/header.ts';
import { overlayName } from './support/fake-keys.ts';
import { testConfig } from './support/world.ts';

const id = (digit: string): NodeId => digit.repeat(32) as NodeId;
const node = (digit: string): Destination => ({ type: 'node', nodeId: id(digit) });
const resource = id('7') as string as ResourceId;

interface Scene {
  readonly router: Router;
  /** Node of the link and Destination List, of everything sent. */
  readonly sent: { to: NodeId; destinations: readonly Destination[] }[];
  readonly asked: string[];
  readonly delivered: RoutedMessage[];
  readonly linkTo: (digit: string, suspect?: boolean) => LinkEntry;
}

function scene(
  next: (target: string, exclude?: ReadonlySet<NodeId>) => NextHop,
  initialTtl = testConfig.initialTtl,
): Scene {
  const links = new Map<NodeId, LinkEntry>();
  const sent: Scene['sent'] = [];
  const asked: string[] = [];
  const delivered: RoutedMessage[] = [];
  const router = createRouter({
    self: id('a'),
    trace: silentTrace,
    config: () => ({ ...testConfig, initialTtl }),
    link: (nodeId) => links.get(nodeId),
    nextHop(target, exclude) {
      asked.push(target);
      return next(target, exclude);
    },
    bootstrapPeer: () => undefined,
    isHosted: () => false,
    acceptsOpaque: () => false,
    viaLists: {
      forward: ({ header, from }) => [...header.viaList, { type: 'node', nodeId: from }],
      expand: () => undefined,
      previousHop: () => undefined,
      linkUp: () => undefined,
      linkDown: () => undefined,
      size: 0,
    },
    fragmentBytes: undefined,
    answersBadHeaders: false,
    deliver: (message) => delivered.push(message),
    refuse: () => undefined,
    later: (run) => run(),
  });
  const linkTo = (digit: string, suspect = false): LinkEntry => {
    const nodeId = id(digit);
    const entry = {
      nodeId,
      ambiguous: false,
      attached: true,
      link: {
        suspect,
        mtuBytes: undefined,
        send(header: Uint8Array, _done: unknown, body: Uint8Array) {
          const whole = Buffer.concat([header, body]);
          sent.push({ to: nodeId, destinations: decodeHeader(whole).header.destinationList });
          return true;
        },
      },
    } as unknown as LinkEntry;
    links.set(nodeId, entry);
    return entry;
  };
  return { router, sent, asked, delivered, linkTo };
}

const header = {
  overlay: overlayHash(overlayName),
  configurationSequence: 22,
  ttl: 50,
  fragment: { last: true, offset: 0 },
  transactionId: 1n,
  maxResponseLength: 0,
  viaList: [],
  options: [],
};
const body = Uint8Array.of(0, 23, 0, 0);

function own(...destinationList: Destination[]): RoutedMessage {
  return { header: { ...header, destinationList }, body, from: undefined };
}

function inTransit(...destinationList: Destination[]): Uint8Array {
  return Buffer.concat([encodeHeader({ ...header, destinationList }, body.length), body]);
}

/** A message for the resource that has passed these nodes. */
function hereAgain(...passed: string[]): Uint8Array {
  const destinationList: Destination[] = [{ type: 'resource', resource }];
  const viaList = passed.map(node);
  return Buffer.concat([encodeHeader({ ...header, viaList, destinationList }, body.length), body]);
}

const towards = (digit: string) => (): NextHop => ({ kind: 'node', nodeId: id(digit) });

test('[R6940-6.2.1-05] [R6940-6.2.1-02] own and foreign messages ask the topology once and take its next hop', () => {
  const { router, sent, asked, linkTo } = scene(towards('b'));
  linkTo('b');
  router.send(own(node('c')));
  assert.deepEqual(asked, [id('c')]);
  router.receive(linkTo('d'), inTransit({ type: 'resource', resource }));
  assert.deepEqual(asked, [id('c'), resource]);
  assert.deepEqual(
    sent.map(({ to }) => to),
    [id('b'), id('b')],
  );
});

test('[R6940-6.1.2-01] [R6940-6.1.2-02] a message for an id out of range goes to the hop that the topology names', () => {
  const { router, sent, linkTo } = scene((target) => towards(target === id('c') ? 'b' : 'e')());
  for (const digit of ['b', 'e']) linkTo(digit);
  const from = linkTo('d');
  router.receive(from, inTransit(node('c')));
  router.receive(from, inTransit({ type: 'resource', resource }));
  assert.deepEqual(sent, [
    { to: id('b'), destinations: [node('c')] },
    { to: id('e'), destinations: [{ type: 'resource', resource }] },
  ]);
});

test('[R6940-6.1.2-03] [R6940-6.2.1-04] [R6940-3-07] a linked node gets its message straight, whatever the topology says', () => {
  const { router, sent, asked, linkTo } = scene(towards('b'));
  for (const digit of ['b', 'c']) linkTo(digit);
  router.send(own(node('c')));
  router.receive(linkTo('d'), inTransit(node('c')));
  assert.deepEqual(
    sent.map(({ to }) => to),
    [id('c'), id('c')],
  );
  assert.deepEqual(asked, []);
  // Anything else goes by the Routing Table.
  router.send(own({ type: 'resource', resource }));
  assert.equal(sent[2]?.to, id('b'));
});

test('[R6940-6.2.1-03] a longer list routes by the source', () => {
  const { router, sent, linkTo } = scene(towards('b'));
  linkTo('c');
  router.send(own(node('c'), node('e')));
  assert.deepEqual(sent, [{ to: id('c'), destinations: [node('c'), node('e')] }]);
});

test('a link that has stopped acknowledging is passed by', () => {
  const { router, sent, linkTo } = scene(towards('b'));
  linkTo('b');
  linkTo('c', true);
  router.send(own(node('c')));
  assert.equal(sent[0]?.to, id('b'));
});

test('a request that is here again takes another way than before', () => {
  const { router, sent, linkTo } = scene((_, exclude) =>
    towards(exclude?.has(id('b')) === true ? 'e' : 'b')(),
  );
  for (const digit of ['b', 'e']) linkTo(digit);
  router.receive(linkTo('d'), hereAgain('c', 'a', 'b'));
  assert.deepEqual(
    sent.map(({ to }) => to),
    [id('e')],
  );
});

test('a request that is here for the third time is in a loop and ends', () => {
  const { router, sent, delivered, linkTo } = scene(towards('e'));
  linkTo('e');
  router.receive(linkTo('d'), hereAgain('a', 'b', 'a', 'b'));
  assert.deepEqual([sent, delivered], [[], []]);
});

test('the range of a node that has returned a request does not become ours', () => {
  const { router, sent, delivered, linkTo } = scene((_, exclude) =>
    exclude === undefined ? towards('b')() : { kind: 'self' },
  );
  linkTo('b');
  router.receive(linkTo('d'), hereAgain('a', 'b'));
  assert.deepEqual([sent, delivered], [[], []]);
});

test('[R6940-6.3.2-12] a smaller initial-ttl binds those who work with its document, others not', () => {
  const { router, sent, linkTo } = scene(towards('b'), 40);
  linkTo('b');
  const from = linkTo('d');
  const message = (configurationSequence: number, ttl: number): Uint8Array => {
    const destinationList = [node('b')];
    const own = { ...header, configurationSequence, ttl, destinationList };
    return Buffer.concat([encodeHeader(own, body.length), body]);
  };
  router.receive(from, message(22, 41));
  router.receive(from, message(21, 101));
  assert.equal(sent.length, 0);
  router.receive(from, message(22, 40));
  router.receive(from, message(21, 100));
  assert.equal(sent.length, 2);
});
