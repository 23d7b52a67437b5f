/** Account changes reach every box at once; boxes go on without the authority. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createSipLoad, type SipLoad } from '../../bench/load/sip-client.ts';
import { chordial, startBox, type RunningBox } from './support/box.ts';
import { startLab, type Lab } from './support/lab.ts';
import { until } from './support/wait.ts';

const boxes = [1, 2, 3];

interface Found {
  readonly local: readonly unknown[];
  readonly targets: readonly unknown[];
}

describe('accounts and the authority', () => {
  let lab: Lab;
  const phones = new Map<number, SipLoad>();
  const started: RunningBox[] = [];

  before(async () => {
    lab = await startLab({ adapters: 3 });
    for (const k of boxes) {
      phones.set(
        k,
        await createSipLoad({
          address: '127.0.0.1',
          port: 0,
          boxAddress: `127.0.0.${10 + k}`,
          boxPort: 5060,
          domain: lab.domain,
        }),
      );
    }
  });

  after(async () => {
    for (const phone of phones.values()) phone.close();
    await Promise.all(started.map(async (box) => await box.stop('SIGKILL')));
    await lab.stop();
  });

  async function admin(args: readonly string[], input?: string): Promise<void> {
    const done = await chordial(
      [...args, '--dir', join(lab.dir, 'authority')],
      input === undefined ? {} : { input },
    );
    assert.equal(done.code, 0, done.stderr);
  }

  const register = async (k: number, user: string, password: string): Promise<number> =>
    await phones.get(k)!.register(user, password, user);

  async function lookup(k: number, user: string): Promise<Found> {
    const response = await lab.get(k, `/api/lookup?aor=${user}@${lab.domain}`);
    assert.equal(response.status, 200);
    return (await response.json()) as Found;
  }

  /** Within two seconds of now, at every box. */
  async function soonEverywhere(
    what: string,
    condition: (k: number) => Promise<boolean>,
  ): Promise<void> {
    await Promise.all(
      boxes.map(
        async (k) => await until(`${what}, at box ${k}`, async () => await condition(k), 2000),
      ),
    );
  }

  async function killAuthority(): Promise<void> {
    const response = await fetch('http://127.0.0.10:8080/api/status');
    const { pid } = (await response.json()) as { pid: number };
    process.kill(pid, 'SIGKILL');
    await soonEverywhere('the box notices', async (k) => {
      const { authority } = (await lab.status(k)) as { authority: { connected: boolean } };
      return !authority.connected;
    });
  }

  async function restart(k: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { pid } = (await lab.status(k)) as { pid: number };
    process.kill(pid, signal);
    await until('the process has ended', () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
    const box = startBox(['start', '--dir', join(lab.dir, `adapter-${k}`)]);
    started.push(box);
    await box.says('"serving"');
  }

  test('a new user can register at every box within two seconds', async () => {
    await admin(['user', 'add', 'erin', '--password-stdin'], 'erinpw\n');
    await soonEverywhere(
      'erin registers',
      async (k) => (await register(k, 'erin', 'erinpw')) === 200,
    );
    await soonEverywhere(
      'her three records are found',
      async (k) => (await lookup(k, 'erin')).targets.length === 3,
    );
  });

  test('a changed password: the old one is refused and the new one accepted everywhere', async () => {
    await admin(['user', 'passwd', 'erin', '--password-stdin'], 'another\n');
    await soonEverywhere(
      'erin registers anew',
      async (k) => (await register(k, 'erin', 'another')) === 200,
    );
    for (const k of boxes) assert.notEqual(await register(k, 'erin', 'erinpw'), 200);
  });

  test('a disabled user is refused, bindings and records are gone; enabled again, all works', async () => {
    await admin(['user', 'disable', 'erin']);
    await soonEverywhere('nothing is left of erin', async (k) => {
      const { local, targets } = await lookup(k, 'erin');
      return local.length === 0 && targets.length === 0;
    });
    for (const k of boxes) assert.notEqual(await register(k, 'erin', 'another'), 200);
    await admin(['user', 'enable', 'erin']);
    await soonEverywhere(
      'erin registers again',
      async (k) => (await register(k, 'erin', 'another')) === 200,
    );
    await soonEverywhere(
      'her records are found again',
      async (k) => (await lookup(k, 'erin')).targets.length === 3,
    );
  });

  test('a removed user is refused, bindings and records are gone', async () => {
    await admin(['user', 'remove', 'erin']);
    await soonEverywhere('nothing is left of erin', async (k) => {
      const { local, targets } = await lookup(k, 'erin');
      return local.length === 0 && targets.length === 0;
    });
    for (const k of boxes) assert.notEqual(await register(k, 'erin', 'another'), 200);
  });

  test('without the authority phones register, register again, and call', async () => {
    assert.equal(await register(1, 'alice', 'alicepw'), 200);
    await killAuthority();
    assert.equal(await register(1, 'alice', 'alicepw'), 200);
    assert.equal(await register(2, 'bob', 'bobpw'), 200);
    await soonEverywhere(
      'bob is found',
      async (k) => (await lookup(k, 'bob')).targets.length === 1,
    );
    assert.equal(await phones.get(1)!.call('alice', 'alicepw', 'bob'), 200);
    assert.equal(await phones.get(2)!.call('bob', 'bobpw', 'alice'), 200);
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`a box restarted after ${signal} without the authority serves its users at once`, async () => {
      await restart(2, signal);
      assert.equal(await register(2, 'carol', 'carolpw'), 200);
      assert.equal(await register(2, 'bob', 'bobpw'), 200);
      assert.notEqual(await register(2, 'bob', 'wrong'), 200);
      await soonEverywhere(
        'bob and carol are found',
        async (k) =>
          (await lookup(k, 'bob')).targets.length === 1 &&
          (await lookup(k, 'carol')).targets.length === 1,
      );
      await until(
        'alice reaches bob',
        async () => (await phones.get(1)!.call('alice', 'alicepw', 'bob')) === 200,
      );
    });
  }

  test('the authority comes back: changes arrive again', async () => {
    const box = startBox(['start', '--dir', join(lab.dir, 'authority')]);
    started.push(box);
    await box.says('"serving"');
    await until(
      'all boxes follow again',
      async () => {
        const states = await Promise.all(boxes.map(async (k) => await lab.status(k)));
        return states.every(({ authority }) => (authority as { connected: boolean }).connected);
      },
      40_000,
    );
    await admin(['user', 'add', 'frank', '--password-stdin'], 'frankpw\n');
    await soonEverywhere(
      'frank registers',
      async (k) => (await register(k, 'frank', 'frankpw')) === 200,
    );
    const { authority } = (await lab.status(1)) as { authority: { accounts: number } };
    assert.equal(authority.accounts, 5);
  });

  test('no password is in any log line', () => {
    const logs = [...boxes.map((k) => lab.log(k)), ...started.map((box) => box.stderr())].join('');
    for (const secret of [
      'alicepw',
      'bobpw',
      'carolpw',
      'davepw',
      'erinpw',
      'another',
      'frankpw',
    ]) {
      assert.ok(!logs.includes(secret), secret);
    }
  });
});
