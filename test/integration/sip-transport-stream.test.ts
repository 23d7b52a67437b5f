import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import tls from 'node:tls';
import { WebSocket } from 'ws';
import forge from 'node-forge';
import type { Outcome } from '../../src/base/outcome.ts';
import type { Flow, FlowTarget } from '../../src/ports/flow.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { createSipTransports } from '../../src/node/sip-transports.ts';
import type {
  SipListener,
  SipTransports,
  SipTransportsOptions,
} from '../../src/node/sip-transports.ts';
import { parseMessage } from '../../src/sip/message/message.ts';
import { createStreamFramer } from '../../src/sip/message/stream-framer.ts';

const message = 'OPTIONS sip:a SIP/2.0\r\nContent-Length: 4\r\n\r\nbody';
const answer = 'SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n';

interface Server {
  readonly transports: SipTransports;
  readonly port: number;
  readonly messages: { readonly flow: Flow; readonly text: string }[];
  readonly closed: string[];
}

async function serve(
  t: TestContext,
  listener: Partial<SipListener> = {},
  extra: Partial<SipTransportsOptions> = {},
): Promise<Server> {
  const messages: { flow: Flow; text: string }[] = [];
  const closed: string[] = [];
  const transports = createSipTransports({
    listeners: [{ name: 'phones', transport: 'tcp', address: '127.0.0.1', port: 0, ...listener }],
    trace: silentTrace,
    createFramer: createStreamFramer,
    events: {
      message(flow, bytes) {
        const text = Buffer.from(bytes).toString('latin1');
        messages.push({ flow, text });
        if (text.startsWith('OPTIONS')) flow.send(Buffer.from(answer));
      },
      closed: (_flow, reason) => closed.push(reason),
    },
    ...extra,
  });
  await transports.start();
  t.after(() => transports.close());
  return { transports, port: transports.bound[0]?.port ?? 0, messages, closed };
}

async function connect(t: TestContext, port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  t.after(() => socket.destroy());
  return socket;
}

/** Waits until the socket has received so much text. */
async function read(socket: net.Socket, length: number): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1');
    if (text.length >= length) break;
  }
  return text;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++)
    await new Promise((resolve) => setTimeout(resolve, 4));
  assert.ok(condition());
}

function open(transports: SipTransports, target: FlowTarget): Promise<Outcome<Flow>> {
  return new Promise((resolve) => {
    transports.opener.open(target, resolve);
  });
}

function selfSigned(): { key: string; cert: string } {
  const keys = forge.pki.rsa.generateKeyPair(2048);
  const cert = forge.pki.createCertificate();
  cert.publicKey = keys.publicKey;
  cert.serialNumber = '01';
  cert.validity.notBefore = new Date(Date.now() - 60_000);
  cert.validity.notAfter = new Date(Date.now() + 3_600_000);
  const name = [{ name: 'commonName', value: 'sip.example' }];
  cert.setSubject(name);
  cert.setIssuer(name);
  cert.setExtensions([{ name: 'subjectAltName', altNames: [{ type: 2, value: 'sip.example' }] }]);
  cert.sign(keys.privateKey, forge.md.sha256.create());
  return {
    key: forge.pki.privateKeyToPem(keys.privateKey),
    cert: forge.pki.certificateToPem(cert),
  };
}

test('[S3261-18.3-02] [S3261-18.2.2-01] messages are cut from the stream and answered on their connection', async (t) => {
  const server = await serve(t);
  const socket = await connect(t, server.port);
  socket.setNoDelay(true);
  socket.write(message + message + message.slice(0, 10));
  await until(() => server.messages.length === 2);
  socket.write(message.slice(10));
  assert.equal(await read(socket, 3 * answer.length), answer.repeat(3));
  assert.deepEqual(
    server.messages.map(({ text }) => text),
    [message, message, message],
  );
  const flow = server.messages[0]?.flow;
  assert.ok(flow?.reliable === true && !flow.secure && flow.transport === 'tcp');
  assert.equal(server.transports.opener.find(flow.id), flow);
});

test('[S5626-5.4-02] a double line end is answered with one', async (t) => {
  const server = await serve(t);
  const socket = await connect(t, server.port);
  socket.write('\r\n\r\n');
  assert.equal(await read(socket, 2), '\r\n');
  socket.write(message);
  assert.equal(await read(socket, answer.length), answer);
});

test('[S4475-3.3.9-01] a contradictory Content-Length goes up to be answered, then the connection is closed', async (t) => {
  const server = await serve(t);
  const socket = await connect(t, server.port);
  socket.write('OPTIONS sip:a SIP/2.0\r\nContent-Length: 4\r\nl: 5\r\n\r\nbody');
  assert.equal(await read(socket, answer.length), answer);
  await until(() => server.closed.length === 1);
  assert.deepEqual(server.closed, ['bad-content-length']);
  assert.equal(server.messages.length, 1);
  assert.equal(server.messages[0]?.flow.closed, true);
  assert.equal(server.messages[0].flow.send(Buffer.from('x')), false);
});

test('a connection that says nothing is closed, one that spoke is kept', async (t) => {
  const server = await serve(t, {}, { limits: { firstMessageMs: 40 } });
  const silent = await connect(t, server.port);
  const speaking = await connect(t, server.port);
  speaking.write(message);
  await once(silent.resume(), 'close');
  assert.deepEqual(server.closed, ['idle']);
  speaking.write(message);
  await until(() => server.messages.length === 2);
});

test('[S5626-5.4-03] a flow that promised traffic is closed when it falls silent for longer, no sooner', async (t) => {
  const server = await serve(t);
  const socket = await connect(t, server.port);
  socket.write(message);
  await until(() => server.messages.length === 1);
  const flow = server.messages[0]?.flow;
  assert.ok(flow?.expectTraffic !== undefined);
  flow.expectTraffic(150);
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    socket.write('\r\n\r\n');
  }
  assert.equal(flow.closed, false, 'pings keep it');
  const silentSince = performance.now();
  await until(() => flow.closed);
  assert.ok(performance.now() - silentSince >= 140);
  assert.deepEqual(server.closed, ['idle']);
});

test('the number of connections is bounded, in all and for one address', async (t) => {
  for (const limits of [{ connections: 2 }, { connectionsPerAddress: 2 }]) {
    const server = await serve(t, {}, { limits });
    const kept = [await connect(t, server.port), await connect(t, server.port)];
    await connect(t, server.port).then((socket) => once(socket.resume(), 'close'));
    kept[0]?.end();
    await until(() => server.closed.length === 1);
    const socket = await connect(t, server.port);
    socket.write(message);
    assert.equal(await read(socket, answer.length), answer);
  }
});

test('a neighbour that does not read is cut off at the output bound', async (t) => {
  const server = await serve(t, {}, { limits: { outputBytes: 100_000 } });
  const socket = await connect(t, server.port);
  socket.write(message);
  await until(() => server.messages.length === 1);
  const flow = server.messages[0]?.flow as Flow;
  socket.pause();
  const chunk = Buffer.alloc(50_000);
  let sends = 0;
  while (flow.send(chunk)) assert.ok(++sends < 1000);
  assert.deepEqual(server.closed, ['output-full']);
});

test('[S3261-18.1.1-04] an open connection is reused, and one attempt serves all who ask', async (t) => {
  const server = await serve(t);
  const client = await serve(t);
  const target: FlowTarget = { transport: 'tcp', address: '127.0.0.1', port: server.port };
  const [first, second] = await Promise.all([
    open(client.transports, target),
    open(client.transports, target),
  ]);
  assert.ok(first.ok && second.ok && first.value === second.value);
  const third = await open(client.transports, target);
  assert.ok(third.ok && third.value === first.value);
  first.value.send(Buffer.from(message));
  await until(() => client.messages.length === 1);
  assert.equal(client.messages[0]?.text, answer);
  first.value.close('done');
  assert.deepEqual(client.closed, ['done']);
  const fresh = await open(client.transports, target);
  assert.ok(fresh.ok && fresh.value !== first.value && fresh.value.id !== first.value.id);
});

test('a refused connection is reported later, once', async (t) => {
  const client = await serve(t);
  const gone = await serve(t);
  await gone.transports.close();
  const outcome = await open(client.transports, {
    transport: 'tcp',
    address: '127.0.0.1',
    port: gone.port,
  });
  assert.deepEqual(outcome, { ok: false, error: 'ECONNREFUSED' });
});

test('[S5922-7.8-01] TLS both ways, with the server name checked', async (t) => {
  const identity = selfSigned();
  const server = await serve(t, { transport: 'tls', tls: identity });
  const socket = tls.connect({
    port: server.port,
    host: '127.0.0.1',
    ca: identity.cert,
    servername: 'sip.example',
  });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write(message);
  assert.equal(await read(socket, answer.length), answer);
  assert.ok(server.messages[0]?.flow.secure);

  const client = await serve(
    t,
    { transport: 'tls', tls: identity },
    { tlsClient: { ca: identity.cert } },
  );
  const target: FlowTarget = {
    transport: 'tls',
    address: '127.0.0.1',
    port: server.port,
    host: 'sip.example',
  };
  const good = await open(client.transports, target);
  assert.ok(good.ok && good.value.secure);
  good.value.send(Buffer.from(message));
  await until(() => client.messages.length === 1);
  const wrong = await open(client.transports, { ...target, host: 'other.example' });
  assert.deepEqual(wrong, {
    ok: false,
    error: 'the certificate is for sip.example, not for other.example',
  });
  const plain = await connect(t, server.port);
  plain.write(message);
  await once(plain.resume(), 'close');
});

test('[S7118-4.1-01] [S7118-4.2-01] [S7118-4.2-02] SIP over WebSocket', async (t) => {
  const server = await serve(t, { transport: 'ws' });
  const url = `ws://127.0.0.1:${String(server.port)}/`;
  const refused = new WebSocket(url, 'chat');
  const [error] = (await once(refused, 'error')) as [Error];
  assert.match(error.message, /400/);
  const socket = new WebSocket(url, ['chat', 'sip']);
  await once(socket, 'open');
  assert.equal(socket.protocol, 'sip');
  const replies: { text: string; binary: boolean }[] = [];
  socket.on('message', (data: Buffer, binary: boolean) =>
    replies.push({ text: data.toString('latin1'), binary }),
  );
  socket.send(message);
  socket.send(Buffer.from(message), { binary: true });
  socket.send(message.slice(0, 20), { fin: false });
  socket.send(message.slice(20), { fin: true });
  await until(() => replies.length === 3);
  assert.deepEqual(
    server.messages.map(({ text }) => text),
    [message, message, message],
  );
  assert.deepEqual(replies[0], { text: answer, binary: false });
  const flow = server.messages[0]?.flow as Flow;
  assert.ok(flow.reliable && flow.transport === 'ws');
  flow.send(Buffer.from('MESSAGE \xff', 'latin1'));
  await until(() => replies.length === 4);
  assert.deepEqual(replies[3], { text: 'MESSAGE \xff', binary: true });
  socket.close();
  await until(() => server.closed.length === 1);
});

test('[S7118-5-01] one message in each WebSocket message, of the length of that', async (t) => {
  const server = await serve(t, { transport: 'ws' });
  const socket = new WebSocket(`ws://127.0.0.1:${String(server.port)}/`, 'sip');
  await once(socket, 'open');
  const headers =
    'Via: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n';
  socket.send(`MESSAGE sip:a@b SIP/2.0\r\n${headers}\r\nall of this is the body`);
  socket.send(`MESSAGE sip:a@b SIP/2.0\r\n${headers}Content-Length: 0\r\n\r\n${message}`);
  await until(() => server.messages.length === 2);
  const bodies = server.messages.map(({ text }) => {
    const parsed = parseMessage(Buffer.from(text, 'latin1'));
    return parsed.ok ? Buffer.from(parsed.value.body).toString() : parsed.error.reason;
  });
  assert.deepEqual(bodies, ['all of this is the body', '']);
  assert.ok(server.messages[0]?.flow.reliable, 'so the timers of reliable transports apply');
  socket.close();
});

test('[S5923-9.3-01] a connection is shared by requests for one served name only, and "alias" changes nothing on TCP', async (t) => {
  const identity = selfSigned();
  const server = await serve(t, { transport: 'tls', tls: identity });
  const client = await serve(
    t,
    { transport: 'tls', tls: identity },
    { tlsClient: { ca: identity.cert } },
  );
  const place = { transport: 'tls', address: '127.0.0.1', port: server.port } as const;
  const first = await open(client.transports, { ...place, host: 'sip.example' });
  const again = await open(client.transports, { ...place, host: 'sip.example' });
  assert.ok(first.ok && again.ok && first.value === again.value);
  // The other name is no name of that server: an own connection is tried, and refused.
  assert.ok(!(await open(client.transports, { ...place, host: 'other.example' })).ok);

  const plain = await serve(t);
  const socket = await connect(t, plain.port);
  socket.write(
    'OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5998;alias;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n',
  );
  await until(() => plain.messages.length === 1);
  const outcome = await open(plain.transports, {
    transport: 'tcp',
    address: '127.0.0.1',
    port: 5998,
  });
  assert.ok(!outcome.ok);
});
