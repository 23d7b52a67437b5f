import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { StoreOperation } from '../../src/ports/store.ts';
import { findLogDamage } from '../../src/node/store-check.ts';
import { openStore } from '../../src/node/store.ts';
import type { HostStore } from '../../src/node/store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const base = temporaryFolder('chordial-store');
after(() => {
  rmSync(base, { recursive: true });
});
let directories = 0;
const fresh = (): string => join(base, String(++directories));
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString();

async function open(directory: string): Promise<HostStore> {
  const outcome = await openStore(directory);
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error);
  return outcome.value;
}

async function openFails(directory: string): Promise<string> {
  const outcome = await openStore(directory);
  if (!outcome.ok) return outcome.error;
  await outcome.value.close();
  return assert.fail('the store opened');
}

const write = (store: HostStore, operations: readonly StoreOperation[]): Promise<void> =>
  new Promise((resolve, reject) => {
    store.write(operations, (outcome) => {
      if (outcome.ok) resolve();
      else reject(new Error(outcome.error));
    });
  });

async function filled(entries: number): Promise<string> {
  const directory = fresh();
  const store = await open(directory);
  const operations = Array.from({ length: entries }, (_, i) => ({
    put: `key/${String(i).padStart(6, '0')}`,
    value: new Uint8Array(Buffer.alloc(100, String(i))),
  }));
  await write(store, operations);
  await store.close();
  return directory;
}

test('writes are visible at once, durable later, and there after reopening', async () => {
  const directory = fresh();
  const store = await open(directory);
  let durable = false;
  const value = bytes('1');
  const done = new Promise<void>((resolve) => {
    store.write(
      [
        { put: 'a/1', value },
        { put: 'a/ÿ', value: bytes('3') },
        { put: 'b', value },
      ],
      () => {
        durable = true;
        resolve();
      },
    );
  });
  value[0] = 0;
  assert.equal(durable, false);
  assert.equal(text(store.get('a/1')), '1');
  await done;
  assert.equal(text(store.get('a/1')), '1');
  store.write([{ delete: 'b' }, { put: 'a/2', value: bytes('2') }]);
  assert.equal(store.get('b'), undefined);
  const list = (from: HostStore) => [...from.entries('a/')].map(([key, v]) => [key, text(v)]);
  const expected = [
    ['a/1', '1'],
    ['a/2', '2'],
    ['a/ÿ', '3'],
  ];
  assert.deepEqual(list(store), expected);
  await store.close();
  const again = await open(directory);
  assert.deepEqual(list(again), expected);
  assert.deepEqual([...again.entries('')].length, 3);
  assert.equal(again.get('b'), undefined);
  await again.close();
  await assert.rejects(write(again, [{ delete: 'b' }]), /closed/);
});

test('later writes of one key win over earlier ones still on their way', async () => {
  const store = await open(fresh());
  const writes: Promise<void>[] = [];
  for (let i = 0; i < 200; i++) {
    writes.push(write(store, [{ put: 'k', value: bytes(String(i)) }]));
    if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(text(store.get('k')), String(i));
  }
  await Promise.all(writes);
  assert.equal(text(store.get('k')), '199');
  await store.close();
});

test('what was acknowledged survives a process that dies', async () => {
  const directory = fresh();
  const program = `
    import { openStore } from ${JSON.stringify(new URL('../../src/node/store.ts', import.meta.url).href)};
    const { value: store } = await openStore(${JSON.stringify(directory)});
    store.write([{ put: 'kept', value: new Uint8Array([7]) }], () => process.kill(process.pid, 'SIGKILL'));
    setTimeout(() => undefined, 60000);`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  assert.equal(run.signal, 'SIGKILL', run.stderr.toString());
  const store = await open(directory);
  assert.deepEqual([...(store.get('kept') ?? [])], [7]);
  await store.close();
});

test('a store in use says so', async () => {
  const directory = fresh();
  const store = await open(directory);
  assert.equal(await openFails(directory), `the store ${directory} is in use by another process`);
  await store.close();
});

test('every kind of damage is refused by name and never read as an empty store', async () => {
  const whole = await filled(20_000);
  await (await open(whole)).close();
  const names = readdirSync(whole);
  const find = (pattern: RegExp): string =>
    names.find((name) => pattern.test(name)) ?? assert.fail();
  const damages: [string, (directory: string) => void][] = [
    [
      'CURRENT missing',
      (d) => {
        rmSync(join(d, 'CURRENT'));
      },
    ],
    [
      'CURRENT garbage',
      (d) => {
        writeFileSync(join(d, 'CURRENT'), 'garbage');
      },
    ],
    [
      'MANIFEST garbage',
      (d) => {
        scribble(join(d, find(/^MANIFEST/)), 0);
      },
    ],
    [
      'MANIFEST missing',
      (d) => {
        rmSync(join(d, find(/^MANIFEST/)));
      },
    ],
    [
      'table missing',
      (d) => {
        rmSync(join(d, find(/\.ldb$/)));
      },
    ],
    [
      'table garbage at its start',
      (d) => {
        scribble(join(d, find(/\.ldb$/)), 100);
      },
    ],
    [
      'table garbage at its end',
      (d) => {
        scribble(join(d, find(/\.ldb$/)), -40);
      },
    ],
  ];
  for (const [what, damage] of damages) {
    const copy = fresh();
    cpSync(whole, copy, { recursive: true });
    damage(copy);
    const error = await openFails(copy);
    assert.match(error, /damaged: .*move the directory away/s, what);
    assert.ok(error.includes(copy), what);
  }
});

test('a damaged write-ahead log is refused, a torn end is not', async () => {
  const whole = await filled(1000);
  const logOf = (directory: string): string => {
    const name = readdirSync(directory).find((entry) => entry.endsWith('.log')) ?? assert.fail();
    return join(directory, name);
  };
  assert.ok(readFileSync(logOf(whole)).length > 100_000);
  const torn = fresh();
  cpSync(whole, torn, { recursive: true });
  writeFileSync(logOf(torn), readFileSync(logOf(whole)).subarray(0, 100_000));
  assert.equal(findLogDamage(readFileSync(logOf(torn))), undefined);
  await openStore(torn).then(async (outcome) => {
    if (outcome.ok) await outcome.value.close();
  });
  const broken = fresh();
  cpSync(whole, broken, { recursive: true });
  scribble(logOf(broken), 40_000);
  assert.match(await openFails(broken), /\.log is damaged at byte \d+\./);
});

function scribble(path: string, at: number): void {
  const data = readFileSync(path);
  const start = at < 0 ? data.length + at : at;
  data.fill(0x5a, start, start + 30);
  writeFileSync(path, data);
}

test('a directory of another program is refused', async () => {
  const directory = fresh();
  const { ClassicLevel } = await import('classic-level');
  const other = new ClassicLevel(directory);
  await other.put('hello', 'world');
  await other.close();
  assert.match(await openFails(directory), /damaged/);
});
