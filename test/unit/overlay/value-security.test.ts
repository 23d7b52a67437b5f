/** Which fetched values are believed. RFC 6940 §7.1, §7.3. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { failure, type Outcome } from '../../../src/base/outcome.ts';
import { createValueSecurity } from '../../../src/overlay/value-security.ts';
import type { Signer } from '../../../src/trust/trust.ts';
import type { StoredData } from '../../../src/wire/reload/storage.ts';
import * as storage from '../storage/world.ts';

const { alice, bob, aliceResource, singleKind, startMs } = storage;
const certificates = [alice.certificate, bob.certificate];

function scene() {
  const world = storage.createWorld();
  const kind = world.kinds.get(singleKind) ?? assert.fail();
  const values = createValueSecurity(world.trust, world.clock);
  const verify = (stored: StoredData, rules = kind): Outcome<Signer> => {
    const outcomes: Outcome<Signer>[] = [];
    values.verify(aliceResource, rules, stored, certificates, (outcome) => outcomes.push(outcome));
    assert.equal(outcomes.length, 0, 'never inside the call');
    world.clock.advance(0);
    assert.equal(outcomes.length, 1);
    return outcomes[0] ?? assert.fail();
  };
  return { world, kind, values, verify };
}

test('a value is believed when its signer may write it there, and only then', () => {
  const { world, verify } = scene();
  const own = verify(storage.signed(world, { kind: singleKind }));
  assert.ok(own.ok);
  assert.equal(own.value.signer, alice.certificate);
  const foreign = storage.signed(world, { kind: singleKind, identity: bob });
  assert.deepEqual(verify(foreign), failure('user name does not match the Resource-ID'));
  const good = storage.signed(world, { kind: singleKind });
  assert.equal(verify({ ...good, storageTime: good.storageTime + 1n }).ok, false);
});

test('the rule of the Kind has the last word', () => {
  const { world, kind, verify } = scene();
  const stored = storage.signed(world, { kind: singleKind });
  const refusing = { ...kind, validate: () => failure('not like this') };
  assert.deepEqual(verify(stored, refusing), failure('not like this'));
});

test('what is signed here is believed elsewhere', () => {
  const { world, kind, values, verify } = scene();
  const unsigned = {
    storageTime: BigInt(startMs),
    lifetime: 60,
    value: { exists: true, value: Uint8Array.of(1, 2) },
  };
  const signed: StoredData[] = [];
  values.sign(aliceResource, kind, unsigned, alice, (stored) => signed.push(stored));
  world.clock.advance(0);
  const [stored] = signed;
  assert.ok(stored);
  assert.equal(verify(stored).ok, true);
  assert.equal(stored.lifetime, 60);
});
