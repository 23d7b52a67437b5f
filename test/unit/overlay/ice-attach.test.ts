import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { AppConnection, OverlayError } from '../../../src/overlay/api.ts';
import type { Identity } from '../../../src/ports/certificates.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createIceAgent } from '../../../src/link/ice/agent.ts';
import { createIceConnector, type IceConnector } from '../../../src/link/ice-connector.ts';
import { appAttachReqAns } from '../../../src/wire/reload/app-attach.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import type { IceCandidate } from '../../../src/wire/reload/ice-candidate.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { tryDecode } from '../../../src/wire/codec.ts';
import { decodePayload } from '../../../src/wire/reload/contents.ts';
import { decodeHeader } from '../../../src/wire/reload/header.ts';
import { createFakeDtls, type FakeDtls } from '../link/fake-dtls.ts';
import { createNetwork, createSeededRandom, type Network } from '../link/ice/support/network.ts';
import { createIdentity } from './support/fake-keys.ts';
import {
  createWorld,
  sipPort,
  type AddOptions,
  type TestPeer,
  type World,
} from './support/world.ts';

interface IceWorld extends World {
  readonly paths: Network;
  readonly sessions: FakeDtls[];
  /** A peer whose links are found by ICE; `shows`: the certificate of its handshakes. */
  addPeer(options?: AddOptions & { readonly shows?: Identity }): TestPeer;
}

const config = { noIce: false, overlayLinkProtocols: ['DTLS-UDP-SR'] };

function iceWorld(seed: string): IceWorld {
  const world = createWorld(seed);
  const paths = createNetwork(world.clock, { latencyMs: [1, 1] });
  const sessions: FakeDtls[] = [];
  return {
    ...world,
    paths,
    sessions,
    addPeer(options = {}) {
      const number = world.peers.length + 1;
      const address = `10.0.0.${number}`;
      const identity =
        options.identity ??
        createIdentity(world.clock, [options.nodeId ?? world.nodeId(`${seed} ${number}`)], 'node');
      const dtls = createFakeDtls({ chain: [(options.shows ?? identity).certificate] });
      sessions.push(dtls);
      const ice: IceConnector = createIceConnector({
        clock: world.clock,
        random: createSeededRandom(address),
        trace: silentTrace,
        sockets: paths.host(),
        dtls,
        createAgent: createIceAgent,
        addresses: () => [address],
        servers: () => ({ stun: [], turn: [] }),
      });
      return world.add({
        ...options,
        identity,
        config: { ...config, ...options.config },
        dependencies: { ice, ...options.dependencies },
      });
    },
  };
}

/** Hellos of the fake handshake leave between turns of the event loop. */
async function advance(world: World, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5) {
    world.clock.advance(5);
    await Promise.resolve();
  }
}

interface SentAttach {
  readonly code: number;
  readonly role: string;
  readonly candidates: readonly IceCandidate[];
}

/** Every Attach and its answer that leaves on a stream link, while its link is a stream. */
function attachesOf(world: IceWorld): SentAttach[] {
  const seen: SentAttach[] = [];
  world.network.onSend = (_from, bytes) => {
    if (bytes[0] !== 128) return;
    const { headerLength } = decodeHeader(bytes.subarray(8));
    const { contents } = decodePayload(bytes.subarray(8 + headerLength));
    const { messageCode: code, messageBody } = contents;
    if (code !== messageCodes.attachReq && code !== messageCodes.attachAns) return;
    const decoded = tryDecode(attachReqAns, messageBody);
    if (decoded.ok) seen.push({ code, ...decoded.value });
  };
  return seen;
}

test('[R6940-6.5.1.2-10] [R6940-6.5.1.5-02] an overlay with ICE forms its ring over paths that checks have found', async () => {
  const world = iceWorld('ice ring');
  const attaches = attachesOf(world);
  for (let i = 0; i < 4; i++) {
    world.addPeer();
    await advance(world, 4000);
  }
  await advance(world, 10_000);
  for (const { overlay } of world.peers) {
    assert.equal(overlay.state(), 'joined');
    assert.equal(overlay.snapshot().links.length, 3);
  }
  assert.ok(attaches.length > 0);
  for (const { code, role, candidates } of attaches) {
    assert.equal(role, code === messageCodes.attachReq ? 'passive' : 'active');
    for (const { overlayLink } of candidates) assert.equal(overlayLink, 'DTLS-UDP-SR');
  }
  const roles = world.sessions.flatMap((dtls) => dtls.roles);
  const servers = roles.filter((role) => role === 'server').length;
  assert.ok(servers > 0 && servers === roles.length - servers);
});

test('[R6940-6.5.1.10.2-01] [R6940-6.5.1.12-01] once a link is there no second offer is made for it', async () => {
  const world = iceWorld('one offer');
  world.addPeer();
  await advance(world, 3000);
  world.addPeer();
  await advance(world, 5000);
  const third = world.addPeer();
  const offers = new Map<string, number>();
  world.network.onSend = (from, bytes) => {
    if (bytes[0] !== 128) return;
    const { header, headerLength } = decodeHeader(bytes.subarray(8));
    const { contents } = decodePayload(bytes.subarray(8 + headerLength));
    if (contents.messageCode !== messageCodes.attachReq) return;
    if (from.address !== third.host.address) return;
    const id = String(header.transactionId);
    offers.set(id, (offers.get(id) ?? 0) + 1);
  };
  await advance(world, 10_000);
  const linked = third.overlay.snapshot().links.length;
  assert.equal(linked, 2);
  const before = offers.size;
  assert.ok(before > 0);
  await advance(world, 120_000);
  assert.equal(offers.size, before);
});

test('[R6940-6.5.1.13-03] a path whose far end shows the certificate of another member is not taken', async () => {
  const world = iceWorld('wrong certificate');
  for (let i = 0; i < 2; i++) {
    world.addPeer();
    await advance(world, 4000);
  }
  const other = createIdentity(world.clock, [world.nodeId('somebody else')], 'other');
  const liar = world.addPeer({ shows: other });
  await advance(world, 20_000);
  const honest = world.peers[1] as TestPeer;
  const linked = honest.overlay.snapshot().links.map(({ nodeId }) => nodeId);
  assert.deepEqual(linked, [world.peers[0]?.nodeId]);
  assert.ok(honest.count('overlay_links_refused_total', 'wrong-peer') > 0);
  assert.deepEqual(
    liar.overlay.snapshot().links.map(({ nodeId }) => nodeId),
    [world.peers[0]?.nodeId],
  );
});

test('[R6940-6.5.1.5-02] offers without ICE are refused where ICE is in use, and the other way round', async () => {
  for (const withIce of [true, false]) {
    const world = iceWorld(`mixed ${String(withIce)}`);
    const first = withIce ? world.addPeer() : world.add();
    await advance(world, 3000);
    const second = withIce
      ? world.addPeer({ config: { noIce: true, overlayLinkProtocols: ['TLS'] } })
      : world.addPeer();
    await advance(world, 6000);
    const outcome = await new Promise<Outcome<AppConnection, OverlayError>>((resolve) => {
      first.overlay.onApplication(sipPort, () => undefined);
      const to = [{ type: 'node' as const, nodeId: first.nodeId }];
      second.overlay.appAttach(to, sipPort, resolve);
      void advance(world, 10_000);
    });
    assert.ok(!outcome.ok);
    assert.equal(outcome.error.code, errorCodes.incompatibleWithOverlay);
  }
});

/** Binding requests (RFC 8489 §5) that left sockets which were not there before. */
function newChecks(world: IceWorld, known: ReadonlySet<string>, address: string) {
  return world.paths.tap.filter(({ bytes, from }) => {
    const isRequest = bytes[0] === 0 && bytes[1] === 1 && bytes[4] === 0x21 && bytes[5] === 0x12;
    return isRequest && from.address === address && !known.has(placeOf(from));
  });
}

const placeOf = ({ address, port }: { readonly address: string; readonly port: number }): string =>
  `${address}:${String(port)}`;

test('[R6940-6.5.2.2-02] the AppAttachAns is read, then checks leave to the candidates in it; without one, none', async () => {
  const world = iceWorld('application checks');
  for (let i = 0; i < 2; i++) {
    world.addPeer();
    await advance(world, 4000);
  }
  const [a, b] = world.peers as [TestPeer, TestPeer];
  const answers: { readonly atMs: number; readonly candidates: readonly IceCandidate[] }[] = [];
  world.network.onSend = (_from, bytes) => {
    if (bytes[0] !== 128) return;
    const { headerLength } = decodeHeader(bytes.subarray(8));
    const { contents } = decodePayload(bytes.subarray(8 + headerLength));
    if (contents.messageCode !== messageCodes.appAttachAns) return;
    const decoded = tryDecode(appAttachReqAns, contents.messageBody);
    assert.ok(decoded.ok);
    answers.push({ atMs: world.clock.monotonicMs(), candidates: decoded.value.candidates });
  };
  const known = new Set(world.paths.tap.map(({ from }) => placeOf(from)));
  const ask = (done: (outcome: Outcome<AppConnection, OverlayError>) => void): void => {
    a.overlay.appAttach([{ type: 'node', nodeId: b.nodeId }], sipPort, done);
  };
  // Nobody there takes such connections: an error instead of an answer.
  let refused: Outcome<AppConnection, OverlayError> | undefined;
  ask((outcome) => (refused = outcome));
  await advance(world, 3000);
  assert.equal(refused?.ok, false);
  assert.equal(answers.length, 0);
  assert.deepEqual(newChecks(world, known, a.host.address), []);

  b.overlay.onApplication(sipPort, () => undefined);
  let connected = false;
  ask((outcome) => (connected = outcome.ok));
  await advance(world, 3000);
  assert.ok(connected);
  const [answer] = answers;
  assert.ok(answer !== undefined);
  const offered = answer.candidates.map(({ addrPort }) =>
    addrPort.type === 'unknown' ? '' : placeOf(addrPort),
  );
  const checks = newChecks(world, known, a.host.address);
  assert.ok(checks.length > 0);
  for (const { atMs, to } of checks) {
    assert.ok(atMs > answer.atMs, `${String(atMs)} > ${String(answer.atMs)}`);
    assert.ok(offered.includes(placeOf(to)), placeOf(to));
  }
});

test('an application connection by ICE is a stream to the right node', async () => {
  const world = iceWorld('application');
  for (let i = 0; i < 2; i++) {
    world.addPeer();
    await advance(world, 4000);
  }
  const [a, b] = world.peers as [TestPeer, TestPeer];
  const got: string[] = [];
  b.overlay.onApplication(sipPort, ({ connection, peer }) => {
    assert.equal(peer, a.nodeId);
    assert.equal(connection.datagramBytes, undefined);
    connection.setHandler({
      data: (bytes) => void got.push(Buffer.from(bytes).toString()),
      closed: (reason) => void got.push(`closed ${reason}`),
    });
  });
  const outcomes: Outcome<AppConnection, OverlayError>[] = [];
  a.overlay.appAttach([{ type: 'node', nodeId: b.nodeId }], sipPort, (outcome) => {
    outcomes.push(outcome);
  });
  await advance(world, 3000);
  const [outcome] = outcomes;
  assert.ok(outcome?.ok === true);
  assert.equal(outcome.value.peer, b.nodeId);
  const { connection } = outcome.value;
  connection.setHandler({ data: () => undefined, closed: () => undefined });
  // Larger than any datagram.
  connection.send(Buffer.from('x'.repeat(5000)));
  await advance(world, 500);
  assert.equal(got.join('').length, 5000);
  connection.close('done');
  await advance(world, 100);
  assert.match(got.at(-1) ?? '', /^closed/);
  assert.equal(a.overlay.snapshot().pending.applicationAttaches, 0);
});

test('an application connection whose way cannot be found fails in time', async () => {
  const world = iceWorld('no way');
  for (let i = 0; i < 2; i++) {
    world.addPeer();
    await advance(world, 4000);
  }
  const [a, b] = world.peers as [TestPeer, TestPeer];
  b.overlay.onApplication(sipPort, () => assert.fail('no connection'));
  const sockets = world.paths.sockets;
  const known = new Set(world.paths.tap.map(({ from }) => from.port));
  world.paths.drop = ({ from }) => !known.has(from.port);
  const outcomes: Outcome<AppConnection, OverlayError>[] = [];
  a.overlay.appAttach([{ type: 'node', nodeId: b.nodeId }], sipPort, (outcome) => {
    outcomes.push(outcome);
  });
  await advance(world, 12_000);
  assert.equal(outcomes.length, 1);
  assert.equal(outcomes[0]?.ok, false);
  assert.equal(world.paths.sockets, sockets);
});

test('linked peers become STUN servers when the path leads to an address of their own', async () => {
  const world = iceWorld('stun peers');
  for (let i = 0; i < 3; i++) {
    world.addPeer();
    await advance(world, 4000);
  }
  const [first, second, third] = world.peers as [TestPeer, TestPeer, TestPeer];
  // Those two found each other by ICE; the first was dialed, over a stream.
  for (const [peer, other] of [
    [second, third],
    [third, second],
  ] as const) {
    assert.deepEqual(
      peer.overlay.stunServers().map(({ address }) => address),
      [other.host.address],
    );
  }
  assert.deepEqual(first.overlay.stunServers(), []);
  third.overlay.stop(() => undefined);
  await advance(world, 2000);
  assert.deepEqual(second.overlay.stunServers(), []);
});
