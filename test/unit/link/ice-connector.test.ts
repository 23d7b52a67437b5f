import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { SecureConnection } from '../../../src/ports/connection.ts';
import type { DatagramOpener } from '../../../src/ports/datagram.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createIceAgent } from '../../../src/link/ice/agent.ts';
import {
  createIceConnector,
  type IceConnection,
  type IceConnector,
  type IceSide,
  type PreparedPath,
} from '../../../src/link/ice-connector.ts';
import { datagramKind } from '../../../src/wire/stun/demultiplex.ts';
import { createFakeDtls, type FakeDtls } from './fake-dtls.ts';
import {
  createNetwork,
  createSeededRandom,
  createSimulatedClock,
  type Network,
  type SimulatedClock,
} from './ice/support/network.ts';

interface Side {
  readonly connector: IceConnector;
  readonly dtls: FakeDtls;
}

interface Scene {
  readonly clock: SimulatedClock;
  readonly network: Network;
  readonly requester: Side;
  readonly answerer: Side;
  /** Time goes on, and hellos leave. */
  run(ms: number): Promise<void>;
}

function scene(options: Parameters<typeof createFakeDtls>[0] = {}): Scene {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const side = (address: string, sockets: DatagramOpener): Side => {
    const dtls = createFakeDtls(options);
    const connector = createIceConnector({
      clock,
      random: createSeededRandom(address),
      trace: silentTrace,
      sockets,
      dtls,
      createAgent: createIceAgent,
      addresses: () => [address],
      servers: () => ({ stun: [], turn: [] }),
    });
    return { connector, dtls };
  };
  return {
    clock,
    network,
    requester: side('192.0.2.1', network.host()),
    answerer: side('192.0.2.2', network.host()),
    async run(ms) {
      for (let passed = 0; passed < ms; passed += 10) {
        clock.advance(10);
        await Promise.resolve();
      }
    },
  };
}

function prepare({ clock }: Scene, side: Side, role: IceSide): PreparedPath {
  const paths: PreparedPath[] = [];
  side.connector.prepare(role, (outcome) => {
    if (outcome.ok) paths.push(outcome.value);
  });
  assert.equal(paths.length, 0);
  clock.advance(1200);
  const [path] = paths;
  assert.ok(path !== undefined);
  return path;
}

interface Pair {
  readonly own: Outcome<IceConnection>;
  readonly far: Outcome<IceConnection>;
}

async function connect(given: Scene): Promise<Pair> {
  const own = prepare(given, given.requester, 'offerer');
  const far = prepare(given, given.answerer, 'answerer');
  const results: { own?: Outcome<IceConnection>; far?: Outcome<IceConnection> } = {};
  far.connect(own.parameters, (outcome) => (results.far = outcome));
  await given.run(20);
  own.connect(far.parameters, (outcome) => (results.own = outcome));
  await given.run(2000);
  assert.ok(results.own !== undefined && results.far !== undefined);
  return { own: results.own, far: results.far };
}

function received(connection: SecureConnection): { readonly data: string[]; closed?: string } {
  const seen: { data: string[]; closed?: string } = { data: [] };
  connection.setHandler({
    data: (bytes) => void seen.data.push(Buffer.from(bytes).toString()),
    closed: (reason) => void (seen.closed = reason),
  });
  return seen;
}

test('[R6940-6.5.1.13-01] [R6940-6.6.4-01] a path by checks, a handshake in which the answerer is client, keep-alives when idle', async () => {
  const given = scene();
  const { own, far } = await connect(given);
  assert.ok(own.ok && far.ok);
  assert.deepEqual(
    [given.requester.dtls.roles, given.answerer.dtls.roles],
    [['server'], ['client']],
  );
  assert.equal(own.value.connection.role, 'server');
  const firstDtls = given.network.tap.findIndex(({ bytes }) => datagramKind(bytes) === 'dtls');
  const checks = given.network.tap.slice(0, firstDtls);
  assert.ok(checks.length >= 4 && checks.every(({ bytes }) => datagramKind(bytes) === 'stun'));
  const before = given.network.tap.length;
  await given.run(16_000);
  const idle = given.network.tap.slice(before);
  // Binding indications (RFC 8489 §5).
  assert.ok(idle.length >= 2);
  for (const { bytes } of idle) assert.deepEqual([bytes[0], bytes[1]], [0x00, 0x11]);
});

test('[R6940-6.6.3.1-07] the connection tells the round trip of its checks and the size of a datagram', async () => {
  const { own, far } = await connect(scene());
  assert.ok(own.ok && far.ok);
  assert.equal(own.value.connection.stunRttMs, 20);
  assert.equal(far.value.connection.datagramBytes, 1163);
});

test('[R6940-6.5.1.14-01] a hello that overtakes the end of ICE is not lost', async () => {
  const given = scene();
  const { network } = given;
  // The answerer hears that its path is chosen; the first answer to that is lost.
  const nominations = new Set<string>();
  let lost = 0;
  let hellosBefore = 0;
  network.drop = ({ bytes, to }) => {
    const transaction = Buffer.from(bytes.subarray(8, 20)).toString('hex');
    if (datagramKind(bytes) === 'dtls' && to.address === '192.0.2.1' && lost > 0) hellosBefore++;
    if (bytes[0] === 0 && bytes[1] === 1 && Buffer.from(bytes).includes('00250000', 0, 'hex')) {
      nominations.add(transaction);
    }
    const isAnswer = bytes[0] === 1 && bytes[1] === 1;
    if (!isAnswer || !nominations.has(transaction) || lost > 0) return false;
    lost++;
    return true;
  };
  const { own, far } = await connect(given);
  assert.ok(own.ok && far.ok);
  assert.deepEqual([lost, hellosBefore], [1, 1]);
});

test('data flows both ways, early data too, and a close reaches the far end and frees everything', async () => {
  const given = scene();
  const { own, far } = await connect(given);
  assert.ok(own.ok && far.ok);
  const [a, b] = [own.value.connection, far.value.connection];
  b.send(Buffer.from('early'));
  await given.run(50);
  const atA = received(a);
  await given.run(10);
  const atB = received(b);
  a.send(Buffer.from('to b'));
  await given.run(50);
  assert.deepEqual([atA.data, atB.data], [['early'], ['to b']]);
  a.close('enough');
  a.close('again');
  a.send(Buffer.from('late'));
  await given.run(50);
  assert.deepEqual([atA.closed, atB.closed], ['enough', 'closed by the far end']);
  assert.equal(given.network.sockets, 0);
  assert.equal(given.requester.dtls.sessions + given.answerer.dtls.sessions, 0);
});

test('a path that goes dead ends the connection', async () => {
  const given = scene();
  const { own, far } = await connect(given);
  assert.ok(own.ok && far.ok);
  const seen = received(own.value.connection);
  given.network.drop = () => true;
  await given.run(90_000);
  assert.match(seen.closed ?? '', /silent/);
  assert.equal(given.requester.dtls.sessions, 0);
});

test('without a way between both ends both learn that there is none', async () => {
  const given = scene();
  given.network.drop = () => true;
  const own = prepare(given, given.requester, 'offerer');
  const far = prepare(given, given.answerer, 'answerer');
  let failed = 0;
  own.connect(far.parameters, (outcome) => (failed += outcome.ok ? 0 : 1));
  far.connect(own.parameters, (outcome) => (failed += outcome.ok ? 0 : 1));
  await given.run(12_000);
  assert.equal(failed, 2);
  assert.equal(given.network.sockets, 0);
});

test('giving up is silent, in every state, and frees the sockets', async () => {
  const given = scene();
  const silent = (): void => assert.fail('called back');
  given.requester.connector.prepare('offerer', silent)();
  await given.run(1500);
  const gathered = prepare(given, given.requester, 'offerer');
  gathered.abandon();
  gathered.abandon();
  const far = prepare(given, given.answerer, 'answerer');
  far.connect(gathered.parameters, silent);
  await given.run(100);
  far.abandon();
  await given.run(12_000);
  assert.equal(given.network.sockets, 0);
});

test('a host with too many sessions fails the connection and closes the path', async () => {
  const { own, far } = await connect(scene({ maxSessions: 0 }));
  assert.ok(!own.ok && !far.ok);
  assert.match(own.error, /too many/);
});
