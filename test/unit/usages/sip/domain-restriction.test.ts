import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idBytes } from '../../../../src/base/ids.ts';
import { aorOf, aorParts, isGruu } from '../../../../src/usages/sip/aor.ts';
import { createDomainFilter } from '../../../../src/usages/sip/domain-restriction.ts';
import { sipRegistrationKind } from '../../../../src/usages/sip/kind.ts';
import { compileEre } from '../../../../src/usages/sip/posix-ere.ts';
import {
  encodeRegistration,
  resourceOfAor,
  routeTo,
} from '../../../../src/usages/sip/registration.ts';
import { certificate, config, nodeId } from '../../adapter/support/world.ts';

function matches(pattern: string, text: string): boolean {
  const compiled = compileEre(pattern);
  assert.ok(compiled.ok, `${pattern}: ${compiled.ok ? '' : compiled.error}`);
  return compiled.value(text);
}

test('[R7904-2-01] an AOR has no scheme, port or parameters', () => {
  assert.equal(aorOf('sip:alice@x.example'), 'alice@x.example');
  assert.equal(aorOf('sips:alice@X.Example:5061;transport=tls?a=b'), 'alice@x.example');
  assert.equal(aorOf('Alice@x.example.'), 'Alice@x.example');
  assert.equal(aorOf('sip:[2001:DB8::1]'), undefined);
  assert.deepEqual(aorParts('bob@[2001:DB8::1]:5060'), { user: 'bob', host: '[2001:db8::1]' });
});

test('[R7904-7-02] percent escapes are decoded before matching', () => {
  assert.equal(aorOf('sip:j%2Edoe@x'), 'j.doe@x');
  assert.equal(aorOf('sip:j%C3%B6@x'), 'jö@x');
  for (const bad of ['sip:a%2@x', 'sip:a%ff@x', 'sip:a%00b@x', 'sip:@x', 'alice', 'a b@x', '']) {
    assert.equal(aorOf(bad), undefined, bad);
  }
  assert.equal(aorOf(`${'a'.repeat(300)}@x`), undefined);
  assert.ok(isGruu('sip:a@x;gr=abc') && !isGruu('sip:a@x;grx=1'));
});

test('[R7904-3.4-03] patterns are POSIX extended regular expressions over the whole domain', () => {
  assert.ok(matches('dht\\.example\\.com', 'dht.example.com'));
  assert.ok(!matches('dht\\.example\\.com', 'dhtxexample.com'));
  assert.ok(!matches('dht\\.example\\.com', 'evil-dht.example.com'));
  assert.ok(!matches('dht\\.example\\.com', 'dht.example.com.evil'));
  assert.ok(matches('.*\\.my\\.example', 'a.b.my.example'));
  assert.ok(!matches('.*\\.my\\.example', 'my.example'));
  assert.ok(matches('^a(b|cd)*e?$', 'abcdb') && !matches('^a(b|cd)*e?$', 'abc'));
  assert.ok(matches('[[:alpha:]-]{2,3}[^0-9]', 'a-zz') && !matches('[[:alpha:]]{2}', 'a1'));
  assert.ok(matches('x{2}|y{1,}', 'yyy') && matches('x{2}|y{1,}', 'xx'));
  assert.ok(matches('[]a]b[a-c-]', ']b-') && matches('[[.-.]x]', '-'));
  assert.ok(matches('Lab\\.Example', 'LAB.example'), 'case does not count');
  assert.ok(matches('', '') && !matches('', 'a') && matches('a|', ''));
  assert.ok(matches('(a*)*', 'aaa') && matches('(a|b|c)+\\.x', 'abc.x'));
});

test('wrong patterns are refused, hostile ones cost no more than others', () => {
  for (const bad of [
    '(',
    ')',
    '[a',
    '[z-a]',
    '*a',
    'a{2,1}',
    'a{',
    'a\\',
    '[[:nope:]]',
    `a${'*'.repeat(20)}`,
  ]) {
    assert.ok(!compileEre(bad).ok, bad);
  }
  assert.ok(!compileEre('((((a{99}){99}){99}){99})').ok);
  assert.ok(!compileEre('('.repeat(40) + ')'.repeat(40)).ok);
  assert.ok(!matches('(a*)*(a|aa)+(a*)*b', 'a'.repeat(250)));
});

test('[R7904-3.4-04] without the element every AOR is accepted', () => {
  const filter = createDomainFilter(config({ domainRestriction: undefined }));
  assert.ok(filter.acceptsAor('alice@anything.example'));
});

test('[R7904-3.4-05] enable missing or false accepts the domain of the overlay only', () => {
  const filter = createDomainFilter(
    config({ domainRestriction: { enable: false, patterns: ['.*'] } }),
  );
  assert.ok(filter.acceptsAor('alice@LAB.example'));
  assert.ok(!filter.acceptsAor('alice@other'));
});

test('[R7904-3.4-06] [R7904-3.1-03] enable true accepts what matches a pattern, nothing without one', () => {
  const filter = createDomainFilter(
    config({ domainRestriction: { enable: true, patterns: ['dht\\.example', ' .*\\.my ', '('] } }),
  );
  assert.ok(filter.acceptsAor('a@dht.example') && filter.acceptsAor('a@x.my'));
  assert.ok(!filter.acceptsAor('a@lab.example'));
  assert.deepEqual(filter.invalidPatterns, ['(']);
  const none = createDomainFilter(config({ domainRestriction: { enable: true, patterns: [] } }));
  assert.ok(!none.acceptsAor('alice@lab.example'));
});

const aor = 'alice@lab.example';
const user = nodeId(0x21);
const value = encodeRegistration(routeTo(nodeId(0x0a), []));

function check(overrides: {
  readonly aor?: string;
  readonly userName?: string | undefined;
  readonly key?: Uint8Array;
  readonly value?: Uint8Array;
}): boolean {
  const kind = sipRegistrationKind(() => config());
  return kind.validate!({
    resource: resourceOfAor(overrides.aor ?? aor),
    value: { key: overrides.key ?? idBytes(user), exists: true, value: overrides.value ?? value },
    signer: certificate(user, 'userName' in overrides ? overrides.userName : aor),
    signerNodeId: user,
  }).ok;
}

test('[R7904-3.3-04] [R7904-3.3-05] [R7904-3.3-06] a storing peer checks domain, name and key', () => {
  assert.ok(check({}));
  assert.ok(!check({ aor: 'alice@other', userName: 'alice@other' }), 'foreign domain');
  assert.ok(!check({ userName: 'bob@lab.example' }), "another user's AOR");
  assert.ok(!check({ userName: undefined }) && !check({ userName: 'alice' }), 'no AOR');
  assert.ok(!check({ key: idBytes(nodeId(0x22)) }), 'another key');
  assert.ok(!check({ value: value.subarray(1) }), 'no SipRegistration');
  assert.ok(check({ value: Uint8Array.of(9, 0, 1, 7) }), 'a type of the future');
});

test('[R7904-7-01] [R7904-9.1-01] the Kind is 1, a dictionary with USER-NODE-MATCH', () => {
  const kind = sipRegistrationKind(() => config());
  assert.equal(kind.kind, 1);
  assert.equal(kind.dataModel, 'DICTIONARY');
  assert.equal(kind.accessControl, 'USER-NODE-MATCH');
});

test('[R7904-8.1-01] the domain is looked at before any signature or certificate is checked', () => {
  const kind = sipRegistrationKind(() => config());
  const look = kind.acceptsUser ?? assert.fail();
  assert.ok(look(aor).ok);
  const foreign = look('alice@other');
  assert.match(foreign.ok ? '' : foreign.error, /other is not served/);
});
