import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RegInfo, contactId, formatRegInfo } from '../../../../src/sip/events/reg-info.ts';
import type { Binding } from '../../../../src/sip/location/binding.ts';

const binding: Binding = {
  contact: 'sip:alice@192.0.2.10?a="b"&c',
  instance: undefined,
  regId: undefined,
  q: 1000,
  expiresAtMs: 100_400,
  callId: 'c<1>\x01\x0b\x1f',
  cseq: 7,
  receivedAddress: '192.0.2.10',
  receivedPort: 5060,
  transport: 'udp',
  listener: 'lan',
  flowId: 'udp:1',
  flowDead: false,
  direct: undefined,
  path: [],
  userAgent: '',
  parameters: '',
  lastRefreshMs: 0,
  gruuEpochMs: undefined,
  nat: false,
};

function info(more: Partial<RegInfo> = {}): RegInfo {
  return {
    aor: 'a b@lab.example',
    version: 3,
    bindings: [binding],
    isKnown: () => false,
    gone: [],
    nowMs: 40_000,
    publicGruu: undefined,
    ...more,
  };
}

test('a document tells the whole state of an address, with what XML needs escaped', () => {
  const text = formatRegInfo(info());
  const id = contactId(binding);
  assert.match(id, /^[0-9a-f]{16}$/);
  const [head, reginfo, registration, ...rest] = text.split('\n');
  assert.equal(head, '<?xml version="1.0" encoding="UTF-8"?>');
  assert.equal(
    reginfo,
    '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"' +
      ' version="3" state="full">',
  );
  assert.match(
    registration ?? '',
    /^<registration aor="sip:a%20b@lab\.example" id="[0-9a-f]{16}" state="active">$/,
  );
  assert.deepEqual(rest, [
    `<contact id="${id}" state="active" event="registered" expires="60" q="1.000" ` +
      'callid="c&lt;1&gt;\ufffd\ufffd\ufffd" cseq="7">',
    '<uri>sip:alice@192.0.2.10?a=&quot;b&quot;&amp;c</uri>',
    '</contact>',
    '</registration>',
    '</reginfo>',
    '',
  ]);
});

test('contacts: known ones are refreshed, those that went say why and expire no more', () => {
  const known = formatRegInfo(info({ isKnown: () => true, nowMs: 200_000 }));
  assert.match(known, /state="active" event="refreshed" expires="0"/);
  for (const end of ['expired', 'unregistered', 'deactivated'] as const) {
    const text = formatRegInfo(info({ bindings: [], gone: [{ binding, end }] }));
    assert.match(text, new RegExp(`state="terminated" event="${end}" q="1\\.000"`));
    assert.match(text, /<registration [^>]* state="terminated">/);
  }
  assert.match(formatRegInfo(info({ bindings: [] })), /<registration [^>]* state="init">/);
  const both = formatRegInfo(info({ gone: [{ binding, end: 'expired' }] }));
  assert.match(both, /<registration [^>]* state="active">/);
  assert.equal(both.split('<contact ').length - 1, 2);
  assert.match(formatRegInfo(info({ bindings: [{ ...binding, q: 250 }] })), /q="0\.250"/);
});

test('a phone with an instance shows it, and its public GRUU where there are any', () => {
  const bindings = [{ ...binding, instance: 'urn:x' }];
  const plain = formatRegInfo(info({ bindings }));
  const instance = '<unknown-param name="+sip.instance">&quot;&lt;urn:x&gt;&quot;</unknown-param>';
  assert.ok(plain.includes(instance));
  assert.ok(!plain.includes('pub-gruu'));
  const publicGruu = (name: string): string => `sip:a@b;gr=<${name}>`;
  const withGruu = formatRegInfo(info({ bindings, publicGruu }));
  assert.ok(
    withGruu.includes(`${instance}\n<gr:pub-gruu uri="sip:a@b;gr=&lt;urn:x&gt;"/>\n</contact>`),
  );
  assert.ok(!formatRegInfo(info({ publicGruu })).includes('pub-gruu'));
});

test('one contact has one id: by URI and instance, with outbound by instance and reg-id', () => {
  const id = contactId(binding);
  assert.equal(contactId({ ...binding, q: 1, callId: 'x', expiresAtMs: 1 }), id);
  assert.notEqual(contactId({ ...binding, contact: 'sip:b@h' }), id);
  assert.notEqual(contactId({ ...binding, instance: 'urn:x' }), id);
  const flow = { ...binding, instance: 'urn:x', regId: 1 };
  assert.equal(contactId({ ...flow, contact: 'sip:moved@h' }), contactId(flow));
  assert.notEqual(contactId({ ...flow, regId: 2 }), contactId(flow));
  assert.notEqual(contactId({ ...flow, instance: 'urn:y' }), contactId(flow));
});
