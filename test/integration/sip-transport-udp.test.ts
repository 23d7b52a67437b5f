import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { silentTrace } from '../../src/ports/trace.ts';
import type { Flow, FlowTarget } from '../../src/ports/flow.ts';
import type { Outcome } from '../../src/base/outcome.ts';
import { createSipTransports } from '../../src/node/sip-transports.ts';
import { bindingAnswer } from '../../src/wire/stun/binding-answer.ts';
import type {
  SipListener,
  SipTransports,
  SipTransportsOptions,
} from '../../src/node/sip-transports.ts';
import { createStreamFramer } from '../../src/sip/message/stream-framer.ts';

interface Server {
  readonly transports: SipTransports;
  readonly received: { readonly flow: Flow; readonly text: string }[];
  /** Resolves when the next message arrives. */
  next(): Promise<{ readonly flow: Flow; readonly text: string }>;
}

async function serve(
  t: TestContext,
  listeners: readonly SipListener[],
  extra: Partial<SipTransportsOptions> = {},
): Promise<Server> {
  const received: { flow: Flow; text: string }[] = [];
  const waiting: (() => void)[] = [];
  let taken = 0;
  const transports = createSipTransports({
    listeners,
    trace: silentTrace,
    createFramer: createStreamFramer,
    events: {
      message(flow, bytes) {
        received.push({ flow, text: Buffer.from(bytes).toString('latin1') });
        waiting.shift()?.();
      },
      closed: () => undefined,
    },
    ...extra,
  });
  await transports.start();
  t.after(() => transports.close());
  return {
    transports,
    received,
    async next() {
      if (received.length <= taken) await new Promise<void>((resolve) => waiting.push(resolve));
      return received[taken++] as { flow: Flow; text: string };
    },
  };
}

function open(transports: SipTransports, target: FlowTarget): Promise<Outcome<Flow>> {
  return new Promise((resolve) => {
    transports.opener.open(target, resolve);
  });
}

async function phone(t: TestContext, address = '127.0.0.1'): Promise<dgram.Socket> {
  const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  t.after(() => {
    socket.close();
  });
  return socket;
}

const udp4: SipListener = { name: 'phones', transport: 'udp', address: '127.0.0.1', port: 0 };

for (const address of ['127.0.0.1', '::1']) {
  test(`[S3581-4-03] a datagram is answered from the address and port it came to (${address})`, async (t) => {
    const server = await serve(t, [
      { ...udp4, address },
      { ...udp4, name: 'other', address },
    ]);
    const socket = await phone(t, address);
    const { port } = server.transports.bound[0] as SipListener;
    socket.send('OPTIONS sip:a SIP/2.0\r\n\r\n', port, address);
    const { flow, text } = await server.next();
    assert.equal(text, 'OPTIONS sip:a SIP/2.0\r\n\r\n');
    assert.equal(flow.listener, 'phones');
    assert.deepEqual(flow.remote, { address, port: socket.address().port });
    const reply = once(socket, 'message') as Promise<[Buffer, dgram.RemoteInfo]>;
    assert.ok(flow.send(Buffer.from('SIP/2.0 200 OK\r\n\r\n')));
    const [bytes, from] = await reply;
    assert.equal(bytes.toString(), 'SIP/2.0 200 OK\r\n\r\n');
    assert.equal(from.port, port);
    assert.equal(server.transports.opener.find(flow.id), flow);
    const again = await open(server.transports, {
      transport: 'udp',
      ...flow.remote,
      listener: 'phones',
    });
    assert.ok(again.ok && again.value === flow);
  });
}

test('a UDP flow id finds the same phone again after a restart', async (t) => {
  const first = await serve(t, [udp4]);
  const { port } = first.transports.bound[0] as SipListener;
  const socket = await phone(t);
  socket.send('OPTIONS sip:a SIP/2.0\r\n\r\n', port, '127.0.0.1');
  const { id } = (await first.next()).flow;
  assert.match(id, /^udp:phones:127\.0\.0\.1:\d+$/);
  await first.transports.close();
  const second = await serve(t, [{ ...udp4, port }]);
  const flow = second.transports.opener.find(id);
  assert.ok(flow !== undefined && !flow.closed);
  const reply = once(socket, 'message') as Promise<[Buffer]>;
  flow.send(Buffer.from('INVITE'));
  assert.equal((await reply)[0].toString(), 'INVITE');
  for (const other of [
    'udp:phones',
    'udp:nobody:127.0.0.1:5060',
    'udp:phones:127.0.0.1:0',
    'tcp:phones:1.1',
  ]) {
    assert.equal(second.transports.opener.find(other), undefined, other);
  }
});

test('[S3261-18.1.1-02] datagrams of almost 64 kB arrive whole', async (t) => {
  const server = await serve(t, [udp4]);
  const socket = await phone(t);
  const { port } = server.transports.bound[0] as SipListener;
  const big = `MESSAGE sip:a SIP/2.0\r\n\r\n${'x'.repeat(60_000)}`;
  socket.send(big, port, '127.0.0.1');
  const { flow, text } = await server.next();
  assert.equal(text, big);
  assert.equal(flow.send(Buffer.alloc(65_508)), false);
});

test('[S5626-8-01] STUN is told from SIP by its first bytes; keep-alives are ignored', async (t) => {
  const server = await serve(t, [udp4], {
    stun: (bytes, remote, reply) => {
      reply(Buffer.from(`stun ${String(bytes.length)} ${remote.address}`));
    },
  });
  const socket = await phone(t);
  const { port } = server.transports.bound[0] as SipListener;
  const reply = once(socket, 'message') as Promise<[Buffer]>;
  socket.send('\r\n\r\n', port, '127.0.0.1');
  socket.send('\0', port, '127.0.0.1');
  socket.send('', port, '127.0.0.1');
  socket.send(Buffer.concat([Buffer.from([0, 1, 0, 0]), Buffer.alloc(16)]), port, '127.0.0.1');
  assert.equal((await reply)[0].toString(), 'stun 20 127.0.0.1');
  socket.send('OPTIONS sip:a SIP/2.0\r\n\r\n', port, '127.0.0.1');
  assert.match((await server.next()).text, /^OPTIONS/);
  assert.equal(server.received.length, 1);
});

test('[S5626-5.4-01] [S5626-8-01] a Binding request on the SIP port is answered from there with the source seen', async (t) => {
  const server = await serve(t, [udp4], {
    stun: (bytes, remote, reply) => {
      const answer = bindingAnswer(bytes, remote);
      if (answer !== undefined) reply(answer);
    },
  });
  const socket = await phone(t);
  const { port } = server.transports.bound[0] as SipListener;
  const transactionId = Buffer.from('0123456789ab');
  const request = Buffer.concat([Buffer.from('000100002112a442', 'hex'), transactionId]);
  const reply = once(socket, 'message') as Promise<[Buffer, { address: string; port: number }]>;
  // An indication and a request of another magic cookie get no answer.
  socket.send(Buffer.from(request).fill(0x11, 1, 2), port, '127.0.0.1');
  socket.send(Buffer.from(request).fill(0, 4, 8), port, '127.0.0.1');
  socket.send(request, port, '127.0.0.1');
  const [answer, from] = await reply;
  assert.deepEqual([from.address, from.port], ['127.0.0.1', port]);
  assert.equal(answer.readUInt16BE(0), 0x0101);
  assert.deepEqual(answer.subarray(8, 20), transactionId);
  assert.equal(answer.readUInt16BE(20), 0x0020, 'XOR-MAPPED-ADDRESS');
  assert.equal(answer.readUInt16BE(26) ^ 0x2112, socket.address().port);
  assert.equal((answer.readUInt32BE(28) ^ 0x2112a442) >>> 0, 0x7f000001);
  assert.equal(server.received.length, 0);
});

test('the number of flow objects is bounded, and all neighbours stay reachable', async (t) => {
  const server = await serve(t, [udp4], { limits: { udpFlows: 4 } });
  const seen = new Set<Flow>();
  for (let port = 20_000; port < 20_050; port++) {
    const flow = server.transports.opener.find(`udp:phones:127.0.0.1:${String(port)}`);
    assert.ok(flow !== undefined);
    assert.equal(flow.remote.port, port);
    seen.add(flow);
  }
  assert.equal(seen.size, 50);
});

test('a port in use is named, and nothing stays bound', async (t) => {
  const taken = await serve(t, [udp4, { ...udp4, name: 'tcp', transport: 'tcp' }]);
  for (const { transport, port } of taken.transports.bound) {
    const free = await phone(t);
    const freePort = free.address().port;
    free.removeAllListeners();
    const transports = createSipTransports({
      listeners: [
        { name: 'good', transport: 'tcp', address: '127.0.0.1', port: freePort },
        { name: 'bad', transport, address: '127.0.0.1', port },
      ],
      trace: silentTrace,
      createFramer: createStreamFramer,
      events: { message: () => undefined, closed: () => undefined },
    });
    await assert.rejects(transports.start(), {
      message: `SIP listener bad: cannot listen on ${transport} 127.0.0.1:${String(port)}: the port is in use (EADDRINUSE)`,
    });
    await serve(t, [{ name: 'again', transport: 'tcp', address: '127.0.0.1', port: freePort }]);
  }
});

test('after close a flow refuses to send', async (t) => {
  const server = await serve(t, [udp4]);
  const flow = server.transports.opener.find('udp:phones:127.0.0.1:9');
  await server.transports.close();
  assert.equal(flow?.closed, true);
  assert.equal(flow.send(Buffer.from('x')), false);
});
