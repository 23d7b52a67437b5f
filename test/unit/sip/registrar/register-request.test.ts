/** What a REGISTER is read as, and why it is refused. RFC 3261 §10.3, RFC 3327, RFC 5626 §6. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SipRequest } from '../../../../src/sip/message/message.ts';
import {
  type RegisterContact,
  comparable,
  readRegister,
  supports,
} from '../../../../src/sip/registrar/register-request.ts';
import { type RequestParts, requestOf } from '../core/request-of.ts';
import { domain, domains } from '../core/rig.ts';

type Parts = Pick<RequestParts, 'to' | 'callId' | 'vias'>;

function request(headers: readonly string[], parts: Parts = {}): SipRequest {
  const to = `<sip:alice@${domain}>`;
  return requestOf(headers, { method: 'REGISTER', uri: `sip:${domain}`, to, ...parts });
}

const lax = { acceptsUnannouncedPath: true };
const strict = { acceptsUnannouncedPath: false };

function read(headers: readonly string[], parts?: Parts, settings = strict) {
  const outcome = readRegister(request(headers, parts), domains, settings);
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.reason);
  return outcome.value;
}

function refusal(headers: readonly string[], parts?: Parts, settings = strict): string {
  const outcome = readRegister(request(headers, parts), domains, settings);
  assert.ok(!outcome.ok, `accepted: ${headers.join()}`);
  return `${String(outcome.error.status)} ${outcome.error.reason}`;
}

function contact(value: string, ...headers: readonly string[]): RegisterContact {
  const { contacts } = read([`Contact: ${value}`, ...headers]);
  assert.ok(contacts !== '*');
  const [first] = contacts;
  assert.ok(first !== undefined && contacts.length === 1);
  return first;
}

test('whom a REGISTER is for: the address of To, of a served domain', () => {
  const { aor, callId, cseq, scheme, path, outbound, contacts } = read([]);
  assert.deepEqual([aor, callId, cseq, scheme], [`alice@${domain}`, 'call', 7, 'sip']);
  assert.deepEqual([path, outbound, contacts], [[], false, []]);
  assert.equal(read([], { to: `<sips:alice@${domain}>` }).scheme, 'sips');
  assert.equal(refusal([], { to: '<tel:+1>' }), '400 To Is Not a SIP URI');
  assert.equal(refusal([], { to: '<sip:[::x]>' }), '400 To Is Not a SIP URI');
  assert.equal(refusal([], { to: '<sip:alice@other.example>' }), '404 Not Found');
  assert.equal(refusal([], { to: `<sip:${domain}>` }), '404 Not Found');
});

test('[S3261-8.2.2.3-01] [S3840-6-02] what is required must be known, in any case', () => {
  read(['Require: path, Outbound', 'Require: PREF,gruu']);
  const outcome = readRegister(request(['Require: foo, path', 'Require: bar']), domains, strict);
  assert.ok(!outcome.ok);
  assert.deepEqual(outcome.error, {
    status: 420,
    reason: 'Bad Extension',
    headers: [['Unsupported', 'foo, bar']],
  });
});

test('[S3327-5.3-01] Path needs to be announced, unless policy takes it; ten values of 1024 characters at most', () => {
  const path = (count: number): string => `Path: ${Array(count).fill('<sip:p;lr>').join(', ')}`;
  const supported = 'Supported: timer, PATH';
  assert.equal(read([path(10), supported]).path.length, 10);
  assert.equal(refusal([path(11), supported]), '400 Too Many Paths');
  assert.equal(refusal([path(1)]), '420 Bad Extension');
  assert.equal(refusal([path(1), 'Supported: pathx']), '420 Bad Extension');
  assert.equal(read([path(2)], undefined, lax).path.length, 2);
  const long = (size: number): string => `Path: <${'sip:'.padEnd(size - 2, 'x')}>`;
  assert.equal(read([long(1024), supported]).path[0]?.length, 1024);
  assert.equal(refusal([long(1025), supported]), '400 Too Many Paths');
  assert.equal(read([], { callId: 'c'.repeat(1024) }).callId.length, 1024);
  assert.equal(refusal([], { callId: 'c'.repeat(1025) }), '400 Call-ID Too Long');
});

test('[S3261-10.3-10] the wildcard stands alone, with Expires 0', () => {
  assert.equal(read(['Contact: *', 'Expires: 0']).contacts, '*');
  assert.equal(refusal(['Contact: *']), '400 Wildcard Without Expires 0');
  assert.equal(refusal(['Contact: *', 'Expires: 1']), '400 Wildcard Without Expires 0');
  assert.equal(refusal(['Contact: *', 'Expires: x']), '400 Wildcard Without Expires 0');
  assert.equal(
    refusal(['Contact: *, <sip:a@b>', 'Expires: 0']),
    '400 Wildcard With Other Contacts',
  );
});

test('[S3261-10.2-01] the interval: of the parameter, else of the header, else none', () => {
  const table: readonly (readonly [string, readonly string[], number | undefined])[] = [
    ['<sip:a@b>', [], undefined],
    ['<sip:a@b>', ['Expires: 60'], 60],
    ['<sip:a@b>;expires=30', ['Expires: 60'], 30],
    ['<sip:a@b>;expires=0', ['Expires: 60'], 0],
    ['<sip:a@b>;expires', ['Expires: 60'], 3600],
    ['<sip:a@b>;expires=-1', [], 3600],
    ['<sip:a@b>;expires=1x', [], 3600],
    ['<sip:a@b>', ['Expires: soon'], 3600],
    ['<sip:a@b>;expires=4294967295', [], 4_294_967_295],
    ['<sip:a@b>;expires=99999999999', [], 4_294_967_295],
  ];
  for (const [value, headers, expected] of table) {
    assert.equal(contact(value, ...headers).expiresS, expected, value);
  }
});

test('[S3261-10.2.1.2-01] q: 0 to 1 with three digits; anything else counts as 1', () => {
  const table: readonly (readonly [string, number])[] = [
    ['', 1000],
    [';q=0', 0],
    [';q=0.', 0],
    [';q=0.5', 500],
    [';q=0.123', 123],
    [';q=1', 1000],
    [';q=1.000', 1000],
    [';q=0.1234', 1000],
    [';q=1.1', 1000],
    [';q=x', 1000],
    [';q', 1000],
    [';q=0.29', 290],
  ];
  for (const [params, q] of table) assert.equal(contact(`<sip:a@b>${params}`).q, q, params);
});

test('[S5626-10-01] reg-id: 1 to 2^31-1, beside an instance only', () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    [';reg-id=1', 1],
    [';reg-id=2147483647', 2_147_483_647],
    [';reg-id=2147483648', undefined],
    [';reg-id=0', undefined],
    [';reg-id=99999999999', undefined],
    [';reg-id=1x', undefined],
    [';reg-id', undefined],
  ];
  for (const [params, regId] of table) {
    assert.equal(contact(`<sip:a@b>;+sip.instance="<urn:x>"${params}`).regId, regId, params);
    assert.equal(contact(`<sip:a@b>${params}`).regId, undefined);
  }
  assert.equal(contact('<sip:a@b>;+sip.instance="<urn:x>"').instance, 'urn:x');
  assert.equal(contact('<sip:a@b>;+sip.instance="urn:y"').instance, 'urn:y');
  assert.equal(contact('<sip:a@b>;+sip.instance="<>"').instance, undefined);
});

test('parameters are kept: feature tags in quotes, others as they need it', () => {
  const table: readonly (readonly [string, string])[] = [
    [';ob', ';ob'],
    [";x=plain-1.!%*+`'~", ";x=plain-1.!%*+`'~"],
    [';x="two words"', ';x="two words"'],
    [';x="a\\"b\\\\c"', ';x="a\\"b\\\\c"'],
    [';x=""', ';x=""'],
    [';+vendor=1', ';+vendor="1"'],
    [';audio', ';audio'],
    [';expires=5;q=0.5;pub-gruu="a";temp-gruu="b";z', ';z'],
    [';+sip.instance="<urn:x>";reg-id=1', ';+sip.instance="<urn:x>";reg-id=1'],
  ];
  for (const [params, expected] of table) {
    assert.equal(contact(`<sip:a@b>${params}`).parameters, expected, params);
  }
  const tags = [
    ...['actor', 'application', 'audio', 'automata', 'class', 'control', 'data', 'description'],
    ...['duplex', 'events', 'extensions', 'isfocus', 'language', 'methods', 'mobility', 'priority'],
    ...['schemes', 'text', 'type', 'video'],
  ];
  for (const tag of tags) {
    assert.equal(contact(`<sip:a@b>;${tag}=x`).parameters, `;${tag}="x"`);
  }
});

test('contacts that cannot be kept are refused', () => {
  const long = 'x'.repeat(1024);
  const table: readonly (readonly [string, string])[] = [
    ['nonsense', '400 Malformed Contact'],
    ['<sip:a@b', '400 Malformed Contact'],
    ['<sip:[::x]>', '400 Malformed Contact'],
    ['sip:a@b?c=d', '400 Malformed Contact'],
    ['"\\\0" <sip:a@b>', '400 Malformed Contact'],
    [`<sip:${long}>`, '400 Contact Too Long'],
    [`<sip:a@b>;${long}`, '400 Contact Too Long'],
    [`<sip:alice@${domain}>`, '403 Contact Not Allowed'],
    [`<sips:alice@${domain.toUpperCase()};x>`, '403 Contact Not Allowed'],
    [`<sip:bob@${domain};gr=1>`, '403 Contact Not Allowed'],
    ['<mailto:a@b>;+sip.instance="<urn:x>"', '403 Contact Not Allowed'],
  ];
  for (const [value, reason] of table) assert.equal(refusal([`Contact: ${value}`]), reason, value);
  const kept = [
    `<sip:${'x'.repeat(1020)}>`,
    `<sip:a@b>;${'x'.repeat(1023)}`,
    `<sip:alice@${domain}:5062>`,
    `<sip:alice@${domain}?a=b>`,
    `<sip:alice@other.example>`,
    `<sip:Alice@${domain}>`,
    '<sip:a@other.example;gr=1>',
    '<mailto:a@b>',
    '<sip:a@b>;+sip.instance="<urn:x>"',
    'sip:a@b',
  ];
  for (const value of kept) contact(value);
  const many = (count: number): string =>
    `Contact: ${Array.from({ length: count }, (_, i) => `<sip:${String(i)}@b>`).join()}`;
  assert.equal(read([many(16)]).contacts.length, 16);
  assert.equal(refusal([many(17)]), '400 Too Many Contacts');
});

test('[S5626-6-01] [S5626-6-02] outbound is applied where the first hop knows it and the phone asks', () => {
  const flow = (id: number, more = ''): string =>
    `Contact: <sip:${String(id)}@b>;+sip.instance="<urn:x>";reg-id=${String(id)}${more}`;
  const supported = 'Supported: path, outbound';
  assert.equal(read([flow(1), supported]).outbound, true);
  assert.equal(read([flow(1)]).outbound, false);
  assert.equal(read([flow(1, ';expires=0'), supported]).outbound, false);
  assert.equal(read([flow(1), flow(2, ';expires=0'), supported]).outbound, true);
  assert.equal(refusal([flow(1), flow(2), supported]), '400 One Contact With reg-id');
  assert.equal(refusal([flow(1), 'Contact: <sip:c@d>', supported]), '400 One Contact With reg-id');
  assert.equal(read(['Contact: <sip:c@d>', 'Contact: <sip:e@f>', supported]).outbound, false);

  const far = { vias: ['SIP/2.0/UDP a;branch=z9hG4bK1', 'SIP/2.0/UDP b;branch=z9hG4bK2'] };
  assert.equal(refusal([flow(1), supported], far), '439 First Hop Lacks Outbound Support');
  const ignored = read([flow(1)], far).contacts;
  assert.ok(ignored !== '*' && ignored[0]?.regId === undefined);
  const edge = (path: string) => [flow(1), supported, `Path: ${path}`];
  assert.equal(read(edge('<sip:e;lr;ob>, <sip:f;lr>'), far).outbound, true);
  for (const path of ['<sip:e;lr>, <sip:f;lr;ob>', '<sip:e;lr>;ob', '<sip:[x];ob>', 'x']) {
    assert.equal(refusal(edge(path), far), '439 First Hop Lacks Outbound Support', path);
  }
});

test('option tags are found without case, as a whole', () => {
  assert.ok(supports(request(['Supported: a', 'k: GruU']), 'gruu'));
  assert.ok(!supports(request(['Supported: gruux']), 'gruu'));
  assert.ok(!supports(request([]), 'gruu'));
  assert.equal(comparable('sip:a@b')?.user, 'a');
  assert.equal(comparable('nonsense'), undefined);
});
