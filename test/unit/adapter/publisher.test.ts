import assert from 'node:assert/strict';
import { test } from 'node:test';
import { config, identity, domain, nodeId } from './support/world.ts';
import { account, createWorld } from './support/box.ts';
import { register, tryRegister } from './support/register.ts';

const bob = `bob@${domain}`;
const forbidden = { code: 2, reason: 'error-response', text: 'forbidden' } as const;
const silent = { code: 0, reason: 'timeout', text: 'no answer' } as const;

function publication(box: { adapter: { snapshot(): { registrations: readonly unknown[] } } }) {
  const [first] = box.adapter.snapshot().registrations as readonly {
    aor: string;
    state: string;
    bindings: number;
    lastError?: string;
  }[];
  return first;
}

test('[R7904-3.1-01] a first REGISTER is answered after the record was stored at H(AOR)', () => {
  const { clock, ring, box, live } = createWorld();
  const one = box(1);
  const phone = one.phone('192.0.2.20');
  assert.equal(
    tryRegister(clock, phone, 'bob', { waitMs: 0 }),
    undefined,
    'waits for the StoreAns',
  );
  clock.run(1);
  assert.equal(phone.response(200).values('Contact').length, 1);
  assert.equal(live(bob), 1);
  assert.equal(ring.log.stores[0]?.lifetimeS, 3600);
  assert.ok(ring.hosted.has(nodeId(17)), 'messages to [A, U] are accepted');
});

test('a refresh touches neither overlay nor store', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  const phone = one.phone('192.0.2.20');
  register(clock, phone, 'bob', { expiresS: 60 });
  clock.run(5000);
  const stored = one.store.map.size;
  for (let i = 0; i < 4; i++) {
    assert.equal(register(clock, phone, 'bob', { expiresS: 60 }).status, 200);
    clock.run(50_000);
  }
  assert.equal(ring.log.stores.length, 1);
  assert.equal(ring.log.fetches.length, 0);
  assert.equal(one.store.map.size, stored);
});

test('a record is stored again when half of its life is over, short bindings live 600 s', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  const phone = one.phone('192.0.2.20');
  for (let i = 0; i < 10; i++) {
    register(clock, phone, 'bob', { expiresS: 60 });
    clock.run(30_000);
  }
  assert.deepEqual(
    ring.log.stores.map((store) => store.lifetimeS),
    [600],
  );
  for (let i = 0; i < 3; i++) {
    register(clock, phone, 'bob', { expiresS: 60 });
    clock.run(30_000);
  }
  assert.equal(ring.log.stores.length, 2);
});

test('capabilities that change are stored at once, a second equal phone is not', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  const phone = one.phone('192.0.2.20');
  register(clock, phone, 'bob');
  register(clock, phone, 'bob', { contact: '<sip:bob@192.0.2.20:5062>;video' });
  clock.run(10);
  assert.equal(ring.log.stores.length, 2);
  const twin = one.phone('192.0.2.21');
  register(clock, twin, 'bob', { contact: '<sip:bob@192.0.2.21:5062>;video' });
  clock.run(10);
  assert.equal(ring.log.stores.length, 2);
});

test('when the last binding goes, exists = false is stored; expiry counts too', () => {
  const { clock, ring, box, live } = createWorld();
  const one = box(1);
  const phone = one.phone('192.0.2.20');
  register(clock, phone, 'bob');
  register(clock, phone, 'bob', { expiresS: 0 });
  clock.run(10);
  assert.deepEqual(
    ring.log.stores.map((store) => store.exists),
    [true, false],
  );
  assert.ok(ring.log.stores[1]!.lifetimeS >= 3600, 'outlives what it hides');
  assert.equal(live(bob), 0);
  register(clock, phone, 'bob', { expiresS: 60 });
  clock.run(62_000);
  assert.equal(live(bob), 0);
  assert.equal(one.adapter.snapshot().registrations.length, 0);
});

test('[R7904-3.3-07] what the overlay forbids is answered 403 and not kept', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  ring.storeError = forbidden;
  const phone = one.phone('192.0.2.20');
  assert.equal(register(clock, phone, 'bob').status, 403);
  assert.equal(one.adapter.location.bindings(bob).length, 0);
  assert.equal(one.adapter.snapshot().registrations.length, 0);
});

test('[R7904-3.3-03] an AOR outside the namespaces of the configuration is refused here, nothing is sent', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  const phone = one.phone('192.0.2.20');
  ring.config = config({ domainRestriction: { enable: true, patterns: ['elsewhere\\.example'] } });
  assert.equal(register(clock, phone, 'bob').status, 403);
  assert.equal(ring.log.stores.length, 0);
  assert.equal(one.adapter.location.bindings(bob).length, 0);
});

test('no answer: 200 within 2 s, local calls work, the store is retried and visible', () => {
  const { clock, ring, box, live } = createWorld();
  const one = box(1);
  ring.storeError = silent;
  const phone = one.phone('192.0.2.20');
  assert.equal(register(clock, phone, 'bob', { waitMs: 2000 }).status, 200);
  clock.run(20_000);
  assert.equal(publication(one)?.state, 'unconfirmed');
  assert.match(publication(one)?.lastError ?? '', /timeout/);
  ring.storeError = undefined;
  one.adapter.overlayReady();
  clock.run(30_000);
  assert.equal(live(bob), 1);
  assert.equal(publication(one)?.state, 'confirmed');
});

test('a slow refusal, after the 200, drops the binding too', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  ring.storeError = forbidden;
  ring.storeDelayMs = 3000;
  const phone = one.phone('192.0.2.20');
  assert.equal(register(clock, phone, 'bob', { waitMs: 2000 }).status, 200);
  assert.equal(one.adapter.location.bindings(bob).length, 1);
  clock.run(1100);
  assert.equal(one.adapter.location.bindings(bob).length, 0);
});

test('a refusal that comes after the 200 drops the binding', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  ring.storeError = silent;
  const phone = one.phone('192.0.2.20');
  register(clock, phone, 'bob', { waitMs: 2000 });
  ring.storeError = forbidden;
  clock.run(60_000);
  assert.equal(one.adapter.location.bindings(bob).length, 0);
});

test('not enrolled yet: the phone works, the record follows with the identity', () => {
  const { clock, box, live } = createWorld();
  const one = box(1);
  const held = one.identities.get(bob)!;
  one.identities.delete(bob);
  const phone = one.phone('192.0.2.20');
  assert.equal(register(clock, phone, 'bob').status, 200);
  assert.equal(publication(one)?.state, 'no-identity');
  assert.equal(live(bob), 0);
  one.identities.set(bob, held);
  one.adapter.identityChanged(bob);
  clock.run(10);
  assert.equal(live(bob), 1);
});

test('a renewed certificate signs the record anew', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  register(clock, one.phone('192.0.2.20'), 'bob');
  clock.run(6000);
  one.identities.set(bob, identity(nodeId(17), bob, 'renewed'));
  one.adapter.identityChanged(bob);
  clock.run(10);
  assert.equal(ring.log.stores.length, 2);
});

test('acknowledged means seen at the replicas; what is not is stored again', () => {
  const { clock, ring, box } = createWorld();
  const one = box(1);
  const [first, second] = [nodeId(0xe1), nodeId(0xe2)];
  ring.replicas = [first, second];
  ring.behind.add(second);
  register(clock, one.phone('192.0.2.20'), 'bob');
  clock.run(1500);
  assert.equal(publication(one)?.state, 'unconfirmed');
  assert.deepEqual(
    ring.log.stats.map((stat) => stat.at),
    [first, second],
  );
  clock.run(60_000);
  assert.ok(ring.log.stores.length >= 2);
  ring.behind.delete(second);
  clock.run(60_000);
  assert.equal(publication(one)?.state, 'confirmed');
});

test('after a restart only what is needed is stored', () => {
  const { clock, ring, box, live } = createWorld();
  let one = box(1);
  register(clock, one.phone('192.0.2.20'), 'bob');
  clock.run(10_000);
  one = one.restart();
  clock.run(10_000);
  assert.equal(ring.log.stores.length, 1);
  assert.equal(one.adapter.location.bindings(bob).length, 1);
  assert.equal(publication(one)?.state, 'confirmed');
  assert.ok(ring.hosted.has(nodeId(17)));
  clock.run(2_200_000);
  assert.equal(ring.log.stores.length, 2, 'half-life still counts');
  assert.equal(live(bob), 1);
});

test('a binding that ended while the adapter was down takes its record along', () => {
  const { clock, ring, box, live } = createWorld();
  const one = box(1);
  register(clock, one.phone('192.0.2.20'), 'bob', { expiresS: 120 });
  clock.run(10_000);
  one.adapter.stop({ retire: false }, () => undefined);
  clock.run(300_000);
  assert.equal(live(bob), 1);
  one.restart();
  clock.run(5000);
  assert.equal(live(bob), 0);
  assert.equal(ring.log.stores.at(-1)?.exists, false);
});

test('retiring removes all records, stopping none', () => {
  const { clock, box, live } = createWorld();
  const one = box(1);
  register(clock, one.phone('192.0.2.20'), 'bob');
  register(clock, one.phone('192.0.2.21'), 'carol');
  let stopped = false;
  one.adapter.stop({ retire: true }, () => (stopped = true));
  clock.run(1000);
  assert.ok(stopped);
  assert.equal(live(bob) + live(`carol@${domain}`), 0);
});

test('a user who is disabled loses bindings and record', () => {
  const { clock, box, directory, live } = createWorld();
  const one = box(1);
  register(clock, one.phone('192.0.2.20'), 'bob');
  clock.run(6000);
  directory.set({ ...account('bob'), enabled: false });
  clock.run(10);
  assert.equal(one.adapter.location.bindings(bob).length, 0);
  assert.equal(live(bob), 0);
});

test('a record that lookups do not show is stored again', () => {
  const { clock, ring, box, live } = createWorld();
  const one = box(1);
  register(clock, one.phone('192.0.2.20'), 'bob');
  clock.run(60_000);
  ring.values.clear();
  one
    .phone('192.0.2.10')
    .send(
      [
        'OPTIONS sip:bob@lab.example SIP/2.0',
        'Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKopt',
        'Max-Forwards: 70',
        'From: <sip:alice@lab.example>;tag=1',
        'To: <sip:bob@lab.example>',
        'Call-ID: o1',
        'CSeq: 1 OPTIONS',
        'Content-Length: 0',
        '',
        '',
      ].join('\n'),
    );
  clock.run(10);
  assert.equal(live(bob), 1);
});
