/** tshark decrypts the overlay traffic of a run with calls and agrees with our own decoder. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { completeCall, startPhone } from './support/baresip.ts';
import { startLab } from './support/lab.ts';
import { without } from './support/tools.ts';
import { sleep, until } from './support/wait.ts';

describe('a capture of the overlay', { skip: without('tshark', 'baresip') }, () => {
  test('holds no malformed frame, and values are as we decode them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'chordial-capture-'));
    const capture = join(folder, 'lab.pcapng');
    const keylog = join(folder, 'keys.log');
    const tshark = await startCapture(capture);
    const lab = await startLab({ adapters: 3, keylog });
    try {
      const phone = async (user: string, k: number, port: number): ReturnType<typeof startPhone> =>
        await startPhone({
          user,
          password: `${user}pw`,
          domain: lab.domain,
          proxy: `127.0.0.${10 + k}:5060`,
          transport: 'udp',
          port,
        });
      const alice = await phone('alice', 1, 7500);
      const bob = await phone('bob', 2, 7504);
      await alice.registered();
      await bob.registered();
      await completeCall(alice, bob, `sip:bob@${lab.domain}`, 'caller');
      await alice.quit();
      await bob.quit();
    } finally {
      await lab.stop();
    }
    await sleep(500);
    tshark.kill('SIGINT');
    await until('tshark ended', () => tshark.exitCode !== null || tshark.signalCode !== null);

    const rows = dissect(capture, keylog);
    assert.ok(rows.length > 50, `${rows.length} RELOAD messages`);
    assert.deepEqual(
      rows.filter((row) => row.malformed),
      [],
    );
    const codes = new Set(rows.flatMap((row) => row.codes));
    for (const [name, code] of Object.entries(expectedCodes)) {
      assert.ok(codes.has(code), `${name} (${code}) was seen`);
    }
  });
});

/** Message codes of RFC 6940 §14.8 that such a run cannot do without. */
const expectedCodes = {
  attach_req: 3,
  attach_ans: 4,
  store_req: 7,
  store_ans: 8,
  fetch_req: 9,
  fetch_ans: 10,
  join_req: 15,
  join_ans: 16,
  update_req: 19,
  update_ans: 20,
  app_attach_req: 29,
  app_attach_ans: 30,
};

interface Row {
  readonly malformed: boolean;
  readonly codes: readonly number[];
}

async function startCapture(file: string): Promise<ChildProcess> {
  const child = spawn(
    'tshark',
    ['-q', '-i', 'lo', '-f', 'tcp port 6084', '-w', file, '-s', '0', '-B', '16'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  await until('tshark captures', () => errors.includes('Capturing'), 10_000);
  await sleep(500);
  return child;
}

function dissect(capture: string, keylog: string): Row[] {
  const result = spawnSync(
    'tshark',
    [
      ...['-r', capture, '-o', `tls.keylog_file:${keylog}`, '-d', 'tls.port==6084,reload-framing'],
      ...['-Y', 'reload', '-T', 'fields', '-e', '_ws.malformed', '-e', 'reload.message.code'],
    ],
    { encoding: 'utf8', maxBuffer: 64 << 20 },
  );
  return result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [malformed = '', codes = ''] = line.split('\t');
      return {
        malformed: malformed !== '',
        codes: codes
          .split(',')
          .filter((c) => c !== '')
          .map(Number),
      };
    });
}
