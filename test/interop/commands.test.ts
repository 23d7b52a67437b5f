/** The command line as operators and scripts use it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import { createSipLoad, type SipLoad } from '../../bench/load/sip-client.ts';
import { at, chordial, modes, newDirectory, startBox, type RunningBox } from './support/box.ts';
import { until } from './support/wait.ts';

const commands = [
  ...['start', 'init', 'join', 'user', 'token', 'ban', 'lookup', 'ring', 'status', 'quickstart'],
] as const;

interface Quickstart {
  readonly domain: string;
  readonly sip: string;
  readonly dashboard: string;
  readonly firstRun: boolean;
  readonly accounts?: readonly {
    readonly name: string;
    readonly address: string;
    readonly password: string;
  }[];
  readonly users: readonly string[];
  readonly token?: string;
  readonly join?: string;
}

describe('help and wrong use', { concurrency: 2 }, () => {
  test('the overview lists every command', async () => {
    const shown = await chordial(['--help']);
    assert.equal(shown.code, 0);
    for (const command of commands) assert.match(shown.stdout, new RegExp(`^  ${command} `, 'm'));
  });

  for (const command of commands) {
    test(`${command} --help has usage and an example; an unknown option is refused`, async () => {
      const help = await chordial([command, '--help']);
      assert.equal(help.code, 0);
      assert.match(help.stdout, new RegExp(`^Usage: chordial ${command}`));
      assert.match(help.stdout, /^Example: /m);
      assert.match(help.stdout, /--json/);
      assert.equal(help.stderr, '');
      const wrong = await chordial([command, '--colour']);
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, /--colour/);
      assert.match(wrong.stderr, new RegExp(`chordial ${command} --help`));
      assert.equal(wrong.stdout, '');
    });
  }

  test('an unknown command names itself and the commands there are', async () => {
    const wrong = await chordial(['frobnicate']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /Unknown command "frobnicate"/);
    assert.match(wrong.stderr, /quickstart/);
  });

  for (const args of [
    ['join'],
    ['lookup'],
    ['user'],
    ['user', 'add'],
    ['user', 'frob', 'alice'],
    ['token'],
    ['token', 'create', '--uses', 'many'],
    ['token', 'revoke'],
    ['status', '--set', 'sip.port'],
    ['status', '--set', 'sip.prot=1'],
    ['status', '--set', 'sip.port=loud'],
    ['status', 'twice'],
    ['join', 'one', 'two'],
  ]) {
    test(`wrong use: ${args.join(' ')}`, async () => {
      const wrong = await chordial([...args, '--dir', newDirectory()]);
      assert.equal(wrong.code, 2, wrong.stderr);
      assert.match(wrong.stderr, /^chordial: \S/);
      assert.doesNotMatch(wrong.stderr, /\n\s+at /);
    });
  }

  test('commands for a running box say how to start it', async () => {
    const dir = newDirectory();
    for (const args of [['status'], ['ring'], ['lookup', 'alice'], ['user', 'list']]) {
      const failed = await chordial([...args, '--dir', dir]);
      assert.equal(failed.code, 1);
      assert.ok(failed.stderr.includes(`chordial start --dir ${dir}`), failed.stderr);
    }
    assert.ok(!existsSync(dir), 'asking makes no directory');
  });
});

describe('quickstart, then a second box', () => {
  const boxes: RunningBox[] = [];
  const phones: SipLoad[] = [];
  const first = newDirectory();
  const second = newDirectory();
  const secrets: string[] = [];
  let printed: Quickstart;

  after(async () => {
    for (const phone of phones) phone.close();
    await Promise.all(boxes.map(async (box) => await box.stop('SIGKILL')));
  });

  function json(text: string): unknown {
    const lines = text.trim().split('\n');
    assert.equal(lines.length, 1, text);
    return JSON.parse(lines[0]!);
  }

  async function phone(box: string, port: number): Promise<SipLoad> {
    const load = await createSipLoad({
      address: '127.0.0.1',
      port,
      boxAddress: box,
      boxPort: 5060,
      domain: 'lab.example',
    });
    phones.push(load);
    return load;
  }

  test('the first start prints all that phones and a second box need', async () => {
    const box = startBox(['quickstart', '--json', '--dir', first, ...at('127.0.0.21')]);
    boxes.push(box);
    await box.says('"firstRun"', 20_000);
    printed = json(box.stdout()) as Quickstart;
    assert.match(box.stderr(), /Creating the overlay/);
    assert.equal(printed.firstRun, true);
    assert.equal(printed.sip, '127.0.0.21');
    assert.deepEqual(
      printed.accounts?.map((account) => account.address),
      ['sip:alice@lab.example', 'sip:bob@lab.example'],
    );
    const [alice, bob] = printed.accounts;
    assert.match(alice!.password, /^[a-z2-9]{20}$/);
    assert.notEqual(alice!.password, bob!.password);
    secrets.push(alice!.password, bob!.password, printed.token!);
    assert.match(printed.join ?? '', /^(?:npx )?chordial join chordial1\.[\w-]+$/);
    const page = await fetch(printed.dashboard);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<title>Chordial<\/title>/);
  });

  test('a phone registers with what was printed; another password is refused', async () => {
    const [alice, bob] = printed.accounts!;
    const load = await phone('127.0.0.21', 7401);
    assert.equal(await load.register('alice', alice!.password, 'alice'), 200);
    assert.notEqual(await load.register('bob', alice!.password, 'bob'), 200);
    assert.equal(await load.register('bob', bob!.password, 'bob'), 200);
    assert.equal(await load.call('alice', alice!.password, 'bob'), 200);
  });

  test('data directory and files are for their owner alone', () => {
    const all = modes(first);
    assert.ok(all.length > 10);
    for (const { path, mode } of all) assert.match(mode, /^(?:700|600)$/, path);
  });

  test('status, ring, lookup, user and token answer in words and in JSON', async () => {
    const ask = async (...args: string[]): Promise<string> => {
      const answer = await chordial([...args, '--dir', first]);
      assert.equal(answer.code, 0, answer.stderr);
      assert.equal(answer.stderr, '');
      assert.doesNotMatch(answer.stdout, /undefined|\[object|NaN/);
      return answer.stdout;
    };
    assert.match(await ask('status'), /^lab\.example: ok, up \d+ s/);
    assert.match(await ask('ring'), /^[0-9a-f]{32} {2}\(this box, joined\)/);
    const found = await ask('lookup', 'bob');
    assert.match(found, /phone at this box {2}sip:bob@127\.0\.0\.1:7401/);
    assert.match(found, /adapter [0-9a-f]{32} {2}sip/);
    assert.match(await ask('lookup', 'sip:nobody@lab.example'), /is not registered/);
    const status = json(await ask('status', '--json')) as { health: string; nodeId: string };
    assert.equal(status.health, 'ok');
    const ring = json(await ask('ring', '--json')) as { self: string };
    assert.equal(ring.self, status.nodeId);
    const lookup = json(await ask('lookup', '--json', 'alice')) as {
      local: unknown[];
      targets: { nodeId: string }[];
    };
    assert.equal(lookup.local.length, 1);
    assert.deepEqual(
      lookup.targets.map((target) => target.nodeId),
      [status.nodeId],
    );

    const added = json(await ask('user', 'add', 'carol', '--json')) as { password: string };
    secrets.push(added.password);
    const carol = await phone('127.0.0.21', 7402);
    await until(
      'carol can register',
      async () => (await carol.register('carol', added.password, 'carol')) === 200,
    );
    assert.match(await ask('user', 'list'), /^carol@lab\.example$/m);
    const changed = json(await ask('user', 'passwd', 'carol', '--json')) as { password: string };
    secrets.push(changed.password);
    assert.notEqual(changed.password, added.password);
    assert.match(await ask('user', 'forward', 'carol'), /no forwarding/);
    const rules = ['--busy', 'alice', '--no-answer', '+4930123', '--after', '15'];
    const ruled = json(await ask('user', 'forward', 'carol', ...rules, '--json'));
    assert.deepEqual(ruled, {
      aor: 'carol@lab.example',
      forwarding: { busy: 'alice@lab.example', noAnswer: 'tel:+4930123', noAnswerAfterS: 15 },
    });
    assert.match(
      await ask('user', 'forward', 'carol', '--busy', 'off'),
      /no answer: tel:\+4930123/,
    );
    await ask('user', 'disable', 'carol');
    assert.match(await ask('user', 'list'), /^carol@lab\.example {2}\(disabled\)$/m);
    await ask('user', 'enable', 'carol', '--json');
    await ask('user', 'remove', 'carol');
    assert.doesNotMatch(await ask('user', 'list', '--json'), /carol/);
    assert.match(await ask('token', 'list'), /uses left: 1 {2}expires 20/);
    const again = await chordial(['user', 'add', 'alice', '--dir', first]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /alice/);
    const missing = await chordial(['user', 'remove', 'nobody', '--dir', first]);
    assert.equal(missing.code, 1);
    const bad = await chordial(['user', 'add', 'a b', '--dir', first]);
    assert.equal(bad.code, 1);
  });

  test('--password-stdin takes the password from standard input and does not repeat it', async () => {
    const password = 'correct horse battery staple';
    secrets.push(password);
    const added = await chordial(['user', 'add', 'dora', '--password-stdin', '--dir', first], {
      input: `${password}\n`,
    });
    assert.equal(added.code, 0, added.stderr);
    assert.ok(!(added.stdout + added.stderr).includes(password));
    const load = await phone('127.0.0.21', 7403);
    await until(
      'dora can register',
      async () => (await load.register('dora', password, 'dora')) === 200,
    );
    const empty = await chordial(['user', 'add', 'eve', '--password-stdin', '--dir', first]);
    assert.equal(empty.code, 2);
  });

  test('a second box joins with the printed token, from standard input', async () => {
    const joined = await chordial(
      ['join', '--token-stdin', '--json', '--dir', second, ...at('127.0.0.22')],
      { input: `${printed.token!}\n` },
    );
    assert.equal(joined.code, 0, joined.stderr);
    const { domain, nodeId } = json(joined.stdout) as { domain: string; nodeId: string };
    assert.equal(domain, 'lab.example');
    assert.match(nodeId, /^[0-9a-f]{32}$/);
    const box = startBox(['start', '--dir', second]);
    boxes.push(box);
    await box.says('"serving"');
    await until('two boxes in the ring', async () => {
      const ring = await chordial(['ring', '--json', '--dir', second]);
      return (
        ring.code === 0 && (JSON.parse(ring.stdout) as { links: unknown[] }).links.length === 1
      );
    });
    const shown = await chordial(['ring', '--dir', second]);
    assert.match(shown.stdout, /successor 1 {4}[0-9a-f]{32} {2}127\.0\.0\.\d+:\d+ /);
    for (const { mode, path } of modes(second)) assert.match(mode, /^(?:700|600)$/, path);
  });

  test('lookups and calls work across the two boxes', async () => {
    const [alice] = printed.accounts!;
    const load = await phone('127.0.0.22', 7404);
    await until(
      'alice registers at the second box',
      async () => (await load.register('alice', alice!.password, 'alice')) === 200,
    );
    const found = await chordial(['lookup', '--json', 'alice', '--dir', first]);
    assert.equal((JSON.parse(found.stdout) as { targets: unknown[] }).targets.length, 2);
    const words = await chordial(['lookup', 'bob', '--dir', second]);
    assert.match(words.stdout, /adapter [0-9a-f]{32}/);
    assert.equal(await load.call('alice', alice!.password, 'bob'), 200);
  });

  test('the box with the adapter alone sends account commands to the right place', async () => {
    const refused = await chordial(['user', 'list', '--dir', second]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /does not run the authority/);
  });

  test('used-up, expired, revoked and garbled tokens are refused with a sentence', async () => {
    const refuse = async (token: string, pattern: RegExp): Promise<void> => {
      const third = newDirectory();
      const refused = await chordial(['join', token, '--dir', third, ...at('127.0.0.23')]);
      assert.equal(refused.code, 1, refused.stdout);
      assert.match(refused.stderr, pattern);
      assert.equal(refused.stderr.trim().split('\n').length, 1, refused.stderr);
      const start = await chordial(['start', '--dir', third]);
      assert.equal(start.code, 2);
      assert.match(start.stderr, /chordial join/);
    };
    await refuse(printed.token!, /used up/);
    const made = async (...further: string[]): Promise<{ id: string; token: string }> => {
      const created = await chordial(['token', 'create', '--json', '--dir', first, ...further]);
      assert.equal(created.code, 0, created.stderr);
      const token = JSON.parse(created.stdout) as { id: string; token: string };
      secrets.push(token.token);
      return token;
    };
    const short = await made('--hours', '0.0003');
    const revoked = await made('--uses', '2');
    const gone = await chordial(['token', 'revoke', revoked.id, '--dir', first]);
    assert.equal(gone.code, 0, gone.stderr);
    await refuse(revoked.token, /revoked/);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await refuse(short.token, /expired/);
    await refuse('chordial1.abc', /damaged|copy it again/);
    await refuse('sesame', /begins with chordial1\./);
    const words = await chordial(['token', 'create', '--dir', first]);
    assert.match(words.stdout, /chordial join chordial1\./);
    secrets.push(/chordial1\.[\w-]+/.exec(words.stdout)![0]);
  });

  test('init, join and quickstart do not touch what is there', async () => {
    const init = await chordial(['init', '--dir', first, ...at('127.0.0.21')]);
    assert.equal(init.code, 1);
    assert.match(init.stderr, /already holds an overlay/);
    const join = await chordial(['join', 'chordial1.abc', '--dir', second]);
    assert.equal(join.code, 1);
    assert.match(join.stderr, /already a member/);
    const overMember = await chordial(['init', '--dir', second, ...at('127.0.0.22')]);
    assert.equal(overMember.code, 1);
    assert.match(overMember.stderr, /already a member/);
  });

  test('the second start goes on with what is there and says so', async () => {
    const { code } = await boxes[0]!.stop();
    assert.equal(code, 0);
    const box = startBox(['quickstart', '--dir', first]);
    boxes.push(box);
    await box.says('Ctrl-C ends.');
    assert.match(box.stdout(), /Chordial serves lab\.example again/);
    assert.match(box.stdout(), /SIP server {3}127\.0\.0\.21 /);
    assert.match(box.stdout(), /alice@lab\.example, bob@lab\.example/);
    assert.match(box.stdout(), /chordial token create --dir /);
    assert.doesNotMatch(box.stdout(), /password {2}?[a-z2-9]{20}|undefined/);
    const load = await phone('127.0.0.21', 7405);
    assert.equal(await load.register('alice', printed.accounts![0]!.password, 'alice'), 200);
  });

  test('no secret is in any log line', () => {
    const ha1 = printed.accounts!.flatMap(({ name, password }) =>
      ['md5', 'sha256'].map((hash) =>
        createHash(hash).update(`${name}:lab.example:${password}`).digest('hex'),
      ),
    );
    const logs = boxes.map((box) => box.stderr()).join('');
    assert.ok(logs.includes('"serving"'));
    for (const secret of [...secrets, ...ha1]) {
      const inToken = secret.startsWith('chordial1.')
        ? (JSON.parse(Buffer.from(secret.slice(10), 'base64url').toString()) as { s: string }).s
        : secret;
      assert.ok(!logs.includes(secret) && !logs.includes(inToken));
    }
  });
});

describe('an init that fails leaves nothing behind', () => {
  test('the port of the authority is in use; then it is free', async (t) => {
    const dir = newDirectory();
    const blocker = createServer();
    t.after(() => blocker.close());
    await new Promise<void>((resolve) => blocker.listen(8443, '127.0.0.24', resolve));
    const failed = await chordial(['init', '--dir', dir, ...at('127.0.0.24')]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /authority\.port.*127\.0\.0\.24:8443/);
    await new Promise((resolve) => blocker.close(resolve));
    mkdirSync(`${dir}/authority.new`, { recursive: true });
    writeFileSync(`${dir}/authority.new/half`, 'written when the power failed');
    const created = await chordial(['init', '--json', '--dir', dir, ...at('127.0.0.24')]);
    assert.equal(created.code, 0, created.stderr);
    const { domain, rootFingerprint } = JSON.parse(created.stdout) as Record<string, string>;
    assert.equal(domain, 'lab.example');
    assert.match(rootFingerprint!, /^[0-9a-f]{64}$/);
    assert.ok(!existsSync(`${dir}/authority.new`));
  });
});
