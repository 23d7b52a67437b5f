/** The scan and crack tools of sipvicious against a box. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';
import { startUdpPhone } from './support/udp-phone.ts';

interface Ban {
  readonly source: string;
}

describe('scans and guesses', { skip: without('svmap', 'svwar', 'svcrack') }, () => {
  let lab: Lab;
  const folder = temporaryFolder('attackers');
  before(async () => {
    lab = await startLab({ adapters: 1 });
  });
  after(async () => await lab.stop());

  /** What the tool printed within the time. */
  async function run(tool: string, args: readonly string[], seconds: number): Promise<string> {
    const child = spawn('timeout', [String(seconds), tool, ...args, '127.0.0.11'], {
      cwd: folder,
      env: { ...process.env, HOME: folder },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await new Promise((resolve) => child.on('close', resolve));
    return output;
  }

  function list(name: string, words: readonly string[]): string {
    const file = join(folder, name);
    writeFileSync(file, `${words.join('\n')}\n`);
    return file;
  }

  async function bans(): Promise<readonly Ban[]> {
    const { sip } = (await lab.status(1)) as { sip: { bans: readonly Ban[] } };
    return sip.bans;
  }

  async function alicesPhoneWorks(): Promise<void> {
    const phone = await startUdpPhone({
      ...{ user: 'alice', password: 'alicepw', domain: lab.domain },
      ...{ address: '127.0.0.60', box: '127.0.0.11' },
    });
    try {
      assert.equal(await phone.register(), 200);
    } finally {
      phone.close();
    }
  }

  test('a scan learns that there is a SIP server, and not of what make', async () => {
    const output = await run('svmap', [], 20);
    assert.match(output, /127\.0\.0\.11:5060 \| unknown/);
  });

  for (const method of ['REGISTER', 'OPTIONS', 'INVITE']) {
    test(`users are not told from strangers by ${method}`, async () => {
      const users = list('users', ['alice', 'bob', 'nobody', 'carol', 'mallory']);
      const output = await run('svwar', ['-m', method, '-d', users], 20);
      assert.match(output, /authentication request for an unknown extension/);
      for (const user of ['alice', 'bob', 'carol']) {
        assert.ok(!new RegExp(`\\| ${user} `).test(output), output);
      }
    });
  }

  test('the source of many wrong passwords is banned, also for the right one; others are served', async () => {
    const wrong = Array.from({ length: 60 }, (_, i) => `wrong${i}`);
    const output = await run(
      'svcrack',
      ['-u', 'alice', '-d', list('words', [...wrong, 'alicepw'])],
      8,
    );
    assert.ok(!output.includes('alicepw'), output);
    assert.deepEqual(
      (await bans()).map(({ source }) => source),
      ['127.0.0.1'],
    );
    await alicesPhoneWorks();
  });
});
