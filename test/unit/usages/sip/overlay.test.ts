/** The SIP usage over real peers. RFC 7904 §3, §5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import type { Outcome } from '../../../../src/base/outcome.ts';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import type { OverlayError, StoreRequest, StoreResult } from '../../../../src/overlay/api.ts';
import type { Identity } from '../../../../src/ports/certificates.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { createKindRegistry } from '../../../../src/storage/kinds.ts';
import {
  createSipConnections,
  type SipConnectError,
} from '../../../../src/usages/sip/connections.ts';
import type { SipConnection } from '../../../../src/usages/sip/connection.ts';
import { sipRegistrationKind } from '../../../../src/usages/sip/kind.ts';
import { createSipLookup, type Resolution } from '../../../../src/usages/sip/lookup.ts';
import {
  registrationEntry,
  resourceOfAor,
  routeTo,
  sipRegistrationKindId,
} from '../../../../src/usages/sip/registration.ts';
import { applicationIds } from '../../../../src/wire/reload/app-attach.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { capture } from '../../overlay/support/capture.ts';
import { createWorld, testConfig, type TestPeer, type World } from '../../overlay/support/world.ts';

const domain = 'test.example';
const alice = `alice@${domain}`;
const restriction = { enable: true, patterns: ['test\\.example'] };

function ring(seed: string, count = 4): World {
  const world = createWorld(seed);
  for (let i = 0; i < count; i++) {
    const kinds = createKindRegistry();
    kinds.register(sipRegistrationKind(() => ({ ...testConfig, domainRestriction: restriction })));
    world.add({ dependencies: { kinds } });
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  return world;
}

function store(
  world: World,
  from: TestPeer,
  aor: string,
  identity: Identity,
  to: NodeId,
  key = identity.certificate.nodeIds[0] as NodeId,
): Outcome<StoreResult, OverlayError> {
  const request: StoreRequest = {
    resource: resourceOfAor(aor),
    kind: sipRegistrationKindId,
    values: [registrationEntry(key, routeTo(to, []), 3600)],
    identity,
  };
  return world.await((done) => from.overlay.store(request, done));
}

function resolve(world: World, peer: TestPeer, aor: string): Resolution {
  const lookup = createSipLookup({
    overlay: peer.overlay,
    clock: world.clock,
    trace: silentTrace,
    isHosted: () => true,
  });
  return world.await((done) => lookup.resolve(aor, done));
}

test('[R7904-3.2-07] [R7904-3.2-08] an AOR at two places has two entries by Node-ID, which lead where they say', () => {
  const world = ring('two places');
  const [a, b, c] = world.peers as [TestPeer, TestPeer, TestPeer];
  const [desk, mobile] = [world.user(alice, 'desk'), world.user(alice, 'mobile')];
  // The key is the Node-ID of the user's own certificate, the route names another node.
  assert.ok(store(world, a, alice, desk, a.nodeId).ok);
  assert.ok(store(world, b, alice, mobile, b.nodeId).ok);
  const routes = resolve(world, c, alice).routes.map(({ nodeId }) => nodeId);
  assert.deepEqual(new Set(routes), new Set([a.nodeId, b.nodeId]));
  world.clock.advance(1000);
  assert.ok(store(world, a, alice, desk, c.nodeId).ok, 'moved on');
  const after = resolve(world, b, alice).routes.map(({ nodeId }) => nodeId);
  assert.deepEqual(new Set(after), new Set([c.nodeId, b.nodeId]), 'one entry per key');
});

test('[R7904-3.3-01] [R7904-3.3-02] the overlay takes AORs of its domains only, each from its user and under its Node-ID', () => {
  const world = ring('namespaces');
  const [peer] = world.peers as [TestPeer];
  const user = world.user(alice, 'u');
  assert.ok(store(world, peer, alice, user, peer.nodeId).ok);
  const foreign = world.user('alice@elsewhere.example', 'v');
  const refusals = [
    store(world, peer, 'alice@elsewhere.example', foreign, peer.nodeId),
    store(world, peer, `bob@${domain}`, user, peer.nodeId),
    store(world, peer, alice, user, peer.nodeId, world.nodeId('another key')),
  ];
  for (const refused of refusals) {
    assert.equal(refused.ok ? 'stored' : refused.error.code, 2);
  }
});

test('[R7904-5.1-06] [R7904-1-01] SIP goes over a connection of its own, although there is a link; no overlay message carries any', () => {
  const world = ring('own connection', 2);
  const [a, b] = world.peers as [TestPeer, TestPeer];
  assert.deepEqual(
    a.overlay.snapshot().links.map(({ nodeId }) => nodeId),
    [b.nodeId],
  );
  const heard: string[] = [];
  const side = ({ overlay }: TestPeer) =>
    createSipConnections({
      overlay,
      clock: world.clock,
      trace: silentTrace,
      onOpen: () => ({
        data: (bytes) => heard.push(latin1Decode(bytes)),
        closed: () => undefined,
      }),
    });
  const [caller] = [side(a), side(b)];
  const sent = capture(world);
  const frames: string[] = [];
  const decode = world.network.onSend;
  world.network.onSend = (from, bytes) => {
    const text = latin1Decode(bytes);
    if (text.includes('INVITE')) frames.push(text);
    else decode?.(from, bytes);
  };
  const before = a.overlay.snapshot().links[0]?.messagesOut ?? 0;
  const opened = world.await<Outcome<SipConnection, SipConnectError>>((done) =>
    caller.connect([{ type: 'node', nodeId: b.nodeId }], applicationIds.sips, done),
  );
  assert.ok(opened.ok);
  assert.equal(sent.filter(({ code }) => code === messageCodes.appAttachReq).length, 1);
  const linked = a.overlay.snapshot().links[0]?.messagesOut ?? 0;
  assert.ok(linked > before, 'the AppAttach itself goes over the link');
  const invite = `INVITE sip:bob@${domain} SIP/2.0\r\n\r\n`;
  opened.value.send(latin1Encode(invite));
  world.clock.advance(100);
  const keepAlive = '\r\n\r\n';
  assert.deepEqual(
    heard.filter((text) => text !== keepAlive),
    [invite],
  );
  assert.deepEqual(
    frames,
    [invite],
    'the bytes travel as they are, without a frame of the overlay',
  );
  assert.equal(a.overlay.snapshot().links[0]?.messagesOut, linked);
});
