/** The copy of a request for one target, and the answer on its way back. RFC 3261 §16.6, §16.7. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
import {
  type Sender,
  buildForward,
  lastingRestoration,
  planForwarding,
  restorationOf,
  restoreResponse,
} from '../../../../src/sip/proxy/forward.ts';
import type { RoutedRequest } from '../../../../src/sip/proxy/routing.ts';
import type { ProxyTarget } from '../../../../src/sip/proxy/targets.ts';
import { type RequestParts, requestOf } from '../core/request-of.ts';
import { createRig, domain, domains, serverAddress } from '../core/rig.ts';

const rig = createRig();
const { hops } = rig.deps;
const from = rig.phone('192.0.2.10').flow;
const to = rig.phone('192.0.2.20', 'tcp').flow;
const phone: Sender = { aor: `alice@${domain}`, fromOverlay: false };
const stranger: Sender = { aor: undefined, fromOverlay: false };
const overlay: Sender = { aor: undefined, fromOverlay: true };

function target(more: Partial<ProxyTarget> = {}): ProxyTarget {
  return {
    uri: 'sip:bob@192.0.2.20:5062',
    q: 1000,
    route: [],
    side: 'phone',
    label: '',
    open: () => () => undefined,
    ...more,
  };
}

interface Scene {
  readonly headers?: readonly string[];
  readonly parts?: RequestParts;
  readonly sender?: Sender;
  readonly target?: Partial<ProxyTarget>;
  readonly routed?: Partial<RoutedRequest>;
}

function plan({ headers = [], parts = {}, sender = stranger, routed = {} }: Scene = {}) {
  const request = requestOf(headers, parts);
  const whole: RoutedRequest = {
    request,
    flowId: undefined,
    place: undefined,
    recorded: false,
    fromRecordedFlow: false,
    spelling: undefined,
    hidden: undefined,
    nextRoute: undefined,
    ...routed,
  };
  return planForwarding(whole, from, sender, '', domains, 70);
}

function forwarded(scene: Scene = {}) {
  return buildForward(plan(scene), target(scene.target), to, 7, hops);
}

test('[S3261-16.6-03] hops are counted down, the breadth is told outside of dialogs', () => {
  assert.equal(forwarded().header('Max-Forwards'), '70');
  assert.equal(forwarded({ headers: ['Max-Forwards: 5'] }).header('Max-Forwards'), '4');
  assert.equal(forwarded({ headers: ['Max-Forwards: 300'] }).header('Max-Forwards'), '70');
  assert.equal(forwarded().header('Max-Breadth'), '7');
  const parts = { to: `<sip:bob@${domain}>;tag=2` };
  assert.equal(forwarded({ parts }).has('Max-Breadth'), false);
});

test('the server stays in dialogs it sees begin, and in those that NOTIFYs go on with', () => {
  const records = (method: string, more: Scene = {}): number =>
    forwarded({ ...more, parts: { ...more.parts, method } }).values('Record-Route').length;
  for (const method of ['INVITE', 'SUBSCRIBE', 'REFER']) assert.equal(records(method), 2, method);
  for (const method of ['MESSAGE', 'BYE', 'NOTIFY']) assert.equal(records(method), 0, method);
  const inside = { parts: { to: `<sip:bob@${domain}>;tag=2` } };
  assert.equal(records('INVITE', inside), 0);
  assert.equal(records('NOTIFY', { ...inside, routed: { recorded: true } }), 2);
  assert.equal(records('NOTIFY', { routed: { recorded: true } }), 0);
  const same = buildForward(plan(), target(), from, 7, hops);
  assert.equal(same.values('Record-Route').length, 1, 'one flow in and out');
});

test('[S3261-16.6-06] a sips URI on either side is recorded as sips', () => {
  const schemes = (scene: Scene): readonly string[] =>
    forwarded(scene)
      .values('Record-Route')
      .map((value) => value.slice(1, value.indexOf(':')));
  assert.deepEqual(schemes({}), ['sip', 'sip']);
  assert.deepEqual(schemes({ parts: { uri: `sips:bob@${domain}` } }), ['sips', 'sips']);
  assert.deepEqual(schemes({ target: { uri: 'sips:bob@192.0.2.20' } }), ['sips', 'sips']);
});

test('addresses by number become names on the way out, and what the phone wrote on the way back', () => {
  const parts = {
    from: `"A" <sip:alice@${serverAddress}:5060>;tag=1`,
    to: `<sip:bob@${serverAddress}>`,
  };
  const sent = forwarded({ parts });
  assert.equal(sent.header('From'), `"A" <sip:alice@${domain}>;tag=1`);
  assert.equal(sent.header('To'), `<sip:bob@${domain}>`);
  const inner = sent.values('Record-Route')[1] ?? '';
  assert.ok(inner.endsWith(`;fh=${serverAddress}:5060;th=${serverAddress}>`), inner);

  const restored = (scene: RequestParts, status: number, toTag?: string) => {
    const restoration = restorationOf(plan({ parts: scene }), requestOf([], scene));
    const answer = createResponse(sent, status, undefined, { toTag });
    assert.deepEqual(lastingRestoration(restoration), restoration);
    return restoreResponse(restoration, answer);
  };
  const back = restored(parts, 200, 'b');
  assert.equal(back.header('From'), parts.from);
  assert.equal(back.header('To'), `${parts.to};tag=b`);
  assert.equal(restored(parts, 180).header('To'), parts.to);
  const inDialog = { ...parts, to: `${parts.to};tag=old` };
  assert.equal(restored(inDialog, 200, 'other').header('To'), inDialog.to);
  const plain = createResponse(forwarded(), 200);
  const nothing = restorationOf(plan(), plan().request);
  assert.equal(restoreResponse(nothing, plain), plain, 'nothing to put back');
});

test('requests from the overlay keep their addresses as they are', () => {
  const parts = { from: `<sip:alice@${serverAddress}>;tag=1`, to: `<sip:bob@${serverAddress}>` };
  const sent = forwarded({ parts, sender: overlay });
  assert.deepEqual([sent.header('From'), sent.header('To')], [parts.from, parts.to]);
  assert.ok(!(sent.values('Record-Route')[1] ?? '').includes(';fh='));
});

test('inside a dialog the phone sees its own spelling', () => {
  const parts = {
    method: 'BYE',
    from: `<sip:bob@${domain}>;tag=2`,
    to: `<sip:alice@${domain}>;tag=1`,
  };
  const sent = forwarded({
    parts,
    routed: { spelling: { from: serverAddress, to: '192.0.2.1:5060' } },
  });
  assert.equal(sent.header('From'), '<sip:bob@192.0.2.1:5060>;tag=2');
  assert.equal(sent.header('To'), `<sip:alice@${serverAddress}>;tag=1`);
  const half = forwarded({ parts, routed: { spelling: { from: undefined, to: undefined } } });
  assert.deepEqual([half.header('From'), half.header('To')], [parts.from, parts.to]);
});

test('a caller that is not proved stays anonymous in the dialog, and knows itself by its own URI', () => {
  const hidden = (staysAnonymous: boolean, ownUri: string | undefined): Partial<RoutedRequest> => ({
    hidden: { staysAnonymous, ownUri },
  });
  const anonymous = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1';
  assert.equal(forwarded({ routed: hidden(true, undefined) }).header('From'), anonymous);
  const back = { parts: { to: '<sip:anonymous@anonymous.invalid>;tag=1' } };
  const own = forwarded({ ...back, routed: hidden(false, 'sip:alice@far.example') });
  assert.equal(own.header('To'), '<sip:alice@far.example>;tag=1');
  const other = forwarded({ routed: hidden(false, 'sip:alice@far.example') });
  assert.equal(other.header('To'), `<sip:bob@${domain}>`);
  const removed = forwarded({ sender: { ...overlay, removedFrom: 'sip:a b@c' } });
  const [outer = '', inner = ''] = removed.values('Record-Route');
  assert.ok(outer.endsWith(';anon>') && inner.endsWith(';ou=sip%3Aa%20b%40c>'), outer + inner);
});

test('[S3261-22.3-01] credentials for this server end here, those for others pass', () => {
  const ours = `Digest username="a", realm="${domain}", nonce="n"`;
  const other = 'Digest username="a", realm="other.example", nonce="n"';
  const rows = (...given: readonly string[]) =>
    forwarded({ headers: given.map((row) => `Proxy-Authorization: ${row}`) }).rows(
      'Proxy-Authorization',
    );
  assert.deepEqual(rows(), []);
  assert.deepEqual(rows(ours), []);
  assert.deepEqual(rows(other), [other]);
  assert.deepEqual(rows(other, ours, other), [other, other]);
});

test('who may learn the identity of a caller: adapters and trusted trunks, phones without Privacy', () => {
  const asserted = '<sip:alice@lab.example>';
  const claim = 'P-Asserted-Identity: <sip:claimed@x>';
  const shown = (scene: Scene) => forwarded(scene).rows('P-Asserted-Identity');
  const hidden = { parts: { from: '<sip:anonymous@anonymous.invalid>;tag=1' } };
  assert.deepEqual(shown({ sender: phone }), [], 'nobody asked');
  assert.deepEqual(shown({ sender: phone, headers: [claim] }), [asserted]);
  assert.deepEqual(shown({ sender: phone, headers: ['P-Preferred-Identity: <sip:x@y>'] }), [
    asserted,
  ]);
  assert.deepEqual(shown({ ...hidden, sender: phone }), [asserted]);
  assert.deepEqual(shown({ sender: stranger, headers: [claim] }), []);
  assert.deepEqual(shown({ sender: { ...stranger, trusted: true }, headers: [claim] }), [
    '<sip:claimed@x>',
  ]);
  assert.deepEqual(shown({ sender: overlay, headers: [claim] }), ['<sip:claimed@x>']);
  const escaped = { aor: 'a b@lab.example', fromOverlay: false };
  assert.deepEqual(shown({ sender: escaped, headers: [claim] }), ['<sip:a%20b@lab.example>']);

  const privacy = [claim, 'Privacy: user;id'];
  for (const [side, trusted, expected] of [
    ['phone', undefined, []],
    ['overlay', undefined, [asserted]],
    ['outside', undefined, []],
    ['outside', true, [asserted]],
  ] as const) {
    const to = { side, ...(trusted === undefined ? {} : { trusted }) };
    assert.deepEqual(shown({ sender: phone, headers: privacy, target: to }), expected, side);
  }
  assert.deepEqual(shown({ sender: phone, headers: [claim, 'Privacy: user'] }), [asserted]);
  assert.deepEqual(shown({ sender: phone, headers: [claim], target: { side: 'outside' } }), []);
  assert.deepEqual(shown({ sender: overlay, headers: privacy }), []);
  const preferred = ['P-Preferred-Identity: <sip:x@y>'];
  assert.equal(forwarded({ sender: phone, headers: preferred }).has('P-Preferred-Identity'), false);
});

test('[S3327-5.4-01] [S3261-16.6-08] Path stands before other routes; a strict router gets the URI', () => {
  const route = ['<sip:one;lr>', '<sip:two;lr>'];
  const both = forwarded({ headers: ['Route: <sip:last;lr>'], target: { route } });
  assert.deepEqual(both.values('Route'), [...route, '<sip:last;lr>']);
  assert.equal(both.uri, 'sip:bob@192.0.2.20:5062');
  const strict = forwarded({ target: { route: ['<sip:strict>', '<sip:two;lr>'] } });
  assert.equal(strict.uri, 'sip:strict');
  assert.deepEqual(strict.values('Route'), ['<sip:two;lr>', '<sip:bob@192.0.2.20:5062>']);
  const odd = forwarded({ headers: ['Route: nonsense'] });
  assert.deepEqual(odd.values('Route'), ['nonsense']);
});

test('what led to the target is said in it', () => {
  const extraHeaders = [['Diversion', '<sip:x@y>']] as const;
  assert.equal(forwarded({ target: { extraHeaders } }).header('Diversion'), '<sip:x@y>');
});
