import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { decodeExact, encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { attachReqAns, type AttachReqAns } from '../../../src/wire/reload/attach.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { probeAns } from '../../../src/wire/reload/probe.ts';
import { createRawPeer, errorOf, type RawPeer } from './support/raw-peer.ts';
import { createIdentity } from './support/fake-keys.ts';
import { createWorld, linkPort, testConfig, type TestPeer, type World } from './support/world.ts';

function request(change: Partial<AttachReqAns> = {}): Uint8Array {
  return encodeToBytes(attachReqAns, {
    ufrag: 'u',
    password: 'p',
    role: 'passive',
    candidates: [candidate('10.9.9.9', linkPort)],
    sendUpdate: false,
    ...change,
  });
}

function candidate(address: string, port: number): AttachReqAns['candidates'][number] {
  return {
    type: 'host',
    addrPort: { type: 'ipv4', address, port },
    overlayLink: 'TLS-TCP-FH-NO-ICE',
    foundation: '1',
    priority: 1,
    extensions: [],
  };
}

function scene(): { world: World; peer: TestPeer; raw: RawPeer } {
  const world = createWorld('attach');
  const peer = world.add();
  world.clock.advance(1000);
  return { world, peer, raw: createRawPeer(world, peer, 'r') };
}

test('[R6940-6.5.1.1-07] [R6940-6.5.1.2-03] the answer is active and offers an address', () => {
  const { raw } = scene();
  const [answer] = raw.exchange({ code: messageCodes.attachReq, body: request() });
  assert.equal(answer?.payload.contents.messageCode, messageCodes.attachAns);
  const decoded = tryDecode(attachReqAns, answer.payload.contents.messageBody);
  assert.ok(decoded.ok);
  assert.equal(decoded.value.role, 'active');
  assert.equal(decoded.value.sendUpdate, false);
  assert.deepEqual(decoded.value.candidates[0]?.addrPort, {
    type: 'ipv4',
    address: '10.0.0.1',
    port: linkPort,
  });
});

test('an AttachReq that is malformed, active or without a usable candidate is refused', () => {
  const { raw } = scene();
  const ask = (body: Uint8Array): number | undefined =>
    errorOf(raw.exchange({ code: messageCodes.attachReq, body })[0]);
  assert.equal(ask(Uint8Array.of(1, 2, 3)), errorCodes.invalidMessage);
  assert.equal(ask(request({ role: 'active' })), errorCodes.invalidMessage);
  const ice = { ...candidate('10.9.9.9', 1), overlayLink: 'DTLS-UDP-SR' as const };
  assert.equal(ask(request({ candidates: [ice] })), errorCodes.incompatibleWithOverlay);
});

test('[R6940-6.5.1.11-03] [R6940-6.5.1.13-03] the answerer closes a connection to another node than the requester', () => {
  const { world, peer, raw } = scene();
  const other = world.add({ start: false });
  // Asked by a node without a link, so that the peer must dial.
  const asking = createIdentity(world.clock, [world.nodeId('asking')], 'asking');
  raw.exchange({
    code: messageCodes.attachReq,
    body: request({ candidates: [candidate(other.host.address, linkPort)] }),
    identity: asking,
  });
  world.clock.advance(1000);
  assert.equal(peer.count('overlay_links_refused_total', 'wrong-peer'), 1);
  assert.ok(!peer.overlay.snapshot().links.some((link) => link.nodeId === other.nodeId));
});

test('[R6940-6.5.1.2-05] two peers that attach to each other end with one link', () => {
  for (const stagger of [0, 1, 2, 3, 5, 8]) {
    const world = createWorld('collision');
    for (let i = 0; i < 3; i++) {
      world.add();
      world.clock.advance(2000);
    }
    assert.ok(world.settle());
    const [, a, b] = world.peers as [TestPeer, TestPeer, TestPeer];
    // Break the link between a and b; both find it gone and attach again at the same time.
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      one.overlay.updateConfig({ ...testConfig, badNodes: [other.nodeId] });
      one.overlay.updateConfig(testConfig);
      world.clock.advance(stagger);
    }
    world.clock.advance(60_000);
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const links = one.overlay.snapshot().links.filter((link) => link.nodeId === other.nodeId);
      assert.equal(links.length, 1);
    }
  }
});

test('simultaneous connections: both ends keep the one of the smaller Node-ID as client', () => {
  const world = createWorld('both');
  const a = world.add({ nodeId: '1'.repeat(32) as NodeId });
  const b = world.add({ nodeId: '2'.repeat(32) as NodeId, start: false });
  world.clock.advance(100);
  world.network.dialer(b.host).dial({ address: '10.0.0.1', port: linkPort }, 1000, (outcome) => {
    assert.ok(outcome.ok);
    b.overlay.acceptLink(outcome.value);
  });
  world.network.dialer(a.host).dial({ address: '10.0.0.2', port: linkPort }, 1000, (outcome) => {
    assert.ok(outcome.ok);
    a.overlay.acceptLink(outcome.value);
  });
  world.clock.advance(1000);
  assert.deepEqual(
    a.overlay.snapshot().links.map(({ nodeId, role }) => [nodeId, role]),
    [[b.nodeId, 'client']],
  );
  assert.deepEqual(
    b.overlay.snapshot().links.map(({ nodeId, role }) => [nodeId, role]),
    [[a.nodeId, 'server']],
  );
});

test('[R6940-6.6.1-02] links with unacceptable certificates are closed', () => {
  const world = createWorld('refused');
  const peer = world.add({ config: { badNodes: [world.nodeId('bad')] } });
  const { clock } = world;
  const chains = [
    createIdentity(clock, [world.nodeId('x')], 'x', { issuer: 'evil' }),
    createIdentity(clock, [world.nodeId('x')], 'x', { notAfterMs: clock.wallMs() - 1 }),
    createIdentity(clock, [world.nodeId('bad')], 'bad'),
    createIdentity(clock, [peer.nodeId], 'self'),
  ].map((identity) => [identity.certificate]);
  const closed: string[] = [];
  for (const chain of chains) {
    const host = { address: '10.3.0.1', chain, frozen: false, dead: false };
    world.network.dialer(host).dial({ address: '10.0.0.1', port: linkPort }, 1000, (outcome) => {
      assert.ok(outcome.ok);
      outcome.value.setHandler({ data: () => undefined, closed: (reason) => closed.push(reason) });
    });
  }
  clock.advance(100);
  assert.equal(closed.length, chains.length);
  assert.equal(peer.overlay.snapshot().links.length, 0);
});

test('[R6940-6.4.2.1-04] [R6940-6.4.2.2-05] Join and Leave count on the link of their signer only', () => {
  const { world, peer, raw } = scene();
  const far = createRawPeer(world, peer, 'far');
  const destinationList = [{ type: 'node' as const, nodeId: peer.nodeId }];
  for (const code of [messageCodes.joinReq, messageCodes.leaveReq]) {
    // Signed by a node that has a link of its own, but sent over another's.
    const [refused] = raw.exchange({
      code,
      identity: far.identity,
      body: Uint8Array.of(...Buffer.from(far.nodeId, 'hex'), 0, 0),
      header: { destinationList },
    });
    assert.equal(errorOf(refused), errorCodes.forbidden);
  }
});

test('[R6940-6.4.2.5.2-04] [R6940-6.4.2.5.2-05] [R6940-6.4.2.5.2-06] Probe answers what was asked, in that order', () => {
  const { raw } = scene();
  const [answer] = raw.exchange({
    code: messageCodes.probeReq,
    body: Uint8Array.of(3, 3, 77, 1),
  });
  const body = answer?.payload.contents.messageBody;
  assert.deepEqual([...(body ?? [])].slice(0, 4), [0, 12, 3, 4]);
  assert.deepEqual([...(body ?? [])].slice(8), [1, 4, 0x3b, 0x9a, 0xca, 0x00]);
  const typesOf = (...wanted: readonly number[]): number[] => {
    const asked = Uint8Array.of(wanted.length, ...wanted);
    const [one] = raw.exchange({ code: messageCodes.probeReq, body: asked });
    assert.ok(one);
    return decodeExact(probeAns, one.payload.contents.messageBody).probeInfo.map(
      ({ type }) => ['responsibleSet', 'numResources', 'uptime'].indexOf(type) + 1,
    );
  };
  assert.deepEqual(typesOf(1, 2, 3), [1, 2, 3]);
  for (const wanted of [1, 2, 3]) assert.deepEqual(typesOf(wanted), [wanted]);
  assert.deepEqual(typesOf(), []);
});

test('[R6940-6.5.1.13-01] [R6940-6.5.1.11-01] the answerer connects as TLS client to the address of the requester, and that is all', () => {
  const { world, peer, raw } = scene();
  const asking = createIdentity(world.clock, [world.nodeId('asking')], 'asking');
  const address = { address: '10.9.9.9', port: linkPort };
  const host = {
    address: address.address,
    chain: [asking.certificate],
    frozen: false,
    dead: false,
  };
  const roles: string[] = [];
  world.network.listen(address, host, (connection) => {
    roles.push(connection.role);
    assert.deepEqual(connection.peerChain, [peer.identity.certificate]);
  });
  raw.exchange({ code: messageCodes.attachReq, body: request(), identity: asking });
  world.clock.advance(1000);
  assert.deepEqual(roles, ['server']);
  const link = peer.overlay
    .snapshot()
    .links.find(({ nodeId }) => nodeId === world.nodeId('asking'));
  assert.equal(link?.role, 'client');
});

test('[R6940-6.5.1-01] an Attach to a Resource-ID reaches its owner, one to a Node-ID nobody', () => {
  const { world, raw } = scene();
  const ask = (destination: Destination): unknown[] =>
    raw.exchange({
      code: messageCodes.attachReq,
      body: request(),
      header: { destinationList: [destination] },
    });
  assert.deepEqual(ask({ type: 'node', nodeId: world.nodeId('nobody') }), []);
  const resource = world.nodeId('nobody') as string as ResourceId;
  assert.equal(ask({ type: 'resource', resource }).length, 1);
});

test('[R6940-13.6.3-01] the side that connects refuses an unsuitable certificate, too', () => {
  const world = createWorld('dialing');
  const impostor = createIdentity(world.clock, [world.nodeId('evil')], 'evil', { issuer: 'evil' });
  const address = { address: '10.0.0.66', port: linkPort };
  const host = {
    address: address.address,
    chain: [impostor.certificate],
    frozen: false,
    dead: false,
  };
  const closed: string[] = [];
  world.network.listen(address, host, (connection) => {
    connection.setHandler({ data: () => undefined, closed: (reason) => closed.push(reason) });
  });
  const peer = world.add({ bootstrap: [address] });
  world.clock.advance(1000);
  assert.ok(peer.count('overlay_links_refused_total', 'certificate') > 0);
  assert.ok(closed.length > 0);
  assert.deepEqual(peer.overlay.snapshot().links, []);
});
