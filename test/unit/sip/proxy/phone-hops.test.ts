/** How the server names itself towards phones and servers, and what leads where. RFC 3261 §16.6, RFC 5626 §5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, success } from '../../../../src/base/outcome.ts';
import type { Flow, FlowTarget } from '../../../../src/ports/flow.ts';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import type { NextHops } from '../../../../src/sip/proxy/next-hop.ts';
import {
  type PhoneHopsDeps,
  createPhoneHops,
  flowTarget,
} from '../../../../src/sip/proxy/phone-hops.ts';
import { requestOf } from '../core/request-of.ts';
import { createRig, domain, domains, message, serverAddress } from '../core/rig.ts';

const rig = createRig();
const tokenKeys = [new Uint8Array(32).fill(1)];

function hops(more: Partial<PhoneHopsDeps> = {}) {
  return createPhoneHops({ domains, flows: rig.flows, tokenKeys, ...more });
}

test('the Record-Route of each transport, plain and secure', () => {
  const table: readonly (readonly ['udp' | 'tcp' | 'tls' | 'ws' | 'wss', string, string])[] = [
    ['udp', '', ''],
    ['tcp', ';transport=tcp', ''],
    ['tls', ';transport=tls', ''],
    ['ws', ';transport=ws', ''],
    ['wss', ';transport=ws', ';transport=ws'],
  ];
  for (const [transport, plain, secure] of table) {
    const { flow } = rig.phone('192.0.2.10', transport);
    const own = hops();
    const token = /~[\w-]+/.exec(own.recordRoute(flow, false))?.[0] ?? '';
    const at = `${token}@${serverAddress}:5060`;
    assert.equal(own.recordRoute(flow, false), `sip:${at}${plain};lr`);
    assert.equal(own.recordRoute(flow, true), `sips:${at}${secure};lr`);
    assert.deepEqual(own.via(flow), { host: serverAddress, port: 5060 });
  }
});

test('behind port forwarding the address that others see is shown; IPv6 in brackets', () => {
  const { flow } = rig.phone('192.0.2.10');
  const shown = hops({ advertised: () => ({ host: '2001:db8::9', port: 5099 }) });
  assert.deepEqual(shown.via(flow), { host: '[2001:db8::9]', port: 5099 });
  assert.match(shown.recordRoute(flow, false), /@\[2001:db8::9\]:5099;lr$/);
  const usual = hops({ advertised: () => undefined });
  assert.deepEqual(usual.via(flow), { host: serverAddress, port: 5060 });
});

test('the token of a connection made here says where to make it again', () => {
  const { flow } = rig.phone('192.0.2.50', 'tls');
  for (const place of [
    { transport: 'tls', address: '192.0.2.50', port: 5061, host: 'other.example' },
    { transport: 'tcp', address: '2001:db8::1', port: 5070 },
  ] as const satisfies readonly FlowTarget[]) {
    const nextHops: NextHops = { open: () => () => undefined, placeOf: () => place };
    const own = hops({ nextHops });
    const route = own.recordRoute(flow, false);
    const expected = { kind: 'flow', flowId: flow.id, place };
    assert.deepEqual(own.ownRoute(route), expected);
    assert.deepEqual(own.ownRoute(route), expected, 'remembered');
    assert.deepEqual(hops().ownRoute(route), expected, 'after a restart');
  }
});

test('own values are known by host and port; schemes and users tell what they are', () => {
  const own = hops();
  const { flow } = rig.phone('192.0.2.10');
  const token = /~[\w-]+/.exec(own.recordRoute(flow, false))?.[0] ?? '';
  assert.deepEqual(own.ownRoute(`sips:${token}@${domain};lr`), { kind: 'flow', flowId: flow.id });
  assert.deepEqual(own.ownRoute(`sip:alice@${domain};lr`), { kind: 'plain' });
  assert.deepEqual(own.ownRoute(`sip:~@${domain};lr`), { kind: 'forged' });
  assert.deepEqual(own.ownRoute(`sip:${token.slice(0, -1)}@${domain};lr`), { kind: 'forged' });
  assert.equal(own.ownRoute(`tel:${token}`), undefined);
  assert.equal(own.ownRoute(`sip:${token}@other.example;lr`), undefined);
});

test('[S3263-4.1-01] where a numeric URI leads', () => {
  const table: readonly (readonly [string, boolean, string | undefined])[] = [
    ['sip:192.0.2.1', false, 'udp 192.0.2.1 5060'],
    ['sip:192.0.2.1;transport=UDP', false, 'udp 192.0.2.1 5060'],
    ['sip:192.0.2.1;transport=tcp', false, 'tcp 192.0.2.1 5060'],
    ['sip:192.0.2.1;transport=tcp', true, 'tls 192.0.2.1 5061'],
    ['sip:192.0.2.1', true, 'tls 192.0.2.1 5061'],
    ['sip:192.0.2.1:7', true, 'tls 192.0.2.1 7'],
    ['sip:192.0.2.1;transport=wss', false, 'wss 192.0.2.1 5060'],
    ['sip:192.0.2.1;transport=ws', false, 'ws 192.0.2.1 5060'],
    ['sip:192.0.2.1;transport=ws', true, 'wss 192.0.2.1 5060'],
    ['sip:[2001:db8::1];transport=tls', false, 'tls 2001:db8::1 5061'],
    ['sips:192.0.2.1;transport=sctp', false, 'tls 192.0.2.1 5061'],
    ['sip:192.0.2.1;transport=sctp', false, undefined],
    ['sip:1.2.3.4.example', false, undefined],
    ['sip:1.2.3', false, undefined],
    ['sip:name', false, undefined],
  ];
  for (const [text, secure, expected] of table) {
    const uri = parseUri(text);
    assert.ok(uri.ok);
    const target = flowTarget(uri.value, secure);
    const found =
      target === undefined
        ? undefined
        : `${target.transport} ${target.address} ${String(target.port)}`;
    assert.equal(found, expected, text);
  }
});

test('only who has proved something is led elsewhere; sips stays secure', () => {
  const open = (
    own: ReturnType<typeof hops>,
    uri: string,
    more: { authenticated?: boolean; request?: string } = {},
  ) => {
    const results: string[] = [];
    const giveUp = own.openRoute(
      uri,
      {
        request: requestOf([], { uri: more.request ?? `sip:bob@${domain}` }),
        flow: rig.phone('192.0.2.10').flow,
        authenticated: more.authenticated ?? true,
      },
      (outcome) => {
        results.push(
          outcome.ok ? outcome.value.id : `${String(outcome.error.status)} ${outcome.error.reason}`,
        );
      },
    );
    return { results, giveUp };
  };
  const asked: string[] = [];
  const nextHops: NextHops = {
    placeOf: () => undefined,
    open(uri, secure) {
      asked.push(`${uri} ${String(secure)}`);
      return () => undefined;
    },
  };
  assert.deepEqual(open(hops(), 'sip:192.0.2.1', { authenticated: false }).results, [
    '403 Relaying Denied',
  ]);
  open(hops({ nextHops }), 'sip:next.example;lr');
  open(hops({ nextHops }), 'sip:next.example;lr', { request: `SIPS:bob@${domain}` });
  assert.deepEqual(asked, ['sip:next.example;lr false', 'sip:next.example;lr true']);
  assert.deepEqual(open(hops(), 'sip:next.example').results, ['478 Unresolvable Next Hop']);
  assert.deepEqual(open(hops(), 'nonsense').results, ['478 Unresolvable Next Hop']);

  const { flow } = rig.phone('192.0.2.77', 'tcp');
  const opened: FlowTarget[] = [];
  let finish: ((flow: Flow | undefined) => void) | undefined;
  const own = hops({
    flows: {
      find: () => undefined,
      open(target, done) {
        opened.push(target);
        finish = (found) => done(found === undefined ? failure('refused') : success(found));
      },
    },
  });
  const first = open(own, 'sip:192.0.2.77:5062;transport=tcp');
  finish?.(flow);
  assert.deepEqual(first.results, [flow.id]);
  assert.deepEqual(opened, [{ transport: 'tcp', address: '192.0.2.77', port: 5062 }]);
  const second = open(own, 'sip:192.0.2.77');
  finish?.(undefined);
  assert.deepEqual(second.results, ['503 Next Hop Unreachable']);
  const third = open(own, 'sip:192.0.2.77');
  third.giveUp();
  finish?.(flow);
  assert.deepEqual(third.results, []);
});

test('a dialog with another server goes on over a new connection when its own is gone', () => {
  const place: FlowTarget = { transport: 'tcp', address: '192.0.2.50', port: 5062 };
  const nextHops: NextHops = { open: () => () => undefined, placeOf: () => place };
  const calls = createRig(({ flows }) => ({
    hops: createPhoneHops({ domains, flows, tokenKeys, nextHops }),
  }));
  const alice = calls.phone('192.0.2.10');
  const lost = calls.phone('192.0.2.50', 'tcp', 'out', 40_000);
  const route = `Route: <${calls.deps.hops.recordRoute(lost.flow, false)}>`;
  lost.drop();
  const bye = {
    method: 'BYE',
    uri: 'sip:carol@192.0.2.99',
    to: '<sip:carol@other.example>;tag=2',
    headers: [route],
  };
  alice.send(message(alice, { ...bye, callId: 'early' }));
  alice.response(430);
  const again = calls.phone('192.0.2.50', 'tcp', 'out', 5062);
  alice.send(message(alice, { ...bye, callId: 'late' }));
  assert.equal(again.request('BYE').uri, 'sip:carol@192.0.2.99');
});
