/** Boxes of overlays without authority, with a shared secret, and boxes that are clients. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { after, describe, test } from 'node:test';
import { createSipLoad } from '../../bench/load/sip-client.ts';
import { createAdminClient } from '../../src/cli/admin-client.ts';
import { settingsFiles } from '../../src/cli/data-dir.ts';
import { loadSettings } from '../../src/node/settings.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { at, chordial, newDirectory, startBox, type RunningBox } from './support/box.ts';
import { until } from './support/wait.ts';

interface Status {
  readonly health: string;
  readonly nodeId: string;
  readonly ring: {
    readonly state: string;
    readonly successors: readonly string[];
    readonly links: readonly { readonly nodeId: string }[];
  };
}

interface Member {
  readonly dir: string;
  readonly address: string;
  readonly get: (path: string) => Promise<unknown>;
}

const running: RunningBox[] = [];
after(async () => {
  for (const box of running) await box.stop();
});

function member(dir: string, address: string): Member {
  const settings = loadSettings(settingsFiles(dir, []), {}, {});
  assert.ok(settings.ok);
  return {
    dir,
    address,
    get: async (path) => await createAdminClient(settings.value, dir).get(path),
  };
}

async function run(args: readonly string[], dir: string, address: string): Promise<Member> {
  const made = await chordial([...args, '--dir', dir, '--json']);
  assert.equal(made.code, 0, made.stderr);
  const box = startBox(['start', '--dir', dir]);
  running.push(box);
  await box.says('serving');
  return member(dir, address);
}

async function status({ get }: Member): Promise<Status> {
  return (await get('/api/status')) as Status;
}

async function ringOf(members: readonly Member[]): Promise<void> {
  await until(
    'all boxes are in one ring',
    async () => {
      const all = await Promise.all(members.map(status));
      return all.every(
        ({ health, ring }) => health === 'ok' && ring.successors.length === members.length - 1,
      );
    },
    30_000,
  );
}

async function addUser({ dir }: Member, name: string): Promise<void> {
  const added = await chordial(['user', 'add', name, '--password-stdin', '--dir', dir], {
    input: `${name}pw\n`,
  });
  assert.equal(added.code, 0, added.stderr);
}

async function register({ address }: Member, domain: string, user: string): Promise<void> {
  const load = await createSipLoad({
    address: '127.0.0.1',
    port: 0,
    boxAddress: address,
    boxPort: 5060,
    domain,
  });
  try {
    await until(
      `${user} is registered at ${address}`,
      async () => (await load.register(user, `${user}pw`, user)) === 200,
      10_000,
    );
  } finally {
    load.close();
  }
}

/** Node-IDs that the overlay's record of the user names, as that box finds it. */
async function nodesOf({ get }: Member, aor: string): Promise<string[]> {
  try {
    const found = (await get(`/api/lookup?aor=${aor}`)) as {
      readonly targets: readonly { readonly nodeId: string }[];
    };
    return found.targets.map(({ nodeId }) => nodeId);
  } catch {
    return [];
  }
}

async function isFoundEverywhere(
  members: readonly Member[],
  aor: string,
  nodeId: string,
): Promise<void> {
  for (const one of members) {
    await until(
      `${aor} found from ${one.address}`,
      async () => (await nodesOf(one, aor)).includes(nodeId),
      15_000,
    );
  }
}

describe('overlays without authority', () => {
  for (const [digest, first] of [
    ['sha256', 20],
    ['sha1', 30],
  ] as const) {
    test(`three self-signed boxes (${digest}) join by the document, and each stores and fetches`, async () => {
      const domain = 'free.example';
      const address = (k: number): string => `127.0.0.${first + k}`;
      const init = ['init', '--self-signed', '--digest', digest, '--set', `domain=${domain}`];
      const one = await run([...init, ...at(address(0))], newDirectory(), address(0));
      const document = join(one.dir, 'member', 'overlay.relo');
      const members = [one];
      for (const k of [1, 2]) {
        const args = ['join', '--document', document, ...at(address(k))];
        members.push(await run(args, newDirectory(), address(k)));
      }
      await ringOf(members);
      for (const [k, user] of ['ann', 'ben', 'cyd'].entries()) {
        const box = members[k] as Member;
        await addUser(box, user);
        await register(box, domain, user);
        await isFoundEverywhere(members, `${user}@${domain}`, (await status(box)).nodeId);
      }
      const token = await chordial(['token', 'create', '--dir', one.dir]);
      assert.equal(token.code, 1);
      assert.match(token.stderr, /no authority.*--document/);
    });
  }

  test('a document that permits no self-signed nodes is not joined by', async () => {
    const dir = newDirectory();
    const made = await chordial(['init', '--dir', dir, ...at('127.0.0.39')]);
    assert.equal(made.code, 0, made.stderr);
    const document = join(dir, 'member', 'overlay.relo');
    const joined = await chordial(['join', '--document', document, '--dir', newDirectory()]);
    assert.equal(joined.code, 1);
    assert.match(joined.stderr, /permits no self-signed certificates/);
  });
});

describe('overlays with a shared secret', () => {
  test('three boxes link by the secret alone; each stores and fetches; others cannot connect', async () => {
    const secret = 'a secret that nobody guesses 0123';
    const file = join(temporaryFolder('chordial-secret'), 'secret');
    writeFileSync(file, `${secret}\n`, { mode: 0o600 });
    const domain = 'secret.example';
    const address = (k: number): string => `127.0.0.${40 + k}`;
    const init = ['init', '--shared-secret', '--secret-file', file, '--set', `domain=${domain}`];
    const one = await run([...init, ...at(address(0))], newDirectory(), address(0));
    const document = readFileSync(join(one.dir, 'member', 'overlay.relo'), 'utf8');
    assert.ok(document.includes(`<shared-secret>${secret}</shared-secret>`));
    assert.equal(statSync(join(one.dir, 'member', 'overlay.relo')).mode & 0o077, 0);
    const members = [one];
    for (const k of [1, 2]) {
      const token = await chordial(['token', 'create', '--dir', one.dir, '--json']);
      const joining = (JSON.parse(token.stdout) as { token: string }).token;
      members.push(await run(['join', joining, ...at(address(k))], newDirectory(), address(k)));
    }
    await ringOf(members);
    for (const [k, user] of ['ann', 'ben', 'cyd'].entries()) {
      const box = members[k] as Member;
      await addUser(one, user);
      await register(box, domain, user);
      await isFoundEverywhere(members, `${user}@${domain}`, (await status(box)).nodeId);
    }
    const refused = await new Promise<string>((resolve) => {
      const socket = connect({ host: address(0), port: 6084, rejectUnauthorized: false });
      socket.once('secureConnect', () => resolve('connected'));
      socket.once('error', (error: Error) => resolve(error.message));
    });
    assert.notEqual(refused, 'connected', 'with certificates nobody gets in');
    for (const box of running) assert.ok(!`${box.stdout()}${box.stderr()}`.includes(secret));
  });

  test('the secret comes from a file or the environment only, and is not a short one', async () => {
    const argument = await chordial(['init', '--shared-secret=hunter2', '--dir', newDirectory()]);
    assert.equal(argument.code, 2);
    const file = join(temporaryFolder('chordial-secret'), 'short');
    writeFileSync(file, 'hunter2\n');
    const short = ['init', '--shared-secret', '--secret-file', file, '--dir', newDirectory()];
    const refused = await chordial(short);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /7 bytes; it needs 16 to 256/);
    assert.ok(!refused.stderr.includes('hunter2'));
  });
});

describe('clients', () => {
  test('a client serves phones, stores, fetches and is found, with either routing; later it is a peer', async () => {
    const domain = 'clients.example';
    const address = (k: number): string => `127.0.0.${50 + k}`;
    const one = await run(
      ['init', '--set', `domain=${domain}`, ...at(address(0))],
      newDirectory(),
      address(0),
    );
    const join = async (k: number, settings: Record<string, string>): Promise<Member> => {
      const token = await chordial(['token', 'create', '--dir', one.dir, '--json']);
      const joining = (JSON.parse(token.stdout) as { token: string }).token;
      return await run(['join', joining, ...at(address(k), settings)], newDirectory(), address(k));
    };
    const two = await join(1, {
      'overlay.viaLists': 'opaque',
      'overlay.fragmentBytes': '600',
      'overlay.fetchFrom': 'replicas',
    });
    const peers = [one, two, await join(2, { 'overlay.viaLists': 'state' })];
    await ringOf(peers);
    const clients = [
      await join(3, { 'overlay.role': 'client' }),
      await join(4, { 'overlay.role': 'client', 'overlay.clientRouting': 'any-peer' }),
    ];
    for (const [k, user] of ['ann', 'ben'].entries()) {
      const client = clients[k] as Member;
      await until('the client is linked', async () => (await status(client)).health === 'ok');
      const { nodeId, ring } = await status(client);
      assert.equal(ring.state, 'idle');
      await addUser(one, user);
      await register(client, domain, user);
      await isFoundEverywhere([...peers, ...clients], `${user}@${domain}`, nodeId);
    }
    for (const peer of peers) {
      assert.equal((await status(peer)).ring.successors.length, 2, 'no client is in the ring');
    }
    const third = await join(5, { 'overlay.role': 'client', 'overlay.promoteAfterS': '3' });
    await ringOf([...peers, third]);
  });
});
