import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Registry } from 'prom-client';
import { limits } from '../../../src/base/limits.ts';
import { createBoundedCache } from '../../../src/base/bounded-cache.ts';
import { createAdmission } from '../../../src/node/admission.ts';
import type { Admitted } from '../../../src/node/admission.ts';
import { generatePrivateKey, loadPrivateKey, savePrivateKey } from '../../../src/node/keys.ts';
import { createRandom } from '../../../src/node/random.ts';
import { formatReloadUri, parseReloadUri, readReloadUri } from '../../../src/node/reload-uri.ts';
import { createSignatureQueue } from '../../../src/node/signature-queue.ts';
import { createSortedKeys } from '../../../src/node/sorted-keys.ts';
import { createTrace } from '../../../src/node/trace.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = temporaryFolder('chordial-host');
after(() => {
  rmSync(folder, { recursive: true });
});

test('a saved key is private, comes back, and leaves nothing beside it', async () => {
  const path = join(folder, 'node.key');
  const key = await generatePrivateKey('ecdsa-p256');
  savePrivateKey(path, await generatePrivateKey('ed25519'));
  savePrivateKey(path, key);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const loaded = loadPrivateKey(path);
  assert.ok(loaded.ok && loaded.value.equals(key));
  assert.deepEqual(readdirSync(folder), ['node.key']);
});

test('a key file that is missing or no key is named', () => {
  const path = join(folder, 'bad.key');
  assert.match(JSON.stringify(loadPrivateKey(path)), /bad\.key.*no such file/);
  writeFileSync(path, 'nonsense');
  assert.match(JSON.stringify(loadPrivateKey(path)), /bad\.key does not hold a private key/);
});

test('random bytes do not repeat and have the length asked for', () => {
  const random = createRandom();
  const seen = new Set<string>();
  for (let i = 0; i < 2000; i++) seen.add(Buffer.from(random.bytes(16)).toString('hex'));
  assert.equal(seen.size, 2000);
  for (const length of [0, 1, 8192, 100_000]) assert.equal(random.bytes(length).length, length);
  const numbers = Array.from({ length: 1000 }, () => random.u32());
  assert.ok(numbers.every((n) => Number.isInteger(n) && n >= 0 && n <= 0xffff_ffff));
  assert.ok(new Set(numbers).size > 990);
});

test('[R6940-11.3-18] reload URIs: round trip and refusals', () => {
  const id = 'ab'.repeat(16) as NodeId;
  const text = formatReloadUri(id, 'Lab.Example');
  assert.deepEqual(parseReloadUri(text), {
    ok: true,
    value: { nodeId: id, overlayName: 'lab.example' },
  });
  const refused = [
    '',
    'reload://',
    `reload://0110${id}@/`,
    `reload://0110${id}@lab.example`,
    `reload://0110${id}@lab.example/00`,
    `reload://0111${id}@lab.example/`,
    `reload://0211${id}00@lab.example/`,
    `reload://0110${id}0110${id}@lab.example/`,
    `reload://010f${id.slice(2)}@lab.example/`,
    `reload://0110${id.slice(1)}@lab.example/`,
  ];
  for (const bad of refused) assert.equal(parseReloadUri(bad).ok, false, bad);
});

test('[R6940-14.15-01][R6940-14.15-02] a reload URI names a peer, or with a specifier a stored value', () => {
  const id = 'ab'.repeat(16) as NodeId;
  const list = `0110${id}02050411223344`;
  const bytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
  const read = (text: string): object | undefined => {
    const parts = readReloadUri(text);
    return parts.ok ? parts.value : undefined;
  };
  const peer = { destinationList: bytes(list), overlayName: 'lab.example' };
  assert.deepEqual(read(`reload://${list}@Lab.Example/`), { ...peer, specifier: undefined });
  const value = { ...peer, specifier: bytes('00000001f0') };
  assert.deepEqual(read(`RELOAD://${list.toUpperCase()}@lab.example/00000001F0`), value);
  assert.equal(formatReloadUri(id, 'lab.example'), `reload://0110${id}@lab.example/`);
  for (const bad of [
    `reload:${list}@lab.example/`,
    `reload://@lab.example/`,
    `reload://${list}lab.example/`,
    `reload://${list}@lab.example/0`,
    `reload://${list}@lab.example/0g`,
    `reload://${list}@lab.example/00/`,
    `reload://${list}0@lab.example/`,
  ]) {
    assert.equal(read(bad), undefined, bad);
  }
});

test('the signature queue answers later, in order, and refuses when full', async () => {
  const queue = createSignatureQueue();
  const order: number[] = [];
  const ran = (): number => order.length;
  let accepted = 0;
  while (queue.push(() => order.push(order.length))) accepted++;
  assert.equal(accepted, limits.node.signatureJobs);
  assert.equal(ran(), 0);
  while (ran() < accepted) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order.slice(0, 3), [0, 1, 2]);
  await new Promise<void>((resolve) => queue.push(resolve));
});

test('sorted keys behave as a sorted set', () => {
  const keys = createSortedKeys();
  const expected = new Set<string>();
  let state = 1;
  for (let i = 0; i < 20_000; i++) {
    state = (state * 48_271) % 2_147_483_647;
    const key = `${String(state % 7)}/${String(state % 3001)}`;
    if (state % 3 === 0) {
      keys.delete(key);
      expected.delete(key);
    } else {
      keys.add(key);
      expected.add(key);
    }
  }
  assert.equal(keys.size, expected.size);
  const sorted = [...expected].sort();
  assert.deepEqual(keys.startingWith(''), sorted);
  assert.deepEqual(
    keys.startingWith('3/1'),
    sorted.filter((key) => key.startsWith('3/1')),
  );
  assert.deepEqual(keys.startingWith('9'), []);
});

test('a bounded cache keeps what is used and stays within its bound', () => {
  const cache = createBoundedCache<number, number>(100);
  for (let i = 0; i < 10_000; i++) {
    cache.set(i, i);
    assert.equal(cache.get(0), 0);
    assert.ok(cache.size <= 100);
  }
  assert.equal(cache.get(9999), 9999);
  assert.equal(cache.get(5000), undefined);
  cache.delete(0);
  assert.equal(cache.get(0), undefined);
});

test('admission bounds connections, handshakes and rates by source', () => {
  const admission = createAdmission(1000);
  const { handshakesPerAddress, handshakesPerAddressPerSecond } = limits.node;
  const open: (Admitted | undefined)[] = [];
  for (let i = 0; i < handshakesPerAddress; i++) open.push(admission.begin('a', 0));
  assert.ok(open.every((admitted) => admitted !== undefined));
  assert.equal(admission.begin('a', 0), undefined);
  assert.ok(admission.begin('b', 0));
  for (const admitted of open) admitted.established();
  assert.ok(admission.begin('a', 0));
  for (const admitted of open) admitted.closed();
  let begun = handshakesPerAddress + 1;
  for (let admitted = admission.begin('a', 10); admitted; admitted = admission.begin('a', 10)) {
    admitted.closed();
    begun++;
  }
  assert.equal(begun, handshakesPerAddressPerSecond);
  assert.equal(admission.begin('a', 999), undefined);
  assert.ok(admission.begin('a', 1000));
  const small = createAdmission(1);
  const only = small.begin('a', 0);
  assert.equal(small.begin('b', 0), undefined);
  only?.closed();
  assert.ok(small.begin('b', 0));
});

test('the trace writes one JSON line per event without secrets and reports figures', async () => {
  const path = join(folder, 'log');
  const registry = new Registry();
  const trace = createTrace({
    level: 'info',
    destination: path,
    registry,
    bindings: { node: 'n1' },
  });
  trace.log('debug', 'hidden');
  trace.log('info', 'first', { password: 'pw', deep: { token: 'tk' }, callId: 'c', big: 5n });
  trace.child({ transaction: 't' }).log('warn', 'second');
  trace.counter('things_total', { kind: 'a' }).add();
  trace.counter('things_total', { kind: 'a' }).add(2);
  trace.counter('things_total', { why: 'b' }).add();
  trace.gauge('depth', () => 7);
  while (readFileSync(path, 'utf8').split('\n').length < 3) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  trace.flush();
  const text = readFileSync(path, 'utf8');
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ event, level, node }) => [event, level, node]),
    [
      ['first', 'info', 'n1'],
      ['second', 'warn', 'n1'],
    ],
  );
  assert.equal(lines[1]?.['transaction'], 't');
  assert.doesNotMatch(text, /pw|"tk"/);
  const metrics = await registry.metrics();
  assert.match(metrics, /^chordial_things_total\{kind="a"\} 3$/m);
  assert.match(metrics, /^chordial_things_total\{why="b"\} 1$/m);
  assert.match(metrics, /^chordial_depth 7$/m);
  assert.equal((await registry.metrics()).match(/kind="a"\} (\d+)/)?.[1], '3');
});
