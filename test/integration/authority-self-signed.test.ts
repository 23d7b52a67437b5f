/** An overlay without an authority: nodes with certificates of their own making, over real links. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { Outcome } from '../../src/base/outcome.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { createClock } from '../../src/node/clock.ts';
import { createIdentity } from '../../src/node/identity.ts';
import { createSelfSignedNode, freeUserName } from '../../src/node/self-signed.ts';
import { createDialer, listenSecure } from '../../src/node/tls.ts';
import { createSelfSigned, publicKeyDer } from '../../src/node/x509.ts';
import { generatePrivateKey } from '../../src/node/keys.ts';
import { createOverlay } from '../../src/overlay/peer.ts';
import type { OverlayPeer, PingResult } from '../../src/overlay/peer-api.ts';
import type { OverlayError } from '../../src/overlay/api.ts';
import type { Certificate } from '../../src/ports/certificates.ts';
import type { SecureConnection } from '../../src/ports/connection.ts';
import type { OverlayConfig } from '../../src/ports/overlay-config.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { createKindRegistry } from '../../src/storage/kinds.ts';
import { createChord } from '../../src/topology/chord/chord.ts';
import { selfSignedNodeIds } from '../../src/trust/node-id.ts';
import { createCertificateStore } from '../../src/usages/certificates/certificate-store.ts';
import { initialKinds } from '../../src/overlay-config/build.ts';
import { createMemoryStore } from '../unit/authority/memory-store.ts';
import { testConfig } from '../unit/overlay/support/world.ts';
import { random, signatures, until, valueOf, verifier } from './authority-support.ts';

const host = '127.0.0.45';
const dayMs = 86_400_000;
const config: OverlayConfig = {
  ...testConfig,
  overlayName: 'free.example',
  rootCertificates: [],
  selfSignedPermitted: { digest: 'sha256' },
  requiredKinds: initialKinds,
};

interface Node {
  readonly overlay: OverlayPeer;
  readonly port: number;
  readonly nodeId: NodeId;
  readonly accepted: SecureConnection[];
  publish(): Promise<Outcome<void, OverlayError>>;
  certificatesOf(nodeId: NodeId): Promise<readonly Certificate[]>;
  certificatesNamed(userName: string): Promise<readonly Certificate[]>;
}

/** `stolen`: a Node-ID to claim instead of the one that follows from the key. */
async function startNode(
  t: TestContext,
  name: string,
  bootstrap: { address: string; port: number }[] | 'first',
  stolen?: NodeId,
): Promise<Node> {
  const clock = createClock();
  const nowMs = Date.now();
  const made =
    stolen === undefined
      ? valueOf(
          await createSelfSignedNode({
            config,
            userName: `${name}@free.example`,
            keyType: 'ecdsa-p256',
            nodeIdsOf: selfSignedNodeIds,
            verifier,
            nowMs,
            lifetimeMs: dayMs,
          }),
        )
      : await thief(name, stolen, nowMs);
  const { privateKey, certificate } = made;
  const identity = createIdentity(privateKey, certificate, [], signatures);
  const shown = { privateKey, chain: [certificate] };
  const tls = { verifier, trace: silentTrace, identity: () => shown };
  const accepted: SecureConnection[] = [];
  const listener = valueOf(
    await listenSecure({
      ...tls,
      host,
      port: 0,
      handshakeTimeoutMs: 2000,
      maxConnections: 50,
      onConnection(connection) {
        accepted.push(connection);
        overlay.acceptLink(connection);
      },
    }),
  );
  const overlay: OverlayPeer = createOverlay({
    identity,
    config,
    clock,
    random,
    trace: silentTrace,
    dialer: createDialer(tls),
    verifier,
    kinds: createKindRegistry(),
    store: createMemoryStore(),
    topology: createChord,
    candidates: () => [listener.local],
    appCandidates: () => [],
  });
  valueOf(overlay.start({ bootstrap }));
  t.after(async () => {
    await listener.close(true);
    clock.close();
  });
  const certificates = createCertificateStore({ overlay, clock, verifier });
  return {
    overlay,
    port: listener.local.port,
    nodeId: overlay.nodeId,
    accepted,
    publish: () =>
      new Promise((resolve) => {
        certificates.publish(identity, resolve);
      }),
    certificatesOf: async (nodeId) =>
      valueOf(
        await new Promise<Outcome<readonly Certificate[], OverlayError>>((resolve) => {
          certificates.byNode(nodeId, resolve);
        }),
      ),
    certificatesNamed: async (userName) =>
      valueOf(
        await new Promise<Outcome<readonly Certificate[], OverlayError>>((resolve) => {
          certificates.byUser(userName, resolve);
        }),
      ),
  };
}

async function thief(name: string, nodeId: NodeId, nowMs: number) {
  const privateKey = await generatePrivateKey('ecdsa-p256');
  assert.notEqual(selfSignedNodeIds(publicKeyDer(privateKey), 'sha256', 1, 16)[0], nodeId);
  const der = createSelfSigned({
    privateKey,
    nodeIds: [nodeId],
    overlayName: config.overlayName,
    userName: `${name}@free.example`,
    notBeforeMs: nowMs - 1000,
    notAfterMs: nowMs + dayMs,
  });
  return { privateKey, certificate: valueOf(verifier.parseCertificate(der)) };
}

function ping(node: Node, target: NodeId): Promise<Outcome<PingResult, OverlayError>> {
  return new Promise((resolve) => {
    node.overlay.ping([{ type: 'node', nodeId: target }], resolve);
  });
}

test('[R6940-4.1-02][R6940-11.3.1-01][R6940-11.3.1-05][R6940-11.3.1-06][R6940-11.3.1-07] nodes with certificates of their own join over TLS, sign, and store their certificates; a stolen Node-ID gets nowhere', async (t) => {
  const first = await startNode(t, 'ann', 'first');
  const bootstrap = [{ address: host, port: first.port }];
  const second = await startNode(t, 'ben', bootstrap);
  await until('both have joined', 10_000, () =>
    [first, second].every(({ overlay }) => overlay.state() === 'joined'),
  );
  assert.deepEqual(first.accepted[0]?.peerChain[0]?.nodeIds, [second.nodeId]);
  assert.equal(valueOf(await ping(second, first.nodeId)).answeredBy, first.nodeId);

  valueOf(await second.publish());
  const [found] = await first.certificatesOf(second.nodeId);
  assert.equal(found?.userName, 'ben@free.example');
  assert.deepEqual(
    (await first.certificatesNamed('ben@free.example')).map(({ nodeIds }) => nodeIds),
    [[second.nodeId]],
  );
  assert.deepEqual(await first.certificatesNamed('cyd@free.example'), []);

  const claimed = ((second.nodeId.startsWith('7') ? '8' : '7') + second.nodeId.slice(1)) as NodeId;
  const stolen = await startNode(t, 'eve', bootstrap, claimed);
  await until('the thief was heard', 5000, () => first.accepted.length > 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.notEqual(stolen.overlay.state(), 'joined');
  const linked = first.overlay.snapshot().links.map(({ nodeId }) => nodeId);
  assert.ok(!linked.includes(stolen.nodeId));
});

test('[R6940-11.3.1-08] who finds its user name taken takes another one', async (t) => {
  const first = await startNode(t, 'ann', 'first');
  const second = await startNode(t, 'ann', [{ address: host, port: first.port }]);
  await until('both have joined', 10_000, () =>
    [first, second].every(({ overlay }) => overlay.state() === 'joined'),
  );
  valueOf(await first.publish());
  const isTaken = async (node: Node, name: string): Promise<boolean> =>
    (await node.certificatesNamed(name)).some(({ nodeIds }) => !nodeIds.includes(node.nodeId));
  const freeFor = (node: Node): Promise<Outcome<string>> =>
    freeUserName('ann@free.example', (name) => isTaken(node, name));
  assert.equal(valueOf(await freeFor(second)), 'ann-2@free.example');
  assert.equal(valueOf(await freeFor(first)), 'ann@free.example', 'its own does not count');
  assert.equal((await freeUserName('x', () => Promise.resolve(true))).ok, false);
});
