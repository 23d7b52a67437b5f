/** How a client finds its peer, with all others played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import { createClient } from '../../../src/overlay/client.ts';
import { following } from '../../../src/overlay/queries.ts';
import { type Destination } from '../../../src/wire/reload/destination.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { idOf, notedTransactions } from './support/parts.ts';

const [self, other, third] = [idOf('5'), idOf('8'), idOf('9')];
const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });

function clientScene(routing: 'responsible-peer' | 'any-peer', severalNodeIds = false) {
  const clock = createFakeClock();
  const transactions = notedTransactions();
  const attaches: {
    target: unknown;
    options: unknown;
    done: (outcome: Outcome<NodeId>) => void;
  }[] = [];
  const world = { anyPeer: undefined as NodeId | undefined, ready: 0 };
  const client = createClient({
    self,
    routing,
    severalNodeIds,
    clock,
    trace: createCountingTrace(),
    attacher: {
      attach: (target, options, done) => void attaches.push({ target, options, done }),
    },
    transactions,
    anyPeer: () => world.anyPeer,
    ready: () => world.ready++,
  });
  return { clock, notes: transactions.notes, attaches, world, client };
}

test('a client looks for the peer responsible for it, again after failures and changes', () => {
  const { clock, attaches, world, client } = clientScene('responsible-peer');
  client.linked();
  assert.equal(attaches.length, 0, 'through whom?');
  world.anyPeer = third;
  client.linked();
  assert.deepEqual(
    attaches.map(({ target, options }) => [target, options]),
    [
      [
        { kind: 'resource', resource: following(self) },
        { sendUpdate: false, via: third, settlesNodeId: false },
      ],
    ],
  );
  client.linked();
  assert.equal(attaches.length, 1, 'one at a time');
  assert.equal(client.peer(), undefined);
  assert.equal(world.ready, 0);
  attaches[0]?.done(failure('no answer'));
  clock.advance(limits.overlay.clientRetryMs - 1);
  assert.equal(attaches.length, 1);
  clock.advance(1);
  attaches[1]?.done(success(other));
  assert.deepEqual([client.peer(), world.ready], [other, 1]);
  assert.deepEqual(client.address(), [node(self)]);
  client.updated();
  client.updated();
  clock.advance(limits.overlay.clientSettleMs - 1);
  assert.equal(attaches.length, 2);
  clock.advance(1);
  assert.equal(attaches.length, 3);
  attaches[2]?.done(success(other));
  assert.equal(world.ready, 1, 'the same peer is no news');
  client.linkDown(third);
  assert.equal(client.peer(), other);
  client.linkDown(other);
  assert.equal(client.peer(), undefined);
  clock.advance(limits.overlay.clientSettleMs);
  assert.equal(attaches.length, 4);
  client.stop();
  attaches[3]?.done(success(other));
  assert.deepEqual([client.peer(), world.ready], [undefined, 1]);
});

test('a client in front of any peer is reached through it, and attaches only to settle its Node-ID', () => {
  const plain = clientScene('any-peer');
  assert.deepEqual(plain.client.address(), [node(self)]);
  plain.world.anyPeer = third;
  plain.client.linked();
  assert.equal(plain.attaches.length, 0);
  assert.equal(plain.world.ready, 1);
  assert.deepEqual(plain.client.address(), [node(third), node(self)]);

  const several = clientScene('any-peer', true);
  several.world.anyPeer = third;
  several.client.linked();
  assert.deepEqual(
    several.attaches.map(({ target, options }) => [target, options]),
    [
      [
        { kind: 'node', nodeId: third },
        { sendUpdate: false, via: third, settlesNodeId: true },
      ],
    ],
  );
  several.attaches[0]?.done(success(third));
  several.client.linked();
  assert.equal(several.attaches.length, 1, 'it is settled');
});

test('a client keeps its link alive', () => {
  const { clock, notes, world, client } = clientScene('any-peer');
  world.anyPeer = third;
  client.linked();
  client.linked();
  assert.equal(notes.length, 1);
  assert.deepEqual(notes[0]?.request.destinations, [node(third)]);
  assert.equal(notes[0].request.messageCode, messageCodes.pingReq);
  clock.advance(limits.overlay.idleLinkMs);
  assert.equal(notes.length, 4);
  world.anyPeer = undefined;
  clock.advance(limits.overlay.idleLinkMs);
  assert.equal(notes.length, 4);
  client.stop();
  world.anyPeer = third;
  clock.advance(limits.overlay.idleLinkMs);
  client.linked();
  assert.equal(notes.length, 4);
});
