/** The scan and crack tools of sipvicious against a box. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { chordial } from './support/box.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';
import { startUdpPhone } from './support/udp-phone.ts';
import { sleep, until } from './support/wait.ts';

interface Ban {
  readonly kind: string;
  readonly source: string;
}

/** One OPTIONS as scanners send them. */
const scan = (n: number): string =>
  [
    'OPTIONS sip:100@127.0.0.11 SIP/2.0',
    `Via: SIP/2.0/UDP 127.0.0.60:9;rport;branch=z9hG4bK-scan-${String(n)}`,
    'Max-Forwards: 70',
    `From: <sip:scan@127.0.0.60>;tag=${String(n)}`,
    'To: <sip:100@127.0.0.11>',
    `Call-ID: scan-${String(n)}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');

describe('scans and guesses', { skip: without('svmap', 'svwar', 'svcrack') }, () => {
  let lab: Lab;
  const folder = temporaryFolder('attackers');
  before(async () => {
    const config = join(folder, 'chordial.yaml');
    writeFileSync(config, 'flood: { requestsPerS: 100, burst: 150, exemptNetworks: [] }\n');
    lab = await startLab({ adapters: 1, config });
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
    // The tool asks too often, too.
    const banned = new Map((await bans()).map(({ kind, source }) => [source, kind]));
    assert.deepEqual([...banned], [['127.0.0.1', 'logins']]);
    await alicesPhoneWorks();
    const dir = join(lab.dir, 'adapter-1');
    const listed = await chordial(['ban', 'list', '--json', '--dir', dir]);
    assert.deepEqual(JSON.parse(listed.stdout), await bans());
    const lifted = await chordial(['ban', 'lift', '127.0.0.1', '--dir', dir]);
    assert.equal(lifted.stdout, '127.0.0.1 is no longer banned\n');
    assert.deepEqual(await bans(), []);
    const again = await chordial(['ban', 'lift', '127.0.0.1', '--dir', dir]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /127\.0\.0\.1 is not banned at this box/);
    assert.equal((await lab.get(1, '/api/bans')).status, 401);
  });

  test('a flood without logins is dropped after the burst; phones that logged in go on', async () => {
    const phone = await startUdpPhone({
      ...{ user: 'alice', password: 'alicepw', domain: lab.domain },
      ...{ address: '127.0.0.60', box: '127.0.0.11' },
    });
    const attacker = createSocket('udp4');
    try {
      assert.equal(await phone.register(), 200);
      await new Promise<void>((resolve) => attacker.bind(0, '127.0.0.60', resolve));
      let answers = 0;
      attacker.on('message', () => answers++);
      for (let round = 0; round < 10; round++) {
        for (let i = 0; i < 40; i++) attacker.send(scan(round * 40 + i), 5060, '127.0.0.11');
        await sleep(50);
      }
      await until('the flood is banned', async () => (await bans())[0]?.kind === 'flood', 3000);
      const before = answers;
      for (let i = 0; i < 40; i++) attacker.send(scan(1000 + i), 5060, '127.0.0.11');
      await sleep(300);
      assert.equal(answers, before, 'nothing is answered any more');
      assert.ok(before >= 150 && before < 350, `${before} answers before the ban`);
      assert.equal(await phone.register(), 200, 'the phone at that very address is served');
    } finally {
      attacker.close();
      phone.close();
    }
  });
});
