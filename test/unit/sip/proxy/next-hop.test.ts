/** The way to servers of other domains, and back to those whose connection is gone. RFC 3263 §4, §5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, success } from '../../../../src/base/outcome.ts';
import type { Flow, FlowOpener, FlowTarget } from '../../../../src/ports/flow.ts';
import type { Locator } from '../../../../src/sip/dns/locator.ts';
import { parseVia } from '../../../../src/sip/message/via.ts';
import { formatUri } from '../../../../src/sip/message/uri.ts';
import { createNextHops, isForbiddenPlace } from '../../../../src/sip/proxy/next-hop.ts';
import { createReplyHops } from '../../../../src/sip/proxy/reply-hop.ts';
import type { OpenFlow } from '../../../../src/sip/proxy/targets.ts';
import { createCountingTrace } from '../../../support/counting-trace.ts';
import { createRig } from '../core/rig.ts';

const rig = createRig();

function place(address: string, transport: FlowTarget['transport'] = 'tcp'): FlowTarget {
  return { transport, address, port: 5060 };
}

/** A world whose names lead to these places; those that work can be opened. */
function world(places: readonly FlowTarget[], works: readonly string[]) {
  const asked: string[] = [];
  const opened: FlowTarget[] = [];
  const located: string[] = [];
  const waiting: (() => void)[] = [];
  let held = false;
  const flows: FlowOpener = {
    find: () => undefined,
    open(target, done) {
      opened.push(target);
      asked.push(target.address);
      const answer = (): void => {
        done(works.includes(target.address) ? success(flowTo(target)) : failure('refused'));
      };
      if (held) waiting.push(answer);
      else answer();
    },
  };
  const locator: Locator = {
    locate(uri, secure) {
      located.push(`${formatUri(uri)}${secure ? ' secure' : ''}`);
      if (uri.host === 'nowhere.example') return undefined;
      let at = 0;
      return {
        next: (done) => {
          done(places[at++]);
        },
      };
    },
  };
  const trace = createCountingTrace();
  const mayReach = ({ address }: FlowTarget): boolean => !isForbiddenPlace(address);
  return {
    asked,
    opened,
    located,
    trace,
    hold: () => (held = true),
    answerAll: () => {
      for (const answer of waiting.splice(0)) answer();
    },
    next: createNextHops({ flows, locator, trace, mayReach }),
    reply: createReplyHops({ flows, locator, mayReach }),
  };
}

function flowTo({ address, transport }: FlowTarget): Flow {
  return rig.phone(address, transport).flow;
}

test('one address after the other, and the next one on request', () => {
  const places = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map((address) =>
    place(address),
  );
  const { asked, next, trace, located } = world(places, ['192.0.2.2', '192.0.2.4']);
  const found: string[] = [];
  let later: OpenFlow | undefined;
  const take: Parameters<OpenFlow>[0] = (outcome, more) => {
    found.push(outcome.ok ? outcome.value.remote.address : String(outcome.error.status));
    later = more;
  };
  next.open('sip:other.example', false, take);
  assert.deepEqual(found, ['192.0.2.2']);
  later?.(take);
  assert.deepEqual(found, ['192.0.2.2', '192.0.2.4']);
  later?.(take);
  assert.deepEqual(found, ['192.0.2.2', '192.0.2.4', '408']);
  assert.deepEqual(asked, ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4']);
  assert.equal(trace.count('sip_outside_hops_total', 'opened'), 2);
  assert.equal(trace.count('sip_outside_hops_total', 'failed'), 2);
  assert.deepEqual(located, ['sip:other.example']);
});

test('places that no message may name are passed over and counted', () => {
  const { asked, next, trace } = world(
    [place('127.0.0.1'), place('::1'), place('192.0.2.1')],
    ['192.0.2.1'],
  );
  let found: Flow | undefined;
  next.open('sip:other.example', true, (outcome) => {
    if (outcome.ok) found = outcome.value;
  });
  assert.equal(found?.remote.address, '192.0.2.1');
  assert.deepEqual(asked, ['192.0.2.1']);
  assert.equal(trace.count('sip_outside_hops_total', 'forbidden'), 2);
});

test('what cannot be looked up is 478; who gave up hears no more', () => {
  const { next, hold, answerAll, asked, located } = world(
    [place('192.0.2.1'), place('192.0.2.2')],
    ['192.0.2.1'],
  );
  const statuses: number[] = [];
  const take: Parameters<OpenFlow>[0] = (outcome) => {
    statuses.push(outcome.ok ? 200 : outcome.error.status);
  };
  next.open('sip:nowhere.example', false, take)();
  next.open('nonsense', false, take)();
  assert.deepEqual(statuses, [478, 478]);
  assert.deepEqual(located, ['sip:nowhere.example']);
  hold();
  next.open('sip:other.example', false, take)();
  answerAll();
  assert.deepEqual(statuses, [478, 478]);
  assert.deepEqual(asked, ['192.0.2.1']);
});

test('connections are remembered with their place, datagrams are not', () => {
  for (const transport of ['tcp', 'tls', 'udp'] as const) {
    const target = place('192.0.2.1', transport);
    const { next } = world([target], ['192.0.2.1']);
    let flow: Flow | undefined;
    next.open('sip:other.example', false, (outcome) => {
      if (outcome.ok) flow = outcome.value;
    });
    assert.ok(flow !== undefined);
    assert.deepEqual(next.placeOf(flow), transport === 'udp' ? undefined : target);
  }
});

test('loopback, link-local, multicast and unspecified addresses are forbidden places, however written', () => {
  const forbidden = [
    ...[
      '0.0.0.0',
      '0.1.2.3',
      '127.0.0.1',
      '127.255.0.1',
      '224.0.0.1',
      '239.1.1.1',
      '255.255.255.255',
    ],
    ...['169.254.1.1', '::', '::1', '::ffff:127.0.0.1', '::127.0.0.1', '::ffff:169.254.0.1'],
    ...['::ffff:224.0.0.1', 'fe80::1', 'febf::1', 'ff02::1', 'ff00::', 'name', '', '[::2]'],
  ];
  for (const address of forbidden) assert.ok(isForbiddenPlace(address), address);
  const allowed = [
    ...[
      '1.0.0.1',
      '10.0.0.1',
      '126.1.1.1',
      '128.0.0.1',
      '192.168.1.1',
      '169.253.1.1',
      '169.255.1.1',
    ],
    ...[
      '168.254.1.1',
      '223.255.255.255',
      '2001:db8::1',
      'fec0::1',
      'fe7f::1',
      'fd00::1',
      '64:ff9b::1',
    ],
    ...['::ffff:10.0.0.1', '::ffff:192.168.127.1', '::1:0:0:1', '::fffe:127.0.0.1', 'feff::1'],
  ];
  for (const address of allowed) assert.ok(!isForbiddenPlace(address), address);
});

function reopen(
  { reply }: ReturnType<typeof world>,
  viaText: string,
  lost: Flow,
): string | undefined {
  const via = parseVia(viaText);
  assert.ok(via.ok);
  const found: (Flow | undefined)[] = [];
  reply.reopen(via.value, lost, (flow) => found.push(flow));
  assert.equal(found.length, 1);
  return found[0]?.remote.address;
}

test('[S3261-18.2.2-01] a lost connection: first the source on the port of sent-by, then what sent-by names', () => {
  const lost = rig.phone('198.51.100.7', 'tcp', 'lan', 40_000).flow;
  const direct = world([], ['198.51.100.7']);
  assert.equal(reopen(direct, 'SIP/2.0/TCP h.example:5070;branch=z', lost), '198.51.100.7');
  assert.deepEqual(direct.opened, [{ transport: 'tcp', address: '198.51.100.7', port: 5070 }]);
  assert.deepEqual(direct.located, []);

  const named = world([place('127.0.0.1'), place('192.0.2.1'), place('192.0.2.2')], ['192.0.2.2']);
  assert.equal(reopen(named, 'SIP/2.0/TCP h.example;branch=z', lost), '192.0.2.2');
  assert.deepEqual(named.asked, ['198.51.100.7', '192.0.2.1', '192.0.2.2']);
  assert.deepEqual(named.located, ['sip:h.example;transport=tcp']);
  assert.equal(named.opened[0]?.port, 5060);

  const none = world([place('192.0.2.1')], []);
  assert.equal(reopen(none, 'SIP/2.0/TCP h.example:5070;branch=z', lost), undefined);
  assert.deepEqual(none.located, ['sip:h.example:5070;transport=tcp']);
  const unknown = world([], []);
  assert.equal(reopen(unknown, 'SIP/2.0/TCP nowhere.example;branch=z', lost), undefined);
  assert.deepEqual(unknown.asked, ['198.51.100.7']);
});

test('sent-by with an address is not looked up; TLS has its own port, and names are looked up for it', () => {
  const lost = rig.phone('198.51.100.7', 'tls', 'lan', 40_000).flow;
  for (const host of ['192.0.2.1', '[2001:db8::1]']) {
    const numeric = world([place('192.0.2.1')], ['192.0.2.1']);
    assert.equal(reopen(numeric, `SIP/2.0/TLS ${host};branch=z`, lost), undefined);
    assert.deepEqual(numeric.opened, [{ transport: 'tls', address: '198.51.100.7', port: 5061 }]);
    assert.deepEqual(numeric.located, []);
  }
  const named = world([place('192.0.2.1', 'tls')], ['192.0.2.1']);
  assert.equal(reopen(named, 'SIP/2.0/TLS h.example;branch=z', lost), '192.0.2.1');
  assert.deepEqual(named.located, ['sip:h.example;transport=tls secure']);
});

test('datagrams and WebSockets have no other way', () => {
  const tcp = rig.phone('198.51.100.7', 'tcp', 'lan', 40_000).flow;
  const udp = rig.phone('198.51.100.7', 'udp', 'lan', 40_000).flow;
  const open = world([], ['198.51.100.7']);
  assert.equal(reopen(open, 'SIP/2.0/WS h.example;branch=z', tcp), undefined);
  assert.equal(reopen(open, 'SIP/2.0/UDP h.example;branch=z', udp), undefined);
  assert.deepEqual(open.asked, []);
  assert.equal(reopen(open, 'SIP/2.0/UDP h.example;branch=z', tcp), '198.51.100.7');
});
