/** The decision where a message goes, with links and topology given by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import type { LinkEntry } from '../../../src/overlay/link-table.ts';
import { createRouting, type Decision } from '../../../src/overlay/routing.ts';
import type { RoutedMessage } from '../../../src/overlay/routed-message.ts';
import type { NextHop } from '../../../src/topology/plugin.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { idOf, linkEntry, numbered } from './support/parts.ts';

const self = idOf('a');
const [b, c, d, hosted] = [idOf('b'), idOf('c'), idOf('d'), idOf('e')];
const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });
const place: Destination = { type: 'resource', resource: idOf('7') as string as ResourceId };
const opaque = (...bytes: readonly number[]): Destination => ({
  type: 'opaque',
  id: Uint8Array.from(bytes),
});

interface SceneOptions {
  readonly links?: readonly NodeId[];
  readonly suspects?: readonly NodeId[];
  readonly next?: (target: string, exclude?: ReadonlySet<NodeId>) => NextHop;
  readonly bootstrap?: NodeId;
  readonly expands?: readonly Destination[];
  readonly accepts?: boolean;
  readonly previous?: NodeId;
}

function scene(options: SceneOptions = {}) {
  const links = new Map<NodeId, LinkEntry>();
  for (const id of options.links ?? []) links.set(id, linkEntry(id));
  for (const id of options.suspects ?? []) links.set(id, linkEntry(id, { suspect: true }));
  const excluded: (readonly NodeId[] | undefined)[] = [];
  const routing = createRouting({
    self,
    link: (nodeId) => links.get(nodeId),
    nextHop(target, exclude) {
      excluded.push(exclude === undefined ? undefined : [...exclude]);
      return options.next?.(target, exclude) ?? { kind: 'none' };
    },
    bootstrapPeer: () => options.bootstrap,
    isHosted: (nodeId) => nodeId === hosted,
    acceptsOpaque: () => options.accepts === true,
    viaLists: {
      expand: (id) => (id.type === 'opaque' && id.id[0] === 1 ? options.expands : undefined),
      previousHop: () => options.previous,
    },
  });
  return { routing, excluded };
}

interface MessageOptions {
  readonly from?: NodeId;
  readonly via?: readonly NodeId[];
  readonly code?: number;
}

function message(
  destinationList: readonly Destination[],
  { from, via = [], code = messageCodes.pingReq }: MessageOptions = {},
): RoutedMessage {
  return {
    header: { destinationList, viaList: via.map(node), fragment: { last: true, offset: 0 } },
    body: Uint8Array.of(code >> 8, code & 255),
    from,
  } as unknown as RoutedMessage;
}

function shown(decision: Decision): string {
  switch (decision.kind) {
    case 'deliver':
      return `deliver ${decision.at[0] ?? ''}`;
    case 'drop':
      return `drop ${decision.reason}`;
    case 'forward': {
      const list = decision.destinations.map((entry) =>
        entry.type === 'node' ? (entry.nodeId[0] ?? '') : entry.type,
      );
      return `to ${decision.entry.nodeId[0] ?? ''}: ${list.join(' ')}`;
    }
  }
}

const decided = (
  { routing }: ReturnType<typeof scene>,
  what: RoutedMessage,
  tried?: readonly NodeId[],
): string => shown(routing.decide(what, tried && new Set(tried)));
const towards =
  (...hops: readonly NodeId[]) =>
  (_target: string, exclude?: ReadonlySet<NodeId>): NextHop => {
    const nodeId = hops.find((hop) => exclude?.has(hop) !== true);
    return nodeId === undefined ? { kind: 'none' } : { kind: 'node', nodeId };
  };

test('what ends at this node or at an identity it hosts is delivered there', () => {
  const world = scene({ links: [b] });
  assert.equal(decided(world, message([node(self)])), 'deliver a');
  assert.equal(decided(world, message([node(self), node(hosted)])), 'deliver e');
  assert.equal(decided(world, message([node(hosted), node(self)])), 'deliver a');
  assert.equal(decided(world, message([node(idOf('f'))])), 'deliver a');
  assert.equal(decided(world, message([node('f'.repeat(40) as NodeId)])), 'deliver a');
  assert.equal(decided(world, message([])), 'drop no-destination');
  assert.equal(decided(world, message([node(self), node(b)])), 'to b: b');
  assert.deepEqual(world.excluded, [], 'a link needs no topology');
});

test('a list of which nothing is used up goes on as it is', () => {
  const { routing } = scene({ links: [b], next: towards(b) });
  for (const list of [[node(b), node(c)], [node(d)], [place], [place, node(c)]]) {
    const decision = routing.decide(message(list), undefined);
    assert.equal(decision.kind === 'forward' && decision.destinations, list);
  }
  const used = routing.decide(message([node(self), node(hosted), place, node(c)]), undefined);
  assert.deepEqual(used.kind === 'forward' && used.destinations, [place, node(c)]);
});

test('what is no wildcard, whatever it begins or ends with, is looked for', () => {
  const world = scene();
  const f31 = 'f'.repeat(31);
  for (const nodeId of [`${f31}e`, `e${f31}`, '', 'f'.repeat(16) + 'g'.repeat(16)]) {
    assert.equal(decided(world, message([node(nodeId as NodeId)])), 'drop no-next-hop');
  }
});

test('an id that stands for a path is unpacked when the whole list stays within the bound', () => {
  const most = limits.destinationListEntries;
  const path = (length: number) =>
    Array.from({ length }, (_, i) => node(i === 0 ? b : numbered(i)));
  for (const [length, shownAs] of [
    [most - 2, 'to b'],
    [most - 1, 'drop unknown-opaque-id'],
  ] as const) {
    const world = scene({ links: [b], expands: path(length) });
    assert.ok(decided(world, message([opaque(1), node(d)])).startsWith(shownAs));
  }
});

test('opaque ids: those of ours are unpacked once, the last may be accepted, the rest is dropped', () => {
  const unpacked = scene({ links: [b, c], expands: [node(b), node(c)] });
  assert.equal(decided(unpacked, message([opaque(1), node(d)])), 'to b: b c d');
  const again = scene({ links: [b], expands: [opaque(1), node(b)] });
  assert.equal(decided(again, message([opaque(1)])), 'drop unknown-opaque-id');
  assert.equal(decided(unpacked, message([opaque(2)])), 'drop unknown-opaque-id');
  const accepting = scene({ accepts: true });
  assert.equal(decided(accepting, message([opaque(2)])), 'deliver a');
  assert.equal(decided(accepting, message([node(hosted), opaque(2)])), 'deliver e');
  assert.equal(decided(accepting, message([opaque(2), node(b)])), 'drop unknown-opaque-id');
  const long = scene({
    links: [b],
    expands: Array.from({ length: limits.destinationListEntries }, () => node(b)),
  });
  assert.equal(decided(long, message([opaque(1)])), 'drop unknown-opaque-id');
});

test('a kept way back comes in behind this node, once', () => {
  const world = scene({ links: [b, c], previous: b });
  const answer = message([node(self), node(c)], { from: c, code: messageCodes.pingAns });
  assert.equal(decided(world, answer), 'to b: b c');
});

test('behind an id that was unpacked no kept way back comes in', () => {
  const world = scene({ links: [b, c], previous: b, expands: [node(self), node(c)] });
  const answer = message([opaque(1)], { from: d, code: messageCodes.pingAns });
  assert.equal(decided(world, answer), 'to c: c');
});

test('a response leaves out hops that have gone; a request does not', () => {
  const world = scene({ links: [c], suspects: [b] });
  const through = [node(b), node(c)];
  assert.equal(
    decided(world, message(through, { from: d, code: messageCodes.pingAns })),
    'to c: c',
  );
  assert.equal(decided(world, message(through, { from: d })), 'to b: b c');
  const unknown = [node(d), node(c)];
  assert.equal(decided(world, message(unknown, { code: messageCodes.error })), 'to c: c');
  assert.equal(
    decided(scene({ links: [b, c] }), message(through, { code: messageCodes.pingAns }), [b]),
    'to c: c',
  );
  assert.equal(
    decided(scene({ links: [b, c] }), message(through, { code: messageCodes.pingAns })),
    'to b: b c',
  );
  const answer = message([node(b)], { code: messageCodes.pingAns });
  assert.equal(decided(scene(), answer), 'drop no-next-hop', 'the last one is no hop on the way');
});

test('a silent link is gone round by the topology, or used when there is no other way', () => {
  const world = scene({ suspects: [b], links: [c], next: towards(c) });
  assert.equal(decided(world, message([node(b)])), 'to c: b');
  assert.equal(decided(scene({ suspects: [b] }), message([node(b)])), 'to b: b');
  assert.equal(decided(scene({ suspects: [b] }), message([node(b)]), [b]), 'drop no-next-hop');
  assert.equal(
    decided(scene({ links: [b, c], next: towards(c) }), message([node(b)]), [b]),
    'to c: b',
  );
});

test('a node in the range of this one that is not linked is not here', () => {
  const here = scene({ next: () => ({ kind: 'self' }) });
  assert.equal(decided(here, message([node(b)], { from: c })), 'drop node-not-here');
  assert.equal(decided(here, message([place])), 'deliver a');
  assert.equal(decided(scene(), message([place], { from: c })), 'drop no-next-hop');
});

test('next hops that are silent are passed over, a bounded number of times', () => {
  const world = scene({ suspects: [b], links: [c], next: towards(b, c) });
  assert.equal(decided(world, message([place], { from: d })), 'to c: resource');
  assert.deepEqual(world.excluded, [undefined, [d, b]]);
  const only = scene({ suspects: [b], next: towards(b) });
  assert.equal(decided(only, message([place], { from: d })), 'to b: resource');
  assert.equal(decided(only, message([place], { from: d }), [b]), 'drop no-next-hop');
  const many = Array.from({ length: 20 }, (_, i) => numbered(i));
  const endless = scene({ next: towards(...many) });
  assert.equal(decided(endless, message([place], { from: d })), 'drop no-next-hop');
  assert.equal(endless.excluded.length, limits.overlay.routeAttempts);
});

test('after a failure those who have seen the message are left out as well', () => {
  const world = scene({ links: [b, c, d], next: towards(b, c, d) });
  assert.equal(decided(world, message([place], { from: d, via: [c] })), 'to b: resource');
  assert.deepEqual(world.excluded.splice(0), [undefined]);
  assert.equal(decided(world, message([place], { from: d, via: [c] }), [b]), 'drop no-next-hop');
  assert.deepEqual(world.excluded.splice(0), [[b, d, c]]);
  assert.equal(decided(world, message([place], { from: d, via: [self] })), 'to b: resource');
  assert.deepEqual(world.excluded, [[d, self]], 'a request that is here again');
});

test('the range of a visited node is its own while nobody has failed', () => {
  const world = scene({
    next: (_target, exclude) =>
      exclude?.has(d) === true ? { kind: 'self' } : { kind: 'node', nodeId: d },
  });
  const again = message([place], { from: d, via: [self] });
  assert.equal(decided(world, again), 'drop no-next-hop');
  assert.equal(decided(world, again, [c]), 'deliver a');
  const ours = scene({ next: () => ({ kind: 'self' }) });
  assert.equal(decided(ours, again), 'deliver a');
});

test('own messages go through the bootstrap peer while there are no tables; those of others do not', () => {
  const world = scene({ links: [b], bootstrap: b });
  assert.equal(decided(world, message([place])), 'to b: resource');
  assert.equal(decided(world, message([place], { from: c })), 'drop no-next-hop');
  assert.equal(decided(world, message([place]), [b]), 'drop no-next-hop');
  assert.equal(decided(scene({ bootstrap: b }), message([place])), 'drop no-next-hop');
});
