import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idBytes } from '../../../../src/base/ids.ts';
import { createDomainFilter } from '../../../../src/usages/sip/domain-restriction.ts';
import { sipRegistrationKind } from '../../../../src/usages/sip/kind.ts';
import {
  encodeRegistration,
  resourceOfAor,
  routeTo,
} from '../../../../src/usages/sip/registration.ts';
import { certificate, config, nodeId } from '../../adapter/support/world.ts';

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
  assert.equal(kind.name, 'SIP-REGISTRATION');
  assert.equal(kind.dataModel, 'DICTIONARY');
  assert.deepEqual([kind.maxCount, kind.maxSizeBytes], [64, 2000]);
  assert.equal(kind.accessControl, 'USER-NODE-MATCH');
});

test('[R7904-8.1-01] the domain is looked at before any signature or certificate is checked', () => {
  const kind = sipRegistrationKind(() => config());
  const look = kind.acceptsUser ?? assert.fail();
  assert.ok(look(aor).ok);
  const foreign = look('alice@other');
  assert.match(foreign.ok ? '' : foreign.error, /other is not served/);
  const nobody = look('alice');
  assert.match(nobody.ok ? '' : nobody.error, /no SIP AOR/);
});

test('a new configuration brings its own restriction, the same one is compiled once', () => {
  let current = config({ domainRestriction: { enable: true, patterns: ['one\\.example'] } });
  let asked = 0;
  const counted = () => {
    const { domainRestriction } = current;
    return {
      ...current,
      get domainRestriction() {
        asked++;
        return domainRestriction;
      },
    };
  };
  let given = counted();
  const look = sipRegistrationKind(() => given).acceptsUser ?? assert.fail();
  assert.ok(look('a@one.example').ok && !look('a@two.example').ok);
  assert.equal(asked, 1);
  current = config({ domainRestriction: { enable: true, patterns: ['two\\.example'] } });
  given = counted();
  assert.ok(!look('a@one.example').ok && look('a@two.example').ok);
});

test('64 patterns count; what is beyond is told like one that cannot be read', () => {
  const patterns = Array.from({ length: 65 }, (_, i) => `d${i}\\.example`);
  const filter = createDomainFilter(config({ domainRestriction: { enable: true, patterns } }));
  assert.ok(filter.acceptsHost('d63.example') && !filter.acceptsHost('d64.example'));
  assert.deepEqual(filter.invalidPatterns, ['d64\\.example']);
  assert.ok(!filter.acceptsAor('d63.example'), 'no AOR');
});
