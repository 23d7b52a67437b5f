import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EdgeHop, createEdgeHop, sealHeader } from '../../../../src/node/edge/edge-hop.ts';
import {
  type EdgeSeals,
  type PhonePlace,
  createEdgeSeals,
} from '../../../../src/node/edge/edge-seal.ts';
import type { Flow } from '../../../../src/ports/flow.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { type SipLines, header, headersOf, param, readLines } from '../../../support/sip-lines.ts';

interface Bench {
  readonly hop: EdgeHop;
  readonly seals: EdgeSeals;
  readonly arrived: { readonly flow: Flow; readonly message: SipLines }[];
  readonly sent: SipLines[];
  readonly counted: string[];
  up: boolean;
}

const phone: PhonePlace = { transport: 'tls', address: '198.51.100.7', port: 40_000 };
const front = 'sip:203.0.113.5:5061;transport=tls';

function bench(): Bench {
  const seals = createEdgeSeals({
    arrivalKey: new Uint8Array(32).fill(1),
    routeKey: new Uint8Array(32).fill(2),
    lifetimeMs: 1000,
  });
  const made: Bench = {
    seals,
    arrived: [],
    sent: [],
    counted: [],
    up: true,
    hop: createEdgeHop({
      seals,
      events: {
        message: (flow, bytes) => made.arrived.push({ flow, message: read(bytes) }),
      },
      trace: {
        ...silentTrace,
        counter: (_name, labels) => ({
          add: () => made.counted.push(labels?.['reason'] ?? ''),
        }),
      },
      nowMs: () => 0,
      local: () => ({ address: '127.0.0.1', port: 5070 }),
      server: { address: '127.0.0.1', port: 5090 },
      transmit: (bytes) => made.sent.push(read(bytes)) > 0,
      isUp: () => made.up,
      frontOf: () => front,
      isServer: (uri) => uri.startsWith('sip:203.0.113.5:5061'),
      limits: { flows: 16, requests: 16 },
    }),
  };
  return made;
}

function read(bytes: Uint8Array): SipLines {
  return readLines(Buffer.from(bytes).toString('latin1'));
}

function bytesOf(...lines: readonly string[]): Uint8Array {
  return Buffer.from([...lines, '', ''].join('\r\n'), 'latin1');
}

function sealed(seals: EdgeSeals, uri: string, cseq = '1 INVITE', callId = 'c1'): string {
  return `${sealHeader}: ${seals.sealArrival({ phone, uri, callId, cseq }, 0)}`;
}

const fromServer = 'Via: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bKs1';
const fromPhone = 'Via: SIP/2.0/TLS 10.0.0.2;branch=z9hG4bKp1;rport=40000;received=198.51.100.7';
const rest = ['From: <sip:a@x>;tag=a', 'Call-ID: c1', 'CSeq: 1 INVITE'];

test('a sealed request is one of the phone: its place, its Request-URI, no seal, no routes of the server', () => {
  const { arrived, hop, seals } = bench();
  hop.receive(
    bytesOf(
      'INVITE sip:127.0.0.1:5070;transport=udp SIP/2.0',
      fromServer,
      fromPhone,
      'Route: <sip:203.0.113.5:5061;lr>, <sip:elsewhere.example;lr>',
      'X-Chordial-Edge: the phone made this one up',
      'To: <sip:b@x>',
      ...rest,
      sealed(seals, 'sip:bob@203.0.113.5'),
    ),
  );
  const { flow, message } = arrived[0] ?? assert.fail();
  assert.equal(message.start, 'INVITE sip:bob@203.0.113.5 SIP/2.0');
  assert.equal(flow.id, 'edge:tls:198.51.100.7:40000');
  assert.deepEqual(flow.remote, { address: '198.51.100.7', port: 40_000 });
  assert.deepEqual(flow.local, { address: '127.0.0.1', port: 5070 });
  assert.equal(flow.secure, true);
  assert.equal(flow.listener, 'edge-tls');
  assert.equal(header(message, sealHeader), undefined);
  assert.deepEqual(headersOf(message, 'Route'), ['<sip:elsewhere.example;lr>']);
  assert.equal(param(headersOf(message, 'Via')[0], 'rport'), '', 'answers go back on the hop');
});

test('CANCEL, and the ACK of a refusal, belong to the INVITE whose branch they have', () => {
  const { arrived, counted, hop, seals, sent } = bench();
  const invite = [fromServer, fromPhone, 'To: <sip:b@x>', ...rest];
  hop.receive(bytesOf('INVITE sip:b@x SIP/2.0', ...invite, sealed(seals, 'sip:b@x')));
  const cancel = [fromServer, 'To: <sip:b@x>', 'From: <sip:a@x>;tag=a', 'Call-ID: c1'];
  hop.receive(bytesOf('CANCEL sip:127.0.0.1:5070 SIP/2.0', ...cancel, 'CSeq: 1 CANCEL'));
  hop.receive(bytesOf('ACK sip:127.0.0.1:5070 SIP/2.0', ...cancel, 'CSeq: 1 ACK'));
  assert.deepEqual(
    arrived.map(({ message }) => message.start),
    ['INVITE sip:b@x SIP/2.0', 'CANCEL sip:b@x SIP/2.0', 'ACK sip:b@x SIP/2.0'],
  );
  assert.equal(new Set(arrived.map(({ flow }) => flow)).size, 1);
  const foreign = cancel.map((line) => line.replace('z9hG4bKs1', 'z9hG4bKs2'));
  hop.receive(bytesOf('CANCEL sip:127.0.0.1:5070 SIP/2.0', ...foreign, 'CSeq: 1 CANCEL'));
  hop.receive(bytesOf('ACK sip:127.0.0.1:5070 SIP/2.0', ...foreign, 'CSeq: 1 ACK'));
  assert.equal(arrived.length, 3);
  assert.deepEqual(counted, ['no-seal', 'no-seal']);
  assert.deepEqual(
    sent.map(({ start }) => start),
    ['SIP/2.0 403 Forbidden'],
    'an ACK is never answered',
  );
});

test('a request inside a dialog comes by the sealed route, which is taken away', () => {
  const { arrived, counted, hop, seals } = bench();
  const user = seals.routeUser('edge:tls:198.51.100.7:40000');
  const lines = (route: string): Uint8Array =>
    bytesOf(
      'BYE sip:bob@192.0.2.1 SIP/2.0',
      fromServer,
      fromPhone,
      `Route: <sip:${route}@127.0.0.1:5070;transport=udp;lr>`,
      'Route: <sip:token@127.0.0.1:5070;lr>',
      'To: <sip:b@x>;tag=b',
      'From: <sip:a@x>;tag=a',
      'Call-ID: c1',
      'CSeq: 2 BYE',
    );
  hop.receive(lines(user));
  const { flow, message } = arrived[0] ?? assert.fail();
  assert.equal(flow.id, 'edge:tls:198.51.100.7:40000');
  assert.deepEqual(headersOf(message, 'Route'), ['<sip:token@127.0.0.1:5070;lr>']);
  hop.receive(lines(`${user.slice(0, -1)}_`));
  assert.equal(arrived.length, 1);
  assert.deepEqual(counted, ['no-seal']);
});

test('a seal of another request is counted as forged', () => {
  const { arrived, counted, hop, seals, sent } = bench();
  const lines = [fromServer, fromPhone, 'To: <sip:b@x>', ...rest];
  hop.receive(bytesOf('INVITE sip:b@x SIP/2.0', ...lines, sealed(seals, 'sip:b@x', '2 INVITE')));
  hop.receive(
    bytesOf('INVITE sip:b@x SIP/2.0', ...lines, sealed(seals, 'sip:b@x', '1 INVITE', 'c2')),
  );
  assert.equal(arrived.length, 0);
  assert.deepEqual(counted, ['wrong-seal', 'wrong-seal']);
  const refusal = sent[0] ?? assert.fail();
  assert.equal(headersOf(refusal, 'Via').length, 2);
  assert.equal(param(header(refusal, 'To'), 'tag'), 'edge');
});

const toPhone = [
  'Via: SIP/2.0/TLS 127.0.0.1:5070;rport;branch=z9hG4bKcore1',
  'Record-Route: <sip:token@127.0.0.1:5070;transport=tls;lr>',
  'From: <sip:a@x>;tag=a',
  'Call-ID: c9',
];

test('an INVITE to a phone: the hop is UDP, the phone gets its routes, the server is told where to', () => {
  const { arrived, hop, sent, seals } = bench();
  const flow = hop.flows.to(phone);
  const invite = bytesOf(
    'INVITE sip:bob@10.0.0.2 SIP/2.0',
    ...toPhone,
    'To: <sip:b@x>',
    'CSeq: 1 INVITE',
    'Supported: timer, 100rel',
  );
  assert.equal(flow.send(invite), true);
  const [message] = sent;
  assert.ok(message !== undefined);
  assert.match(header(message, 'Via') ?? '', /^SIP\/2\.0\/UDP 127\.0\.0\.1:5070;/);
  assert.deepEqual(headersOf(message, 'Record-Route'), [
    `<${front};lr>`,
    `<sip:${seals.routeUser(flow.id)}@127.0.0.1:5070;transport=udp;lr>`,
    '<sip:token@127.0.0.1:5070;transport=tls;lr>',
  ]);
  assert.equal(header(message, 'Supported'), 'timer');
  assert.equal(header(message, 'Route'), undefined);
  assert.deepEqual(hop.targetOf('z9hG4bKcore1'), phone);
  assert.equal(hop.targetOf('z9hG4bKother'), undefined);

  // The answer: the routes that were added for the phone go again.
  hop.receive(
    bytesOf(
      'SIP/2.0 200 OK',
      'Via: SIP/2.0/UDP 127.0.0.1:5070;rport=5070;branch=z9hG4bKcore1',
      ...headersOf(message, 'Record-Route').map((value) => `Record-Route: ${value}`),
      'CSeq: 1 INVITE',
    ),
  );
  const answer = arrived[0] ?? assert.fail();
  assert.equal(answer.flow, flow);
  assert.deepEqual(headersOf(answer.message, 'Record-Route'), [
    '<sip:token@127.0.0.1:5070;transport=tls;lr>',
  ]);
});

test('inside a dialog the server is given the way: itself, then the phone unless the URI leads there', () => {
  const { hop, sent } = bench();
  const bye = (uri: string, branch: string): Uint8Array =>
    bytesOf(
      `BYE ${uri} SIP/2.0`,
      `Via: SIP/2.0/TLS 127.0.0.1:5070;branch=${branch}`,
      'Route: <sip:behind.example;lr>',
      'To: <sip:b@x>;tag=b',
      'CSeq: 2 BYE',
    );
  const flow = hop.flows.to(phone);
  flow.send(bye('sip:bob@10.0.0.2', 'z9hG4bK1'));
  flow.send(bye('sip:bob@198.51.100.7:40000;transport=TLS', 'z9hG4bK2'));
  const routes = sent.map((message) => headersOf(message, 'Route'));
  const way = '<sip:198.51.100.7:40000;transport=tls;lr>';
  assert.deepEqual(routes, [
    ['<sip:127.0.0.1:5090;lr>', way, '<sip:behind.example;lr>'],
    ['<sip:127.0.0.1:5090;lr>', '<sip:behind.example;lr>'],
  ]);
  assert.equal(hop.targetOf('z9hG4bK1'), undefined, 'the server forwards it by itself');
});

test('CANCEL and the ACK of a refusal go as they are: the server relayed their INVITE', () => {
  const { hop, sent } = bench();
  const flow = hop.flows.to(phone);
  const common = [...toPhone, 'To: <sip:b@x>;tag=b'];
  flow.send(bytesOf('INVITE sip:b@y SIP/2.0', ...toPhone, 'To: <sip:b@x>', 'CSeq: 1 INVITE'));
  flow.send(bytesOf('ACK sip:b@y SIP/2.0', ...common, 'CSeq: 1 ACK'));
  flow.send(bytesOf('CANCEL sip:b@y SIP/2.0', ...toPhone, 'To: <sip:b@x>', 'CSeq: 1 CANCEL'));
  assert.deepEqual(
    sent.slice(1).map((message) => headersOf(message, 'Route')),
    [[], []],
  );
  const acknowledged = common.map((line) => line.replace('z9hG4bKcore1', 'z9hG4bKcore2'));
  flow.send(bytesOf('ACK sip:b@y SIP/2.0', ...acknowledged, 'CSeq: 1 ACK'));
  assert.equal(headersOf(sent[3] ?? assert.fail(), 'Route').length, 2, 'that of a 200 has its way');
});

test('an answer to a phone ends with its routes, and the Via of the server is as it was', () => {
  const { hop, seals, sent } = bench();
  const flow = hop.flows.to(phone);
  const answer = (status: string): Uint8Array =>
    bytesOf(
      `SIP/2.0 ${status}`,
      'Via: SIP/2.0/UDP 127.0.0.1:5090;rport=40000;branch=z9hG4bKs1;received=198.51.100.7',
      fromPhone,
      'Record-Route: <sip:token@127.0.0.1:5070;lr>',
      'CSeq: 1 INVITE',
    );
  for (const status of ['200 OK', '180 Ringing', '100 Trying', '486 Busy Here']) {
    flow.send(answer(status));
  }
  assert.deepEqual(headersOf(sent[0] ?? assert.fail(), 'Via'), [
    'SIP/2.0/UDP 127.0.0.1:5090;rport;branch=z9hG4bKs1',
    fromPhone.slice('Via: '.length),
  ]);
  const whole = [
    '<sip:token@127.0.0.1:5070;lr>',
    `<sip:${seals.routeUser(flow.id)}@127.0.0.1:5070;transport=udp;lr>`,
    `<${front};lr>`,
  ];
  assert.deepEqual(
    sent.map((message) => headersOf(message, 'Record-Route').length),
    [3, 3, 1, 1],
  );
  assert.deepEqual(headersOf(sent[0] ?? assert.fail(), 'Record-Route'), whole);
});

test('without the server flows are closed and take nothing; keep-alives are the server’s', () => {
  const made = bench();
  const flow = made.hop.flows.to(phone);
  assert.equal(flow.send(Buffer.from('\r\n\r\n')), true);
  assert.equal(made.sent.length, 0);
  made.up = false;
  assert.equal(flow.closed, true);
  assert.equal(flow.send(bytesOf('OPTIONS sip:x SIP/2.0')), false);
  assert.equal(made.sent.length, 0);
});

test('answers to nothing, and what is no SIP, are dropped and counted', () => {
  const { arrived, counted, hop } = bench();
  hop.receive(bytesOf('SIP/2.0 200 OK', 'Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKnone'));
  hop.receive(Buffer.from([1, 2, 3]));
  hop.receive(new Uint8Array(0));
  assert.equal(arrived.length, 0);
  assert.deepEqual(counted, ['unknown-response', 'unreadable', 'unreadable']);
});

test('flows are bounded, and the same phone has the same id', () => {
  const { hop } = bench();
  const first = hop.flows.to(phone);
  assert.equal(hop.flows.to({ ...phone }), first);
  for (let port = 1; port < 100; port++) hop.flows.to({ ...phone, port });
  assert.notEqual(hop.flows.to(phone), first);
  assert.equal(hop.flows.to(phone).id, first.id);
});
