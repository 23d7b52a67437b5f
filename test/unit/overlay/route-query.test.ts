/** Asking a peer where it would route to. RFC 6940 §6.4.2.4. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { OverlayError } from '../../../src/overlay/api.ts';
import type { RouteQueryResult } from '../../../src/overlay/peer-api.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { chordRouteQueryAns } from '../../../src/wire/reload/chord.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { routeQueryReq } from '../../../src/wire/reload/route-query.ts';
import { capture } from './support/capture.ts';
import { createWorld, type TestPeer } from './support/world.ts';

test('[R6940-6.4.2.4.1-02] a RouteQuery tells the next hop; it asks for an Update only when that is wanted', () => {
  const world = createWorld('route query');
  for (let i = 0; i < 6; i++) {
    world.add();
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  const [from, asked, target] = world.peers as [TestPeer, TestPeer, TestPeer];
  const destination: Destination = { type: 'node', nodeId: target.nodeId };
  const query = (options?: { readonly sendUpdate: boolean }): boolean => {
    const sent = capture(world);
    const outcome = world.await<Outcome<RouteQueryResult, OverlayError>>((done) =>
      from.overlay.routeQuery(asked.nodeId, destination, done, options),
    );
    assert.ok(outcome.ok);
    assert.equal(outcome.value.answeredBy, asked.nodeId);
    const { nextPeer } = decodeExact(chordRouteQueryAns, outcome.value.answer);
    assert.equal(nextPeer, target.nodeId, 'in a small ring everybody is linked');
    const [request] = sent.filter(({ code }) => code === messageCodes.routeQueryReq);
    assert.ok(request?.payload !== undefined);
    const body = decodeExact(routeQueryReq, request.payload.contents.messageBody);
    assert.deepEqual(body.destination, destination);
    world.clock.advance(1000);
    const updates = sent.filter(
      ({ code, from: sender }) => code === messageCodes.updateReq && sender === asked.host,
    );
    assert.equal(updates.length > 0, body.sendUpdate);
    return body.sendUpdate;
  };
  assert.equal(query(), false);
  assert.equal(query({ sendUpdate: true }), true);
});
