/** Two hosts with real sockets and real DTLS find each other by ICE, and by dialing. */
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import type { Outcome } from '../../src/base/outcome.ts';
import type { SecureConnection } from '../../src/ports/connection.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { createIceAgent } from '../../src/link/ice/agent.ts';
import { createDatagramLink } from '../../src/link/datagram-link.ts';
import { createDatagramStream } from '../../src/link/datagram-stream.ts';
import { createDtlsDialer } from '../../src/link/dtls-dialer.ts';
import { openDtlsPort, type DtlsPort } from '../../src/link/dtls-port.ts';
import {
  createIceConnector,
  type IceConnection,
  type PreparedPath,
} from '../../src/link/ice-connector.ts';
import { createLink, type Link } from '../../src/link/link.ts';
import { createClock } from '../../src/node/clock.ts';
import { createDatagramOpener } from '../../src/node/datagram.ts';
import { createDtlsHost, type ClosableDtlsHost } from '../../src/node/dtls.ts';
import { createDialer, listenSecure, type TlsIdentity } from '../../src/node/tls.ts';
import { createRandom } from '../../src/node/random.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { key, member, nodeId, root, verifier } from '../unit/trust/world.ts';

const clock = createClock();
const authority = root();

interface Host {
  readonly nodeId: NodeId;
  readonly address: string;
  readonly dtls: ClosableDtlsHost;
  readonly identity: TlsIdentity;
  prepare(side: 'offerer' | 'answerer'): Promise<PreparedPath>;
}

const hosts: Host[] = [];
const openPorts: { close(): unknown }[] = [];
after(async () => {
  for (const port of openPorts) await port.close();
  for (const { dtls } of hosts) dtls.close();
});

function host(
  byte: number,
  kind: 'ec' | 'rsa',
  stun: readonly DtlsPort[] = [],
  address = `127.0.0.${String(byte)}`,
): Host {
  const privateKey = key(kind);
  const { certificate } = member(authority, { privateKey, nodeIds: [nodeId(byte)] });
  const identity = { privateKey, chain: [certificate] };
  const dtls = createDtlsHost({
    verifier,
    trace: silentTrace,
    identity: () => identity,
    handshakeTimeoutMs: 3000,
  });
  assert.ok(dtls.ok);
  const connector = createIceConnector({
    clock,
    random: createRandom(),
    trace: silentTrace,
    sockets: createDatagramOpener({ trace: silentTrace, ports: { from: 39_000, to: 39_400 } }),
    dtls: dtls.value,
    createAgent: createIceAgent,
    addresses: () => [address],
    servers: () => ({ stun: stun.map(({ local }) => local), turn: [] }),
  });
  const made: Host = {
    nodeId: nodeId(byte),
    address,
    dtls: dtls.value,
    identity,
    prepare: (side) =>
      new Promise((resolve, reject) => {
        connector.prepare(side, (outcome) => {
          if (outcome.ok) resolve(outcome.value);
          else reject(new Error(outcome.error));
        });
      }),
  };
  hosts.push(made);
  return made;
}

async function meet(a: Host, b: Host): Promise<readonly [IceConnection, IceConnection]> {
  const [own, far] = await Promise.all([a.prepare('offerer'), b.prepare('answerer')]);
  const connected = (path: PreparedPath, other: PreparedPath): Promise<IceConnection> =>
    new Promise((resolve, reject) => {
      path.connect(other.parameters, (outcome) => {
        if (outcome.ok) resolve(outcome.value);
        else reject(new Error(outcome.error));
      });
    });
  return await Promise.all([connected(own, far), connected(far, own)]);
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < end, 'in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function link(connection: SecureConnection, peer: Host, got: string[]): Link {
  const create = connection.datagramBytes === undefined ? createLink : createDatagramLink;
  return create({
    clock,
    trace: silentTrace,
    connection,
    nodeId: peer.nodeId,
    maxMessageBytes: () => 5000,
    events: {
      message: (bytes) => void got.push(Buffer.from(bytes).toString()),
      oversized: () => undefined,
      suspect: () => undefined,
      closed: (reason) => void got.push(`closed: ${reason}`),
    },
  });
}

for (const kind of ['ec', 'rsa'] as const) {
  test(`two ${kind} nodes are linked over the path that ICE finds, and each knows whom it is linked with`, async () => {
    const [a, b] = [host(0x45, kind), host(0x46, kind)];
    const [atA, atB] = await meet(a, b);
    assert.deepEqual(atA.connection.peerChain[0]?.nodeIds, [b.nodeId]);
    assert.deepEqual(atB.connection.peerChain[0]?.nodeIds, [a.nodeId]);
    assert.deepEqual([atA.connection.role, atB.connection.role], ['server', 'client']);
    const { port } = atA.path.local;
    assert.ok(port >= 39_000 && port <= 39_400);
    const got: [string[], string[]] = [[], []];
    const linkA = link(atA.connection, b, got[0]);
    const linkB = link(atB.connection, a, got[1]);
    let acknowledged = false;
    linkA.send(Buffer.from('to b'), (ok) => (acknowledged = ok));
    linkB.send(Buffer.from('to a'));
    await until(() => acknowledged && got[0].length > 0);
    assert.deepEqual(got, [['to a'], ['to b']]);
    linkA.close('enough');
    await until(() => linkA.closed && linkB.closed);
    assert.equal(got[1].at(-1), 'closed: closed by the far end');
    assert.equal(a.dtls.size + b.dtls.size, 0);
  });
}

test('over IPv6 two nodes find each other, are told where they are seen, and are linked', async (t) => {
  if (!loopbackAddresses().includes('::1')) {
    t.skip('there is no IPv6 on this machine');
    return;
  }
  const server = host(0x4d, 'ec', [], '::1');
  const port = await openPort(server, true);
  const [a, b] = [host(0x4e, 'ec', [port], '::1'), host(0x4f, 'rsa', [], '::1')];
  const [atA, atB] = await meet(a, b);
  assert.deepEqual(atA.connection.peerChain[0]?.nodeIds, [b.nodeId]);
  assert.deepEqual([atA.path.local.address, atA.path.remote.address], ['::1', '::1']);
  const got: [string[], string[]] = [[], []];
  const links = [link(atA.connection, b, got[0]), link(atB.connection, a, got[1])] as const;
  links[0].send(Buffer.from('to b'));
  links[1].send(Buffer.from('to a'));
  await until(() => got[0].length + got[1].length === 2);
  assert.deepEqual(got, [['to a'], ['to b']]);
  links[0].close('enough');
  await until(() => links[1].closed);
  // On this network the reflexive address is the own one, so it is told once.
  const prepared = await a.prepare('offerer');
  assert.deepEqual(
    prepared.parameters.candidates.map(({ addrPort, type }) => [type, addrPort.type]),
    [['host', 'ipv6']],
  );
  prepared.abandon();
});

test('a megabyte crosses the stream over such a path intact', async () => {
  const [a, b] = [host(0x47, 'ec'), host(0x48, 'ec')];
  const [atA, atB] = await meet(a, b);
  const trace = silentTrace;
  const from = createDatagramStream({ clock, trace, connection: atA.connection });
  const to = createDatagramStream({ clock, trace, connection: atB.connection });
  const got: Buffer[] = [];
  let length = 0;
  from.setHandler({ data: () => undefined, closed: () => undefined });
  to.setHandler({
    data(bytes) {
      got.push(Buffer.from(bytes));
      length += bytes.length;
    },
    closed: () => undefined,
  });
  const sent = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
  for (let at = 0; at < sent.length; at += 4096) from.send(sent.subarray(at, at + 4096));
  await until(() => length >= sent.length);
  assert.equal(Buffer.compare(Buffer.concat(got), sent), 0);
  from.close('done');
  await until(() => a.dtls.size + b.dtls.size === 0);
});

test('a bootstrap port is dialed by DTLS, and tells ICE agents where they are seen', async () => {
  const server = host(0x49, 'ec');
  const accepted: SecureConnection[] = [];
  const opened = await new Promise<Outcome<DtlsPort>>((resolve) => {
    openDtlsPort(
      {
        clock,
        trace: silentTrace,
        sockets: createDatagramOpener({ trace: silentTrace }),
        dtls: server.dtls,
        at: { address: server.address, port: 0 },
        answersStun: true,
        accepted: (connection) => void accepted.push(connection),
      },
      resolve,
    );
  });
  assert.ok(opened.ok);
  const client = host(0x4a, 'rsa', [opened.value]);
  const dialer = createDtlsDialer({
    clock,
    sockets: createDatagramOpener({ trace: silentTrace }),
    dtls: client.dtls,
    localAddress: () => client.address,
  });
  const outcome = await new Promise<Outcome<SecureConnection>>((resolve) => {
    dialer.dial(opened.value.local, 3000, resolve);
  });
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error);
  await until(() => accepted.length === 1);
  assert.deepEqual(accepted[0]?.peerChain[0]?.nodeIds, [client.nodeId]);
  assert.deepEqual(outcome.value.peerChain[0]?.nodeIds, [server.nodeId]);
  // On this network the reflexive address is the own one, so it is told once.
  const prepared = await client.prepare('offerer');
  assert.deepEqual(
    prepared.parameters.candidates.map(({ type }) => type),
    ['host'],
  );
  prepared.abandon();
  outcome.value.close('done');
  opened.value.close();
  await until(() => client.dtls.size + server.dtls.size === 0);
});

test('[R6940-6.6-01] each of the three link types carries messages both ways', async () => {
  const [a, b] = [host(0x4b, 'ec'), host(0x4c, 'ec')];
  const [atA, atB] = await meet(a, b);
  const pairs = [[atA.connection, atB.connection], await dialed(a, b), await dialedStream(a, b)];
  for (const [own, far] of pairs) {
    assert.ok(own !== undefined && far !== undefined);
    const got: [string[], string[]] = [[], []];
    const links = [link(own, b, got[0]), link(far, a, got[1])] as const;
    links[0].send(Buffer.from('to b'));
    links[1].send(Buffer.from('to a'));
    await until(() => got[0].length + got[1].length === 2);
    assert.deepEqual(got, [['to a'], ['to b']]);
    links[0].close('enough');
    await until(() => links[0].closed && links[1].closed);
  }
});

function loopbackAddresses(): string[] {
  return (networkInterfaces()['lo'] ?? []).map(({ address }) => address);
}

async function openPort(
  at: Host,
  answersStun: boolean,
  accepted: SecureConnection[] = [],
): Promise<DtlsPort> {
  const port = await new Promise<Outcome<DtlsPort>>((resolve) => {
    openDtlsPort(
      {
        clock,
        trace: silentTrace,
        sockets: createDatagramOpener({ trace: silentTrace }),
        dtls: at.dtls,
        at: { address: at.address, port: 0 },
        answersStun,
        accepted: (connection) => void accepted.push(connection),
      },
      resolve,
    );
  });
  assert.ok(port.ok);
  openPorts.push(port.value);
  return port.value;
}

/** DTLS-UDP-SR-NO-ICE: `a` dials, `b` listens. */
async function dialed(a: Host, b: Host): Promise<readonly SecureConnection[]> {
  const accepted: SecureConnection[] = [];
  const sockets = createDatagramOpener({ trace: silentTrace });
  const port = await openPort(b, false, accepted);
  const localAddress = (): string => a.address;
  const dialer = createDtlsDialer({ clock, sockets, dtls: a.dtls, localAddress });
  const outcome = await new Promise<Outcome<SecureConnection>>((resolve) => {
    dialer.dial(port.local, 3000, resolve);
  });
  assert.ok(outcome.ok);
  await until(() => accepted.length === 1);
  return [outcome.value, ...accepted];
}

/** TLS-TCP-FH-NO-ICE. */
async function dialedStream(a: Host, b: Host): Promise<readonly SecureConnection[]> {
  const accepted: SecureConnection[] = [];
  const common = { verifier, trace: silentTrace };
  const listener = await listenSecure({
    ...common,
    identity: () => b.identity,
    host: b.address,
    port: 0,
    onConnection: (connection) => void accepted.push(connection),
    handshakeTimeoutMs: 2000,
    maxConnections: 10,
  });
  assert.ok(listener.ok);
  openPorts.push({ close: () => listener.value.close(true) });
  const outcome = await new Promise<Outcome<SecureConnection>>((resolve) => {
    createDialer({ ...common, identity: () => a.identity }).dial(
      listener.value.local,
      3000,
      resolve,
    );
  });
  assert.ok(outcome.ok);
  await until(() => accepted.length === 1);
  return [outcome.value, ...accepted];
}
