/** linphonec: UDP, TCP, TLS with the box verified; calls among themselves and with baresip. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startPhone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { startLinphone, type Linphone } from './support/linphone.ts';
import { without } from './support/tools.ts';
import { until } from './support/wait.ts';

describe('linphonec', { skip: without('linphonec') }, () => {
  let lab: Lab;
  const running: Linphone[] = [];
  let nextPort = 6100;
  before(async () => {
    lab = await startLab({ adapters: 2 });
  });
  after(async () => {
    await Promise.all(running.map(async (phone) => await phone.quit()));
    await lab.stop();
  });

  function start(
    user: string,
    k: number,
    transport: 'udp' | 'tcp' | 'tls',
    more: { answers?: boolean; rootFile?: string; password?: string } = {},
  ): Linphone {
    const port = nextPort;
    nextPort += 10;
    const phone = startLinphone({
      user,
      password: `${user}pw`,
      domain: lab.domain,
      proxy: transport === 'tls' ? `${lab.domain}:5061` : `127.0.0.${10 + k}:5060`,
      transport,
      port,
      rtpPort: 20_000 + port,
      // Names, for the check of the certificate, without a name server.
      ...(transport === 'tls'
        ? { hosts: `127.0.0.1 localhost\n127.0.0.${10 + k} ${lab.domain}\n` }
        : {}),
      ...more,
    });
    running.push(phone);
    return phone;
  }

  /** The issuer of the certificate on the phone side of box `k`. */
  function issuerFile(k: number): string {
    const chain = readFileSync(join(lab.dir, `adapter-${k}`, 'sip-tls', 'cert.pem'), 'latin1');
    const issuer = chain.split(/(?=-----BEGIN CERTIFICATE-----)/).at(-1) ?? '';
    assert.ok(new X509Certificate(issuer).ca);
    const file = join(temporaryFolder('issuer'), 'root.pem');
    writeFileSync(file, issuer);
    return file;
  }

  async function call(caller: Linphone, callee: Linphone, target: string): Promise<void> {
    caller.forget();
    callee.forget();
    caller.command(`call sip:${target}@${lab.domain}`);
    await caller.says(/Media streams established/);
    await callee.says(/Media streams established/);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    callee.command('terminate');
    await caller.says(/ended \(No error\)/);
    await callee.says(/ended \(No error\)/);
    await until('media at the caller', () => caller.rtp().received > 20, 3000);
    await until('media at the callee', () => callee.rtp().received > 20, 3000);
  }

  test('over udp and tcp, a call across two boxes with media both ways', async () => {
    const alice = start('alice', 1, 'udp');
    const bob = start('bob', 2, 'tcp', { answers: true });
    assert.ok(await alice.registered(), alice.log().slice(-3000));
    assert.ok(await bob.registered(), bob.log().slice(-3000));
    await call(alice, bob, 'bob');
  });

  test('over tls, with the name and the issuer of each box verified', async (t) => {
    if (process.getuid?.() !== 0) {
      t.skip('names for the phone need root');
      return;
    }
    const carol = start('carol', 1, 'tls', { rootFile: issuerFile(1) });
    const dave = start('dave', 2, 'tls', { rootFile: issuerFile(2), answers: true });
    assert.ok(await carol.registered(), carol.log().slice(-3000));
    assert.ok(await dave.registered(), dave.log().slice(-3000));
    await call(carol, dave, 'dave');
    const fooled = start('alice', 1, 'tls', { rootFile: issuerFile(2) });
    assert.equal(await fooled.registered(3000), false);
  });

  test(
    'a call to baresip: hold, resume, a text, hang-up',
    { skip: without('baresip') },
    async () => {
      const desk = await startPhone({
        ...{ user: 'carol', password: 'carolpw', domain: lab.domain, proxy: '127.0.0.12:5060' },
        ...{ transport: 'udp', port: 7320, answer: 'auto' },
      });
      try {
        await desk.registered();
        const soft = start('dave', 1, 'udp');
        assert.ok(await soft.registered());
        soft.command(`chat sip:carol@${lab.domain} hello from linphone`);
        await until('the text', () => desk.log().includes('hello from linphone'), 5000);
        soft.forget();
        soft.command(`call sip:carol@${lab.domain}`);
        await soft.says(/Media streams established/);
        await desk.event('CALL_ESTABLISHED');
        soft.command('pause');
        await until('held', () => /a=(sendonly|inactive)/.test(desk.log()), 5000);
        soft.command('resume 1');
        const held = desk.log().length;
        await until('resumed', () => /a=sendrecv/.test(desk.log().slice(held - 500)), 5000);
        const heard = await desk.rtpReceived();
        await until('media again', async () => (await desk.rtpReceived()) > heard, 5000);
        desk.command('hangup');
        await soft.says(/ended \(No error\)/);
      } finally {
        await desk.quit();
      }
    },
  );

  test('a wrong password does not register', async () => {
    const phone = start('alice', 2, 'udp', { password: 'wrong' });
    assert.equal(await phone.registered(2500), false);
    assert.match(phone.log(), /LinphoneRegistrationFailed|401/);
  });
});
