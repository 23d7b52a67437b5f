import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Outcome } from '../../src/base/outcome.ts';
import type { TransportAddress } from '../../src/ports/connection.ts';
import type { DatagramSocket } from '../../src/ports/datagram.ts';
import { createDatagramOpener } from '../../src/node/datagram.ts';
import { createCountingTrace } from '../unit/link/fakes.ts';

const address = '127.0.0.43';
const open: DatagramSocket[] = [];
after(() => {
  for (const socket of open) socket.close();
});

interface Opened {
  readonly outcome: Outcome<DatagramSocket>;
  readonly received: { readonly text: string; readonly from: TransportAddress }[];
}

async function bind(
  at: TransportAddress,
  opener = createDatagramOpener({ trace: createCountingTrace() }),
): Promise<Opened> {
  const received: Opened['received'] = [];
  const outcome = await new Promise<Outcome<DatagramSocket>>((resolve) => {
    let inside = true;
    opener.open(
      at,
      {
        received: (bytes, from) =>
          void received.push({ text: Buffer.from(bytes).toString(), from }),
      },
      (result) => {
        assert.equal(inside, false, 'never inside the call');
        resolve(result);
      },
    );
    inside = false;
  });
  if (outcome.ok) open.push(outcome.value);
  return { outcome, received };
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 3000;
  while (!condition()) {
    assert.ok(performance.now() < end, 'in time');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test('datagrams go between sockets with the sender told, and what was sent before a close leaves', async () => {
  const [a, b] = [await bind({ address, port: 0 }), await bind({ address, port: 0 })];
  assert.ok(a.outcome.ok && b.outcome.ok);
  const [from, to] = [a.outcome.value, b.outcome.value];
  assert.equal(from.local.address, address);
  from.send(Buffer.from('one'), to.local);
  from.send(Buffer.from('two'), to.local);
  from.close();
  from.close();
  from.send(Buffer.from('three'), to.local);
  await until(() => b.received.length === 2);
  assert.deepEqual(b.received, [
    { text: 'one', from: from.local },
    { text: 'two', from: from.local },
  ]);
});

test('a port in use, and an address that is not ours, are named', async () => {
  const first = await bind({ address, port: 0 });
  assert.ok(first.outcome.ok);
  const { port } = first.outcome.value.local;
  const second = await bind({ address, port });
  assert.match(
    second.outcome.ok ? '' : second.outcome.error,
    new RegExp(`${address}:${port}: .*use`),
  );
  const elsewhere = await bind({ address: '203.0.113.77', port: 0 });
  assert.match(elsewhere.outcome.ok ? '' : elsewhere.outcome.error, /does not have the address/);
});

test('a range of ports is kept to; ports of it that are taken are passed over until none is left', async () => {
  const range = { from: 38_500, to: 38_503 };
  const opener = createDatagramOpener({ trace: createCountingTrace(), ports: range });
  await bind({ address, port: 38_501 });
  const ports: number[] = [];
  for (let i = 0; i < 3; i++) {
    const { outcome } = await bind({ address, port: 0 }, opener);
    assert.ok(outcome.ok);
    ports.push(outcome.value.local.port);
  }
  assert.deepEqual(ports, [38_500, 38_502, 38_503]);
  assert.equal((await bind({ address, port: 0 }, opener)).outcome.ok, false);
});

test('datagrams to another address family, and beyond the queue, are lost and counted', async () => {
  const trace = createCountingTrace();
  const { outcome } = await bind({ address, port: 0 }, createDatagramOpener({ trace }));
  assert.ok(outcome.ok);
  outcome.value.send(Buffer.from('x'), { address: '::1', port: 9 });
  assert.equal(trace.count('udp_datagrams_dropped_total', 'not-sent'), 1);
  for (let i = 0; i < 1100; i++) outcome.value.send(Buffer.from('x'), { address, port: 9 });
  assert.equal(trace.count('udp_datagrams_dropped_total', 'queue-full'), 1100 - 1024);
});
