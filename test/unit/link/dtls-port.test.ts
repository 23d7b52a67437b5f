import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Outcome } from '../../../src/base/outcome.ts';
import { limits } from '../../../src/base/limits.ts';
import { createDtlsDialer } from '../../../src/link/dtls-dialer.ts';
import { openDtlsPort, type DtlsPort } from '../../../src/link/dtls-port.ts';
import type { Dialer, SecureConnection, TransportAddress } from '../../../src/ports/connection.ts';
import { encodeStun } from '../../../src/wire/stun/message.ts';
import { datagramKind } from '../../../src/wire/stun/demultiplex.ts';
import { createCountingTrace, type CountingTrace } from './fakes.ts';
import { createFakeDtls, type FakeDtls } from './fake-dtls.ts';
import {
  createNetwork,
  createSimulatedClock,
  type Network,
  type SimulatedClock,
} from './ice/support/network.ts';

const at: TransportAddress = { address: '192.0.2.1', port: 6084 };

interface Scene {
  readonly clock: SimulatedClock;
  readonly network: Network;
  readonly trace: CountingTrace;
  readonly dialer: Dialer;
  readonly dtls: FakeDtls;
  readonly accepted: SecureConnection[];
  readonly port: DtlsPort;
  readonly dial: (target?: TransportAddress) => Outcome<SecureConnection>[];
  readonly run: (ms: number) => Promise<void>;
}

function scene(answersStun = true): Scene {
  const clock = createSimulatedClock();
  const network = createNetwork(clock);
  const trace = createCountingTrace();
  const dtls = createFakeDtls();
  const accepted: SecureConnection[] = [];
  const ports: DtlsPort[] = [];
  openDtlsPort(
    {
      clock,
      trace,
      sockets: network.host(),
      dtls: createFakeDtls(),
      at,
      answersStun,
      accepted: (connection) => void accepted.push(connection),
    },
    (outcome) => {
      if (outcome.ok) ports.push(outcome.value);
    },
  );
  assert.equal(ports.length, 0);
  clock.advance(1);
  const [port] = ports;
  assert.ok(port !== undefined);
  const localAddress = (): string => '192.0.2.2';
  const dialer = createDtlsDialer({ clock, sockets: network.host(), dtls, localAddress });
  return {
    clock,
    network,
    trace,
    dialer,
    dtls,
    accepted,
    port,
    dial(target = at) {
      const results: Outcome<SecureConnection>[] = [];
      dialer.dial(target, 4000, (outcome) => void results.push(outcome));
      assert.equal(results.length, 0);
      return results;
    },
    async run(ms) {
      for (let passed = 0; passed < ms; passed += 10) {
        clock.advance(10);
        await Promise.resolve();
      }
    },
  };
}

function received(connection: SecureConnection): { readonly data: string[]; closed?: string } {
  const seen: { data: string[]; closed?: string } = { data: [] };
  connection.setHandler({
    data: (bytes) => void seen.data.push(Buffer.from(bytes).toString()),
    closed: (reason) => void (seen.closed = reason),
  });
  return seen;
}

test('[R6940-6.6.6-01] [R6940-6.5.1.11-01] a dialed connection takes no STUN; each has its own socket, told apart by address', async () => {
  const { dial, run, accepted, network } = scene(false);
  const [first, second] = [dial(), dial()];
  await run(100);
  assert.ok(first[0]?.ok === true && second[0]?.ok === true);
  assert.equal(accepted.length, 2);
  assert.deepEqual(accepted[0]?.remote, first[0].value.local);
  assert.equal(first[0].value.role, 'client');
  const atFirst = received(first[0].value);
  const atSecond = received(second[0].value);
  for (const connection of accepted) connection.send(Buffer.from(String(connection.remote.port)));
  await run(100);
  assert.deepEqual(atFirst.data, [String(first[0].value.local.port)]);
  assert.deepEqual(atSecond.data, [String(second[0].value.local.port)]);
  await run(60_000);
  assert.ok(network.tap.every(({ bytes }) => datagramKind(bytes) !== 'stun'));
});

test('a close frees the socket and reaches the far end; the address may come again', async () => {
  const { dial, run, accepted, network } = scene();
  const [outcome] = await dialed(dial(), run);
  const far = accepted[0] as SecureConnection;
  const atFar = received(far);
  outcome.close('enough');
  await run(50);
  assert.equal(atFar.closed, 'closed by the far end');
  assert.equal(network.sockets, 1);
  network.forge({ address: '192.0.2.2', port: outcome.local.port }, at, Uint8Array.of(22, 0));
  await run(50);
  assert.equal(accepted.length, 2);
});

async function dialed(
  results: Outcome<SecureConnection>[],
  run: Scene['run'],
): Promise<[SecureConnection]> {
  await run(100);
  const [outcome] = results;
  assert.ok(outcome?.ok === true);
  return [outcome.value];
}

test('nobody there: the dialer gives up in time; abandoning ends an attempt; sockets are freed', async () => {
  const { clock, dialer, dial, run, network, dtls } = scene();
  const none = dial({ address: '192.0.2.9', port: 1 });
  await run(3990);
  assert.equal(none.length, 0);
  await run(20);
  assert.match(none[0]?.ok === false ? none[0].error : '', /within 4000 ms/);
  const results: boolean[] = [];
  const abandon = dialer.dial({ address: '192.0.2.9', port: 1 }, 4000, ({ ok }) =>
    results.push(ok),
  );
  await run(20);
  abandon();
  assert.equal(results.length, 0);
  clock.advance(1);
  assert.deepEqual(results, [false]);
  await run(5000);
  assert.equal(network.sockets, 1);
  assert.equal(dtls.sessions, 0);
});

test('datagrams of others do not reach a dialed connection', async () => {
  const { dial, run, network } = scene();
  const [connection] = await dialed(dial(), run);
  const seen = received(connection);
  await run(10);
  for (const from of [
    { ...at, port: 1 },
    { ...at, address: '192.0.2.7' },
  ]) {
    network.forge(from, connection.local, Uint8Array.of(23, 1));
  }
  await run(10);
  assert.deepEqual(seen.data, []);
});

test('a Binding request is answered with the address it came from, where the overlay uses ICE', async () => {
  for (const answersStun of [true, false]) {
    const { run, network, trace } = scene(answersStun);
    const request = encodeStun({
      class: 'request',
      method: 'binding',
      transactionId: '07'.repeat(12),
      attributes: {},
    });
    const asker = { address: '203.0.113.4', port: 999 };
    network.forge(asker, at, request);
    await run(10);
    const answers = network.tap.filter(({ to }) => to.address === asker.address);
    assert.equal(answers.length, answersStun ? 1 : 0);
    assert.equal(trace.count('stun_bindings_answered_total'), answersStun ? 1 : 0);
  }
});

test('everything else on the port is dropped and counted', async () => {
  const { run, network, trace, accepted } = scene();
  for (const first of [2, 16, 64, 128, 255]) {
    network.forge({ address: '203.0.113.4', port: 9 }, at, Uint8Array.of(first, 1, 2));
  }
  network.forge({ address: '203.0.113.4', port: 9 }, at, new Uint8Array(0));
  await run(10);
  assert.equal(trace.count('udp_datagrams_dropped_total', 'strange'), 6);
  assert.equal(accepted.length, 0);
});

test('closing the port ends its connections', async () => {
  const { dial, run, accepted, port, network } = scene();
  const [connection] = await dialed(dial(), run);
  const atServer = received(accepted[0] as SecureConnection);
  const atClient = received(connection);
  await run(10);
  port.close();
  await run(50);
  assert.deepEqual([atServer.closed, atClient.closed], ['port closed', 'closed by the far end']);
  assert.equal(network.sockets, 0);
});

test('data that comes before the owner listens is kept within a bound', async () => {
  const { dial, run, accepted } = scene();
  const [connection] = await dialed(dial(), run);
  for (let i = 0; i < limits.link.earlyDatagrams + 5; i++) connection.send(Buffer.from(String(i)));
  await run(50);
  const seen = received(accepted[0] as SecureConnection);
  await run(10);
  assert.deepEqual(
    seen.data,
    Array.from({ length: limits.link.earlyDatagrams }, (_, i) => String(i)),
  );
});
