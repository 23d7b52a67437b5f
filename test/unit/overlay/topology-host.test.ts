/** What the topology may ask of the overlay, with links and transactions played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { LinkTable } from '../../../src/overlay/link-table.ts';
import {
  createTopologyHost,
  type TopologyHostDependencies,
} from '../../../src/overlay/topology-host.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { pingReq } from '../../../src/wire/reload/ping.ts';
import { idOf, linkEntry, notedTransactions } from './support/parts.ts';

const [self, first, second] = [idOf('5'), idOf('6'), idOf('7')];
const resource = idOf('9') as string as ResourceId;

function scene() {
  const transactions = notedTransactions();
  const closed: unknown[] = [];
  const entries = [linkEntry(first), linkEntry(second)];
  const host = createTopologyHost({
    self,
    transactions,
    links: {
      entries: () => entries.values(),
      get: (nodeId: NodeId) => entries.find((entry) => entry.nodeId === nodeId),
      close: (nodeId: NodeId, reason: string) => closed.push([nodeId, reason]),
    } as unknown as LinkTable,
    bootstrap: () => ({
      peer: () => second,
      discover: (done: (outcome: Outcome<NodeId>) => void) => done(success(first)),
    }),
    attacher: {
      attach: (target: unknown, options: unknown, done: (outcome: Outcome<NodeId>) => void) => {
        closed.push([target, options]);
        done(success(first));
      },
    },
  } as unknown as TopologyHostDependencies);
  return { host, notes: transactions.notes, closed };
}

test('a Ping of a resource goes there, and only through another node may anybody answer', () => {
  const { host, notes } = scene();
  const outcomes: Outcome<NodeId>[] = [];
  const done = (outcome: Outcome<NodeId>): void => void outcomes.push(outcome);
  host.pingResource(resource, undefined, done);
  host.pingResource(resource, first, done);
  const target = { type: 'resource', resource };
  assert.deepEqual(
    notes.map(({ request }) => [request.messageCode, request.destinations, request.anyResponder]),
    [
      [messageCodes.pingReq, [target], false],
      [messageCodes.pingReq, [{ type: 'node', nodeId: first }, target], true],
    ],
  );
  assert.equal(decodeExact(pingReq, notes[0]?.request.body ?? new Uint8Array()).padding.length, 0);
  notes[0]?.answer(second);
  notes[1]?.fail(0, undefined, 'no answer');
  assert.deepEqual(outcomes, [success(second), failure('no answer')]);
});

test('a request goes to one node and yields the body of its answer, or the reason', () => {
  const { host, notes } = scene();
  const outcomes: Outcome<Uint8Array>[] = [];
  const body = Uint8Array.of(4);
  for (let i = 0; i < 2; i++) {
    host.request(first, messageCodes.updateReq, body, (outcome) => outcomes.push(outcome));
  }
  const { request } = notes[0] ?? assert.fail('no request');
  assert.deepEqual(request, {
    destinations: [{ type: 'node', nodeId: first }],
    messageCode: messageCodes.updateReq,
    body,
  });
  notes[0]?.answer(first, Uint8Array.of(8));
  notes[1]?.fail(0, undefined, 'gone');
  assert.deepEqual(outcomes, [success(Uint8Array.of(8)), failure('gone')]);
});

test('links are listed, known and closed by node; bootstrap and Attach are those of the peer', () => {
  const { host, closed } = scene();
  assert.deepEqual([...host.linkedNodes()], [first, second]);
  assert.deepEqual([host.isLinked(first), host.isLinked(self)], [true, false]);
  host.closeLink(first, 'not needed');
  assert.deepEqual(closed.splice(0), [[first, 'not needed']]);
  assert.equal(host.bootstrapPeer(), second);
  const found: Outcome<NodeId>[] = [];
  host.discoverBootstrap?.((outcome) => found.push(outcome));
  const options = { sendUpdate: true };
  const target = { kind: 'node', nodeId: second } as const;
  host.attach(target, options, (outcome) => found.push(outcome));
  assert.deepEqual(found, [success(first), success(first)]);
  assert.deepEqual(closed, [[target, options]]);
});
