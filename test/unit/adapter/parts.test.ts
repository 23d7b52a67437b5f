import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOverlayHops } from '../../../src/adapter/addressing.ts';
import { createDomains } from '../../../src/adapter/domains.ts';
import { createDueQueue } from '../../../src/adapter/due-queue.ts';
import { createIdentityScreen } from '../../../src/adapter/identity-screen.ts';
import { createKeyring } from '../../../src/adapter/keys.ts';
import { hostOfNode, nodeOfHost } from '../../../src/adapter/node-host.ts';
import { decodePublished, encodePublished } from '../../../src/adapter/publication.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { hexEncode, latin1Encode } from '../../../src/base/text.ts';
import type { Flow } from '../../../src/ports/flow.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import type { SipFailure } from '../../../src/sip/core/failure.ts';
import { parseMessage } from '../../../src/sip/message/message.ts';
import type { SipRequest } from '../../../src/sip/message/message.ts';
import { parseUri } from '../../../src/sip/message/uri.ts';
import { parseVia } from '../../../src/sip/message/via.ts';
import type { HopAddressing } from '../../../src/sip/proxy/targets.ts';
import { config, createClock, createMemoryStore, domain, nodeId, random } from './support/world.ts';

const self = nodeId(0x0a);
const peer = nodeId(0x0b);

const domains = createDomains({
  config: () => config({ domainRestriction: { enable: true, patterns: ['.*\\.more\\.example'] } }),
  ownHosts: () => ['192.0.2.1', '2001:DB8:0::1', 'PBX'],
  ownPorts: () => new Set([5060, 5061]),
});

test('every address, name and alias of the box stands for the overlay domain', () => {
  for (const host of [domain, 'LAB.example', '192.0.2.1', '2001:db8::1', '[2001:db8::1]', 'pbx']) {
    assert.equal(domains.servedDomain(host, undefined), domain, host);
  }
  assert.equal(domains.servedDomain('192.0.2.1', 5061), domain);
  assert.equal(domains.servedDomain('192.0.2.1', 5070), undefined, 'another program');
  assert.equal(domains.servedDomain('192.0.2.2', undefined), undefined);
  assert.ok(domains.isSelf('pbx', 5060) && domains.isSelf(domain, undefined));
  assert.ok(!domains.isSelf('pbx', 5999) && !domains.isSelf('x.more.example', undefined));
});

test('[R7904-4.1-01] further domains are hosted only where the restriction names them', () => {
  assert.equal(domains.servedDomain('A.more.example', undefined), 'a.more.example');
  assert.ok(domains.isHosted('a.more.example') && domains.isHosted(domain));
  assert.ok(!domains.isHosted('other.example') && !domains.isHosted('192.0.2.1'));
  const open = createDomains({
    config: () => config({ domainRestriction: { enable: true, patterns: ['.*'] } }),
    ownHosts: () => [],
    ownPorts: () => new Set(),
  });
  assert.ok(open.isHosted('any.example'));
  assert.ok(!open.isHosted('192.0.2.9') && !open.isHosted('2001:db8::1'));
  assert.ok(!open.isHosted(hostOfNode(peer)));
});

test('a node has a host name that is valid SIP and carries the Node-ID', () => {
  const uri = parseUri(`sip:${hostOfNode(peer)}:5061;lr`);
  assert.ok(uri.ok);
  assert.equal(nodeOfHost(uri.value.host), peer);
  assert.equal(nodeOfHost(hostOfNode(peer).toUpperCase()), peer);
  for (const other of ['node.invalid', 'zz.node.invalid', `${peer}.node.example`, domain]) {
    assert.equal(nodeOfHost(other), undefined);
  }
});

function overlayFlow(application: number): Flow {
  return {
    id: `overlay:${peer}/${application}`,
    transport: 'tls',
    reliable: true,
    secure: true,
    local: { address: '10.0.0.1', port: 1 },
    remote: { address: '10.0.0.2', port: 2 },
    listener: 'overlay',
    peer,
    closed: false,
    send: () => true,
    close: () => undefined,
  };
}

function hops() {
  const opened: [NodeId | undefined, number][] = [];
  const phones: HopAddressing = {
    via: () => ({ host: 'phone' }),
    recordRoute: () => 'sip:phone;lr',
    ownRoute: () => undefined,
    openRoute: () => () => undefined,
  };
  const made = createOverlayHops({
    nodeId: self,
    phones,
    flows: {
      open(destinations, application, done) {
        const [first] = destinations;
        opened.push([first?.type === 'node' ? first.nodeId : undefined, application]);
        done({ ok: true, value: overlayFlow(application) as never });
        return () => undefined;
      },
    },
  });
  return { made, opened };
}

test('overlay hops name this node and the application; phone hops are left alone', () => {
  const { made } = hops();
  assert.deepEqual(made.via(overlayFlow(5061)), { host: hostOfNode(self), port: 5061 });
  const route = made.recordRoute(overlayFlow(5060), false);
  assert.equal(route, `sip:${hostOfNode(self)}:5060;lr`);
  assert.deepEqual(made.ownRoute(route), { kind: 'plain' });
  assert.equal(made.ownRoute(`sip:${hostOfNode(peer)}:5060;lr`), undefined);
  assert.equal(made.recordRoute({ ...overlayFlow(1), listener: 'lan' }, false), 'sip:phone;lr');
});

test('a Route to a node is followed for phones, never from node to node', () => {
  const { made, opened } = hops();
  const request = invite('<sip:alice@lab.example>;tag=1');
  const uri = `sip:${hostOfNode(peer)}:5061;lr`;
  const outcomes: Outcome<Flow, SipFailure>[] = [];
  const phone = { ...overlayFlow(0), listener: 'lan', peer: undefined };
  made.openRoute(uri, { request, flow: phone }, (outcome) => outcomes.push(outcome));
  made.openRoute(uri, { request, flow: overlayFlow(5060) }, (outcome) => outcomes.push(outcome));
  assert.deepEqual(opened, [[peer, 5061]]);
  assert.ok(outcomes[0]?.ok);
  assert.ok(outcomes[1]?.ok === false && outcomes[1].error.status === 403);
});

test('responses are carried to the node that asked, to no other', () => {
  const { made, opened } = hops();
  const results: boolean[] = [];
  for (const node of [peer, nodeId(0x0c)]) {
    const via = parseVia(`SIP/2.0/TLS ${hostOfNode(node)}:5060;branch=z9hG4bKx`);
    assert.ok(via.ok);
    made.reopen(via.value, overlayFlow(5060), (flow) => results.push(flow !== undefined));
  }
  assert.deepEqual(results, [true, false]);
  assert.equal(opened.length, 1);
});

test('keys survive a restart, rotate, and the former ones go on verifying', () => {
  const clock = createClock();
  const store = createMemoryStore();
  const make = (seed: string) =>
    createKeyring({ store, clock, random: random(seed), name: 'flow', rotateAfterMs: 7_200_000 });
  const first = make('a');
  const original = first.current;
  assert.equal(original.length, 32);
  first.stop();
  const second = make('b');
  assert.equal(hexEncode(second.current), hexEncode(original));
  clock.run(7_200_000);
  assert.notEqual(hexEncode(second.current), hexEncode(original));
  assert.deepEqual(second.all.map(hexEncode)[1], hexEncode(original));
  clock.run(100_000_000);
  assert.equal(second.all.length, 3, 'bounded');
  second.stop();
  assert.deepEqual(make('c').all.map(hexEncode), second.all.map(hexEncode));
});

function invite(from: string, headers: readonly string[] = [], method = 'INVITE'): SipRequest {
  const parsed = parseMessage(
    latin1Encode(
      [
        `${method} sip:bob@${domain} SIP/2.0`,
        'Via: SIP/2.0/TLS x.invalid;branch=z9hG4bK1',
        'Max-Forwards: 70',
        `From: ${from}`,
        `To: <sip:bob@${domain}>`,
        'Call-ID: 1',
        `CSeq: 1 ${method}`,
        ...headers,
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    ),
  );
  assert.ok(parsed.ok && parsed.value.kind === 'request');
  return parsed.value;
}

function screen(
  nodes: readonly NodeId[] | undefined,
  request: SipRequest,
  policy: 'refuse' | 'anonymise' = 'refuse',
): SipRequest | number {
  const made = createIdentityScreen({
    clock: createClock(),
    trace: silentTrace,
    domains,
    lookup: {
      nodesOf: (_, done) => done(nodes === undefined ? undefined : new Set(nodes)),
    },
    policy,
  });
  let result: SipRequest | number | undefined;
  made.screen(request, overlayFlow(5060), (outcome) => {
    result = outcome.ok ? outcome.value : outcome.error.status;
  });
  assert.ok(result !== undefined);
  return result;
}

test('the caller is believed only when the own record names the connecting node', () => {
  const mine = invite(`<sip:alice@${domain}>;tag=1`);
  assert.equal(screen([peer], mine), mine);
  assert.equal(screen([nodeId(0x0c)], mine), 403);
  assert.equal(screen([], mine), 403);
  assert.equal(screen(undefined, mine), 480, 'the overlay cannot say');
  const further = invite('<sip:x@a.more.example>;tag=1');
  assert.equal(screen([], further), 403, 'further domains too');
});

test('asserted and preferred identities are checked, foreign ones are not ours to prove', () => {
  const foreign = '<sip:carol@elsewhere.example>;tag=1';
  assert.equal(typeof screen([], invite(foreign)), 'object');
  for (const name of ['P-Asserted-Identity', 'P-Preferred-Identity', 'Remote-Party-ID']) {
    const claim = invite(foreign, [`${name}: "A" <sip:alice@${domain}>`]);
    assert.equal(screen([], claim), 403, name);
    assert.equal(screen([peer], claim), claim);
    const bare = screen([], claim, 'anonymise');
    assert.ok(typeof bare === 'object' && !bare.has(name));
    assert.equal(bare.from.uri, 'sip:anonymous@anonymous.invalid');
  }
  assert.equal(screen([peer], invite(foreign, ['P-Asserted-Identity: <<'])), 400);
});

test('[R7904-A-01] a REGISTER over the overlay is refused', () => {
  assert.equal(screen([peer], invite(`<sip:alice@${domain}>;tag=1`, [], 'REGISTER')), 403);
});

test('the queue runs what is due, within its slots', () => {
  const clock = createClock();
  const ran: string[] = [];
  const queue = createDueQueue(clock, 'test', 2, (item: string) => {
    ran.push(item);
    return true;
  });
  for (const item of ['a', 'b', 'c', 'd']) queue.plan(item, 10);
  queue.plan('d', 5000);
  queue.forget('c');
  queue.plan('e', 20);
  clock.run(100);
  assert.deepEqual(ran, ['a', 'b']);
  queue.release();
  clock.run(0);
  assert.deepEqual(ran, ['a', 'b', 'e']);
  assert.equal(queue.size, 1);
  for (let i = 0; i < 1000; i++) queue.plan('d', 10_000 + i);
  queue.release();
  clock.run(20_000);
  assert.deepEqual(ran, ['a', 'b', 'e', 'd']);
});

test('the memory of a publication survives, damage does not hurt', () => {
  const record = { hash: 'ab', key: peer, certificate: 'cd', storageTimeMs: 5, lifetimeS: 600 };
  assert.deepEqual(decodePublished(encodePublished(record)), record);
  for (const bad of ['', 'a b', 'a b c d e', 'a b c 1 2 3', '\xff']) {
    assert.equal(decodePublished(latin1Encode(bad)), undefined, bad);
  }
});
