/** What the Route values of a request say about its way. RFC 3261 §16.4, RFC 5626 §5.3. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import { ownUriParam } from '../../../../src/sip/proxy/identity.ts';
import { addressesServer, readRoutes } from '../../../../src/sip/proxy/routing.ts';
import { requestOf } from '../core/request-of.ts';
import { createRig, domain, domains, serverAddress } from '../core/rig.ts';

const rig = createRig();
const { hops } = rig.deps;
const alice = rig.phone('192.0.2.10').flow;
const bob = rig.phone('192.0.2.20', 'tcp').flow;
const own = (flow: typeof alice, more = ''): string => `<${hops.recordRoute(flow, false)}${more}>`;

function read(routes: readonly string[], uri?: string) {
  const headers = routes.map((route) => `Route: ${route}`);
  return readRoutes(requestOf(headers, uri === undefined ? {} : { uri }), alice, hops, domains);
}

function routed(routes: readonly string[], uri?: string) {
  const result = read(routes, uri);
  assert.ok(result.ok);
  return result.routed;
}

function refusal(routes: readonly string[]): string {
  const result = read(routes);
  assert.ok(!result.ok);
  return `${String(result.failure.status)} ${result.failure.reason}`;
}

test('without Route there is nothing to say', () => {
  const { request, ...rest } = routed([]);
  assert.equal(request.has('Route'), false);
  assert.deepEqual(rest, {
    flowId: undefined,
    place: undefined,
    recorded: false,
    fromRecordedFlow: false,
    spelling: undefined,
    hidden: undefined,
    nextRoute: undefined,
  });
});

test('own values are removed; the last one names the flow', () => {
  const two = routed([`${own(alice)}, ${own(bob)}`]);
  assert.equal(two.request.has('Route'), false);
  assert.deepEqual(
    [two.flowId, two.recorded, two.fromRecordedFlow, two.nextRoute],
    [bob.id, true, true, undefined],
  );
  const back = routed([own(bob), own(alice)]);
  assert.deepEqual([back.flowId, back.fromRecordedFlow], [alice.id, true]);
  const other = routed([own(bob)]);
  assert.deepEqual([other.recorded, other.fromRecordedFlow], [true, false]);
  const plain = routed([own(bob), `<sip:${domain};lr>`]);
  assert.deepEqual([plain.flowId, plain.recorded], [undefined, true]);
  const preloaded = routed([`<sip:${serverAddress}:5060;lr>`]);
  assert.deepEqual([preloaded.flowId, preloaded.recorded], [undefined, false]);
});

test('the first foreign value is the next hop and stays with all behind it', () => {
  const { request, nextRoute, flowId } = routed([
    own(bob),
    '<sip:next.example;lr>, <sip:last.example;lr>',
  ]);
  assert.equal(nextRoute, 'sip:next.example;lr');
  assert.equal(flowId, bob.id);
  assert.deepEqual(request.values('Route'), ['<sip:next.example;lr>', '<sip:last.example;lr>']);
  const foreign = routed(['<sip:next.example;lr>', own(bob)]);
  assert.deepEqual([foreign.flowId, foreign.recorded], [undefined, false]);
  assert.equal(foreign.request.values('Route').length, 2);
});

test('forged tokens, malformed values and too many of them are refused', () => {
  assert.equal(refusal([`<sip:~AAAAAAAAAAAAAAAAAAAA@${domain};lr>`]), '403 Invalid Flow Token');
  assert.equal(refusal(['nonsense']), '400 Malformed Route');
  assert.equal(refusal([own(bob), '<sip:x']), '400 Malformed Route');
  const many = (count: number): string[] => Array.from({ length: count }, () => own(bob));
  assert.equal(routed(many(8)).flowId, bob.id);
  assert.equal(refusal(many(9)), '400 Too Many Routes');
});

test('spelling and hidden caller stand in the last own value', () => {
  const said = routed([own(bob, `;fh=${domain}`), own(alice, `;th=${serverAddress};anon`)]);
  assert.deepEqual(said.spelling, { from: undefined, to: serverAddress });
  assert.deepEqual(said.hidden, { staysAnonymous: true, ownUri: undefined });
  const named = routed([own(alice, ownUriParam('sip:a@b'))]);
  assert.deepEqual(named.hidden, { staysAnonymous: false, ownUri: 'sip:a@b' });
  assert.equal(named.spelling, undefined);
});

test('[S3261-16.4-01] a strict router has put our value into the Request-URI', () => {
  const strict = routed(
    ['<sip:next.example;lr>', '<sip:bob@192.0.2.20>'],
    hops.recordRoute(bob, false),
  );
  assert.equal(strict.request.uri, 'sip:bob@192.0.2.20');
  assert.deepEqual(strict.request.values('Route'), ['<sip:next.example;lr>']);
  assert.deepEqual([strict.flowId, strict.nextRoute], [bob.id, 'sip:next.example;lr']);
  const only = routed(['<sip:bob@192.0.2.20>'], hops.recordRoute(bob, false));
  assert.equal(only.request.uri, 'sip:bob@192.0.2.20');
  assert.equal(only.request.has('Route'), false);
  for (const uri of ['sip:other.example;lr', `sip:bob@${domain}`]) {
    assert.equal(routed(['<sip:bob@192.0.2.20>'], uri).request.uri, uri);
  }
  assert.equal(routed([], hops.recordRoute(bob, false)).request.uri, hops.recordRoute(bob, false));
});

test('[S3261-16.4-02] an own maddr goes away, unless there is a next hop', () => {
  const uri = `sip:bob@other.example;maddr=${serverAddress}`;
  assert.equal(routed([], uri).request.uri, 'sip:bob@other.example');
  assert.equal(routed([own(bob)], uri).request.uri, 'sip:bob@other.example');
  assert.equal(routed(['<sip:next.example;lr>'], uri).request.uri, uri);
});

test('[S3261-11-01] the server itself is addressed without a user', () => {
  const addresses = (text: string): boolean => {
    const uri = parseUri(text);
    return uri.ok && addressesServer(uri.value, domains);
  };
  assert.ok(addresses(`sip:${domain}`) && addresses(`sips:${serverAddress}:5060`));
  assert.ok(
    !addresses(`sip:a@${domain}`) && !addresses('sip:other.example') && !addresses('tel:1'),
  );
});
