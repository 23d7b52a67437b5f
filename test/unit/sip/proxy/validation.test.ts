import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import { readDisposition, usualDisposition } from '../../../../src/sip/proxy/disposition.ts';
import {
  maxBreadthOf,
  maxForwardsOf,
  refusalOf,
  requestUriOf,
  withoutOwnMaddr,
} from '../../../../src/sip/proxy/validation.ts';
import { requestOf } from '../core/request-of.ts';
import { createRig, domain, domains, serverAddress } from '../core/rig.ts';

test('[S3261-16.3-03] what cannot be forwarded: other schemes, no hops left, unknown demands', () => {
  const refusal = (headers: readonly string[], uri?: string): string => {
    const found = refusalOf(requestOf(headers, uri === undefined ? {} : { uri }));
    return found === undefined ? '' : `${String(found.status)} ${found.reason}`;
  };
  assert.equal(refusal([]), '');
  for (const uri of ['sips:a@b', 'SIP:a@b', 'tel:+1']) assert.equal(refusal([], uri), '', uri);
  for (const uri of ['mailto:a@b', 'sipx:a@b']) {
    assert.equal(refusal([], uri), '416 Unsupported URI Scheme');
  }
  assert.equal(refusal(['Max-Forwards: 0']), '483 Too Many Hops');
  assert.equal(refusal(['Max-Forwards: 1']), '');
  assert.equal(refusal(['Max-Forwards: x']), '');
  const demands = refusalOf(requestOf(['Proxy-Require: foo, bar']));
  assert.deepEqual(demands, {
    status: 420,
    reason: 'Bad Extension',
    headers: [['Unsupported', 'foo, bar']],
  });
  assert.equal(refusal(['Proxy-Require: ,']), '');
});

test('Max-Forwards counts up to 255, Max-Breadth up to the own bound', () => {
  const forwards: readonly (readonly [string, number | undefined])[] = [
    ['0', 0],
    ['255', 255],
    ['256', undefined],
    ['1000', undefined],
    ['-1', undefined],
    ['7x', undefined],
    ['x7', undefined],
  ];
  for (const [text, expected] of forwards) {
    assert.equal(maxForwardsOf(requestOf([`Max-Forwards: ${text}`])), expected, text);
  }
  assert.equal(maxForwardsOf(requestOf([])), undefined);
  const breadths: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['59', 59],
    ['60', 60],
    ['61', 60],
    ['999999999', 60],
    ['9999999999', 60],
    ['-1', 60],
    ['1x', 60],
  ];
  for (const [text, expected] of breadths) {
    assert.equal(maxBreadthOf(requestOf([`Max-Breadth: ${text}`]), 60), expected, text);
  }
  assert.equal(maxBreadthOf(requestOf([]), 60), 60);
});

test('a maddr that names this server on the way of arrival goes away', () => {
  const rig = createRig();
  const read = (text: string, transport: 'udp' | 'tcp' | 'tls' = 'udp', port = 5060) => {
    const uri = parseUri(text);
    assert.ok(uri.ok);
    const { flow } = rig.phone('192.0.2.10', transport);
    const local = { ...flow.local, port };
    return withoutOwnMaddr(uri.value, { ...flow, local }, domains);
  };
  assert.equal(read(`sip:a@x;maddr=${serverAddress}`), 'sip:a@x');
  assert.equal(read(`sip:a@x:5060;maddr=${domain};y`), 'sip:a@x;y');
  assert.equal(read(`sip:a@x;transport=UDP;maddr=${domain}`), 'sip:a@x');
  assert.equal(read(`sip:a@x;transport=tcp;maddr=${domain}`, 'tcp'), 'sip:a@x');
  assert.equal(read(`sips:a@x;transport=tls;maddr=${domain}`, 'tls', 5061), 'sips:a@x');
  for (const [text, transport, port] of [
    ['sip:a@x', 'udp', 5060],
    ['sip:a@x;maddr=192.0.2.99', 'udp', 5060],
    [`sip:a@x;maddr=${domain}`, 'tcp', 5060],
    [`sip:a@x;maddr=${domain};transport=tcp`, 'udp', 5060],
    [`sip:a@x;maddr=${domain}`, 'udp', 5070],
    [`sip:a@x:5070;maddr=${domain}`, 'udp', 5070],
    [`sips:a@x;maddr=${domain};transport=tls`, 'tls', 5060],
  ] as const) {
    assert.equal(read(text, transport, port), undefined, text);
  }
});

test('[S3261-16.6-02] a contact as Request-URI loses its headers and method', () => {
  const table: readonly (readonly [string, string])[] = [
    ['sip:a@b;x=y', 'sip:a@b;x=y'],
    ['sip:a@b?c=d', 'sip:a@b'],
    ['sip:a@b;method=BYE;z', 'sip:a@b;z'],
    ['sip:a@b;METHOD=BYE?c=d', 'sip:a@b'],
    ['sip:a:p@b:5?c', 'sip:a:p@b:5'],
    ['no uri?', 'no uri?'],
  ];
  for (const [contact, expected] of table) assert.equal(requestUriOf(contact), expected);
});

test('directives of Request-Disposition, in any case and order', () => {
  const read = (value: string) => readDisposition(requestOf([`Request-Disposition: ${value}`]));
  assert.equal(readDisposition(requestOf([])), usualDisposition);
  assert.deepEqual(usualDisposition, {
    redirect: false,
    fork: true,
    recurse: true,
    parallel: undefined,
    cancel: true,
  });
  assert.deepEqual(read('proxy, fork, recurse, cancel, queue, unknown'), usualDisposition);
  assert.deepEqual(read('Redirect, NO-FORK, no-recurse, Sequential, no-cancel'), {
    redirect: true,
    fork: false,
    recurse: false,
    parallel: false,
    cancel: false,
  });
  assert.equal(read('parallel').parallel, true);
  assert.equal(read('parallel, sequential').parallel, false);
});
