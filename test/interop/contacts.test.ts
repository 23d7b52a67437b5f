/** Where a phone is reached: on its flow, or where its Contact says; and callers that never registered. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { completeCall, startPhone, type Phone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { runSipp } from './support/sipp.ts';
import { without } from './support/tools.ts';
import { startUdpPhone } from './support/udp-phone.ts';
import { until } from './support/wait.ts';

describe('contacts of phones that are not behind a NAT', { skip: without('sipp') }, () => {
  let lab: Lab;
  before(async () => {
    lab = await startLab({ adapters: 2 });
  });
  after(async () => await lab.stop());

  async function register(transport: 'u1' | 't1', contactPort: number): Promise<void> {
    const contact = `sip:dave@127.0.0.1:${contactPort};transport=${transport === 'u1' ? 'udp' : 'tcp'}`;
    const done = await runSipp({
      scenario: 'register.xml',
      proxy: '127.0.0.12:5060',
      port: 6570,
      transport,
      args: [
        ...['-s', 'dave', '-key', 'domain', lab.domain, '-au', 'dave', '-ap', 'davepw'],
        ...['-key', 'contact', contact, '-key', 'exp', '300'],
      ],
    });
    assert.equal(done.status, 0, done.output);
  }

  /** A call from box 1 to whoever listens on the port. */
  async function call(transport: 'u1' | 't1', calleePort: number): Promise<void> {
    const callee = runSipp({
      scenario: 'uas.xml',
      port: calleePort,
      transport,
      args: ['-mi', '127.0.0.1', '-mp', '6600'],
    });
    const caller = await runSipp({
      scenario: 'uac.xml',
      proxy: '127.0.0.11:5060',
      port: 6572,
      args: [
        ...['-mi', '127.0.0.1', '-mp', '6800', '-s', 'dave', '-key', 'domain', lab.domain],
        ...['-key', 'user', 'carol', '-au', 'carol', '-ap', 'carolpw'],
      ],
    });
    assert.equal(caller.status, 0, caller.output);
    assert.equal((await callee).status, 0);
  }

  test('the connection of a TCP phone is gone: it is called at its Contact', async () => {
    await register('t1', 6564);
    await call('t1', 6564);
  });

  test('after the boxes restarted both are still called there, without registering again', async () => {
    await register('u1', 6562);
    await lab.stop();
    lab = await startLab({ adapters: 2, dir: lab.dir });
    await call('u1', 6562);
    await call('t1', 6564);
  });
});

describe('a caller that never registers', { skip: without('baresip') }, () => {
  let lab: Lab;
  const phones: Phone[] = [];
  before(async () => {
    lab = await startLab({ adapters: 2 });
  });
  after(async () => {
    for (const phone of phones) phone.kill();
    await lab.stop();
  });

  test('calls as anonymous; either side hangs up', async () => {
    const common = { domain: lab.domain, transport: 'udp' } as const;
    const carol = await startPhone({
      ...common,
      user: 'carol',
      password: 'carolpw',
      proxy: '127.0.0.11:5060',
      port: 7500,
      expiresS: 0,
    });
    const bob = await startPhone({
      ...common,
      user: 'bob',
      password: 'bobpw',
      proxy: '127.0.0.12:5060',
      port: 7504,
    });
    phones.push(carol, bob);
    await bob.registered();
    for (const side of ['caller', 'callee'] as const) {
      const incoming = await completeCall(carol, bob, `sip:bob@${lab.domain}`, side);
      assert.equal(incoming.peeruri, 'sip:anonymous@anonymous.invalid');
    }
    await carol.quit();
    await bob.quit();
  });
});

describe('a phone behind a NAT that goes away', () => {
  let lab: Lab;
  before(async () => {
    const config = join(temporaryFolder('nat-phone'), 'chordial.yaml');
    writeFileSync(config, 'registrar: { natPingS: 1, natPingsLost: 2 }\n');
    lab = await startLab({ adapters: 1, config });
  });
  after(async () => await lab.stop());

  test('it answers pings until then; its binding ends and the overlay record with it', async () => {
    const phone = await startUdpPhone({
      ...{ user: 'bob', password: 'bobpw', domain: lab.domain },
      ...{ address: '127.0.0.60', box: '127.0.0.11', believes: '10.9.9.9:5060' },
    });
    const registered = async (): Promise<number> =>
      ((await lab.status(1)) as { registrations: readonly unknown[] }).registrations.length;
    try {
      assert.equal(await phone.register(), 200);
      const pings = (): number => phone.requests.filter((r) => r.startsWith('OPTIONS')).length;
      await until('three pings', () => pings() >= 3, 8000);
      assert.equal(await registered(), 1);
    } finally {
      phone.close();
    }
    await until('the registration ended', async () => (await registered()) === 0, 10_000);
  });
});
