import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFlowTokens } from '../../../../src/sip/proxy/flow-token.ts';
import { createLoopMarks } from '../../../../src/sip/proxy/loop-mark.ts';
import { createPhoneHops, flowTarget } from '../../../../src/sip/proxy/phone-hops.ts';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import { requestOf } from '../core/request-of.ts';
import { createRig, domain, domains, message, register, serverAddress } from '../core/rig.ts';

const key = new Uint8Array(32).fill(1);
const newKey = new Uint8Array(32).fill(2);

test('a flow token opens with its key, also after a rotation, and not with another', () => {
  const token = createFlowTokens([key]).create('udp:lan:192.0.2.1:5060');
  assert.match(token, /^~[\w-]+$/);
  assert.equal(createFlowTokens([newKey, key]).open(token), 'udp:lan:192.0.2.1:5060');
  assert.equal(createFlowTokens([newKey]).open(token), undefined);
  const tokens = createFlowTokens([key]);
  for (let i = 1; i < token.length; i++) {
    const other = token[i] === 'A' ? 'Q' : 'A';
    assert.equal(tokens.open(token.slice(0, i) + other + token.slice(i + 1)), undefined);
    assert.equal(tokens.open(token.slice(0, i)), undefined);
  }
});

test('[S3261-16.6-05] Record-Route of a flow comes back as that flow, on every transport', () => {
  const rig = createRig();
  for (const transport of ['udp', 'tcp', 'tls', 'ws', 'wss'] as const) {
    const { flow } = rig.phone('192.0.2.10', transport);
    for (const secure of [false, true]) {
      const uri = rig.deps.hops.recordRoute(flow, secure);
      assert.ok(uri.startsWith(secure ? 'sips:' : 'sip:'));
      const parsed = parseUri(uri);
      assert.ok(parsed.ok && parsed.value.params.has('lr'));
      assert.deepEqual(rig.deps.hops.ownRoute(uri), { kind: 'flow', flowId: flow.id });
    }
  }
});

test('a token survives a restart of the server', () => {
  const rig = createRig();
  const { flow } = rig.phone('192.0.2.10');
  const uri = rig.deps.hops.recordRoute(flow, false);
  const reborn = createPhoneHops({
    domains,
    flows: { open: () => undefined, find: () => undefined },
    tokenKeys: [new Uint8Array(32).fill(7)],
  });
  assert.deepEqual(reborn.ownRoute(uri), { kind: 'flow', flowId: flow.id });
});

test('a rotation while running: new tokens by the new key, old ones hold until their key goes', () => {
  const rig = createRig();
  const { flow } = rig.phone('192.0.2.10');
  const tokenKeys = [new Uint8Array(32).fill(1)];
  const hops = createPhoneHops({ domains, flows: rig.flows, tokenKeys });
  const old = hops.recordRoute(flow, false);
  assert.equal(hops.ownRoute(old)?.kind, 'flow');
  tokenKeys.unshift(new Uint8Array(32).fill(2));
  const fresh = hops.recordRoute(flow, false);
  assert.notEqual(fresh, old);
  assert.equal(hops.ownRoute(old)?.kind, 'flow');
  assert.equal(hops.ownRoute(fresh)?.kind, 'flow');
  tokenKeys.pop();
  tokenKeys.unshift(new Uint8Array(32).fill(3));
  assert.equal(hops.ownRoute(old)?.kind, 'forged');
  assert.equal(hops.ownRoute(fresh)?.kind, 'flow');
});

test('own and foreign Route values are told apart', () => {
  const { hops } = createRig().deps;
  assert.deepEqual(hops.ownRoute(`sip:${domain};lr`), { kind: 'plain' });
  assert.deepEqual(hops.ownRoute(`sip:${serverAddress}:5060;lr`), { kind: 'plain' });
  assert.deepEqual(hops.ownRoute(`sip:~abc@${domain};lr`), { kind: 'forged' });
  for (const uri of [`sip:${serverAddress}:5070;lr`, 'sip:192.0.2.9;lr', 'tel:1', 'nonsense']) {
    assert.equal(hops.ownRoute(uri), undefined, uri);
  }
});

test('[S3581-3-01] the Via towards a UDP phone asks for rport without a value', () => {
  const rig = createRig();
  const bob = rig.phone('192.0.2.20');
  const alice = rig.phone('192.0.2.10');
  register(bob, 'bob');
  alice.send(message(alice));
  const { via } = bob.request('INVITE');
  assert.equal(via.rport, true);
  assert.equal(via.host, serverAddress);
  assert.match(via.branch ?? '', /^z9hG4bK/);
});

test('[S3263-4.1-01] transport and port of numeric URIs', () => {
  const cases: [string, string, number][] = [
    ['sip:a@192.0.2.1', 'udp', 5060],
    ['sip:a@192.0.2.1:5070', 'udp', 5070],
    ['sip:a@192.0.2.1;transport=tcp', 'tcp', 5060],
    ['sips:a@192.0.2.1', 'tls', 5061],
    ['sip:a@[2001:db8::1]:5062;transport=tls', 'tls', 5062],
    ['sips:a@192.0.2.1;transport=ws', 'wss', 5060],
  ];
  for (const [text, transport, port] of cases) {
    const uri = parseUri(text);
    assert.ok(uri.ok);
    const target = flowTarget(uri.value);
    assert.deepEqual([target?.transport, target?.port], [transport, port], text);
  }
  for (const text of ['sip:a@name.example', 'sip:a@192.0.2.1;transport=sctp']) {
    const uri = parseUri(text);
    assert.ok(uri.ok);
    assert.equal(flowTarget(uri.value), undefined, text);
  }
});

test('[S5393-4.2.1-01] the loop mark depends on Request-URI and Route, and on the server', () => {
  const marks = createLoopMarks(1);
  const plain = marks.of(requestOf([]));
  assert.match(plain, /^;lp=[0-9a-f]{16}$/);
  assert.equal(marks.of(requestOf([], { callId: 'other' })), plain);
  assert.notEqual(marks.of(requestOf([], { uri: 'sip:carol@lab.example' })), plain);
  const routed = marks.of(requestOf(['Route: <sip:a;lr>']));
  assert.notEqual(routed, plain);
  assert.notEqual(marks.of(requestOf(['Route: <sip:a;lr>', 'Route: <sip:b;lr>'])), routed);
  assert.notEqual(createLoopMarks(2).of(requestOf([])), plain);
  const halves = (seed: number) => /=(.{8})(.{8})/.exec(createLoopMarks(seed).of(requestOf([])));
  assert.notEqual(halves(1)?.[1], halves(1)?.[2], 'two hashes that differ');
  assert.notEqual(halves(1)?.[2], halves(2)?.[2]);
});

test('[S5393-4.1-01] a request has been here when a Via carries its very mark', () => {
  const marks = createLoopMarks(1);
  const mark = marks.of(requestOf([]));
  const via = (params: string) => `SIP/2.0/UDP h;branch=z9hG4bK1${params}`;
  const isLoop = (...vias: readonly string[]) => marks.isLoop(requestOf([], { vias }), mark);
  assert.ok(isLoop(via(mark)));
  assert.ok(isLoop(via(''), `${via('')}, ${via(`${mark};x`)}`));
  assert.ok(!isLoop(via('')));
  assert.ok(!isLoop(via(';lp=0123456789abcdef')));
  assert.ok(!isLoop(via(`${mark}0`)));
  assert.ok(!isLoop(via(`;x="${mark}"`)), 'inside another parameter');
});

test('[S6665-4.3-02] the proxy records itself on the first SUBSCRIBE and on each NOTIFY of it', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice, { method: 'SUBSCRIBE', headers: ['Event: presence'] }));
  const subscribe = bob.request('SUBSCRIBE');
  assert.equal(subscribe.values('Record-Route').length, 2);
  assert.equal(subscribe.header('Event'), 'presence');
  const notify = {
    method: 'NOTIFY',
    uri: 'sip:alice@192.0.2.10:5062',
    from: `<sip:bob@${domain}>;tag=callee`,
    to: `<sip:alice@${domain}>;tag=caller`,
  };
  const headers = subscribe.values('Record-Route').map((route) => `Route: ${route}`);
  bob.send(message(bob, { ...notify, headers }));
  assert.equal(alice.request('NOTIFY').values('Record-Route').length, 2);
});

test('[S3261-16.5-04] [S3428-7-01] a 3xx of the callee goes up as it is, and so does 202', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice));
  alice.response(100);
  bob.reply(bob.request('INVITE'), 302, { contact: 'sip:else@where.example' });
  assert.equal(alice.response(302).header('Contact'), '<sip:else@where.example>');
  bob.request('ACK');
  alice.send(message(alice, { method: 'MESSAGE', callId: 'm' }));
  bob.reply(bob.request('MESSAGE'), 202);
  alice.response(202);
});

test('[S3261-16.2-02] [S4320-4.1-02] [S4320-4.1-03] a slow callee of a non-INVITE: one 100, not before 3.5 s', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice, { method: 'MESSAGE' }));
  const request = bob.request('MESSAGE');
  rig.clock.advance(3400);
  assert.equal(alice.waiting, 0);
  rig.clock.advance(200);
  alice.response(100);
  bob.reply(request, 200);
  alice.response(200);
});

test('[S3327-5.4-01] a binding with Path gets it as Route', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const edge = rig.phone('192.0.2.30');
  register(edge, 'bob', { headers: ['Supported: path', 'Path: <sip:edge.example;lr>'] });
  alice.send(message(alice, { headers: [`Route: <sip:${domain};lr>`] }));
  const invite = edge.request('INVITE');
  assert.deepEqual(invite.values('Route'), ['<sip:edge.example;lr>']);
});

test('[S3261-16.6-08] a next hop without lr is treated as a strict router', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const edge = rig.phone('192.0.2.30');
  register(edge, 'bob', {
    contacts: ['<sip:bob@10.0.0.1>'],
    headers: ['Supported: path', 'Path: <sip:strict.example>'],
  });
  alice.send(message(alice));
  const invite = edge.request('INVITE');
  assert.equal(invite.uri, 'sip:strict.example');
  assert.deepEqual(invite.values('Route'), ['<sip:bob@10.0.0.1>']);
});
