/** Phones in a browser (JsSIP in Chromium) over WS and WSS, among themselves and with baresip. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startPhone } from './support/baresip.ts';
import { startBrowserPhones, type BrowserPhones } from './support/browser-phones.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';
import { until } from './support/wait.ts';

describe('phones in a browser', { skip: without('chromium') }, () => {
  let lab: Lab;
  let phones: BrowserPhones;
  before(async () => {
    const config = join(temporaryFolder('browser'), 'lab.json');
    writeFileSync(config, JSON.stringify({ sip: { wssPort: 5067 } }));
    lab = await startLab({ adapters: 2, config });
    phones = await startBrowserPhones({ loopback: ownAddress() === undefined });
  });
  after(async () => {
    await phones.close();
    await lab.stop();
  });

  async function register(name: string, user: string, url: string): Promise<void> {
    const account = { url, user, password: `${user}pw`, domain: lab.domain };
    assert.equal(await phones.register(name, account), 200);
  }

  for (const scheme of ['ws', 'wss'] as const) {
    const port = scheme === 'ws' ? 5066 : 5067;
    const [caller, callee] = scheme === 'ws' ? ['alice', 'bob'] : ['carol', 'dave'];
    test(`over ${scheme}: registration, MESSAGE, a call with media and digits by INFO across two boxes`, async () => {
      await register(`${scheme} caller`, caller, `${scheme}://127.0.0.11:${port}`);
      await register(`${scheme} callee`, callee, `${scheme}://127.0.0.12:${port}`);
      const target = `sip:${callee}@${lab.domain}`;
      assert.equal(await phones.message(`${scheme} caller`, target, 'hello there'), true);
      assert.deepEqual(await phones.messages(`${scheme} callee`), ['hello there']);

      assert.equal(await phones.call(`${scheme} caller`, target), 'established');
      assert.equal(await phones.incoming(`${scheme} callee`), `sip:${caller}@${lab.domain}`);
      for (const side of ['caller', 'callee']) {
        await until(
          `RTP at the ${side}`,
          async () => (await phones.rtp(`${scheme} ${side}`)).received > 30,
          8000,
        );
      }
      assert.equal(await phones.sendDigits(`${scheme} caller`, '5#'), true);
      await until(
        'the digits',
        async () => (await phones.digits(`${scheme} callee`)) === '5#',
        3000,
      );
      await phones.hangUp(`${scheme} callee`);
      assert.equal(await phones.ended(`${scheme} caller`), 'Terminated');
      assert.equal(await phones.unregister(`${scheme} callee`), true);
      assert.equal(await phones.call(`${scheme} caller`, target), 'Unavailable');
      assert.equal(await phones.unregister(`${scheme} caller`), true);
    });
  }

  const address = ownAddress();
  const skip = without('baresip') || (address === undefined && 'needs an address beside loopback');
  test('a browser at box 1 and baresip at box 2 talk to each other', { skip }, async () => {
    const desk = await startPhone({
      ...{ user: 'bob', password: 'bobpw', domain: lab.domain, proxy: '127.0.0.12:5060' },
      ...{ transport: 'udp', port: 7300, webRtc: true, answer: 'auto' },
      address: address ?? '',
    });
    try {
      await desk.registered();
      await register('caller', 'alice', 'ws://127.0.0.11:5066');
      assert.equal(await phones.call('caller', `sip:bob@${lab.domain}`), 'established');
      await desk.event('CALL_ESTABLISHED');
      const heard = async (): Promise<number> => (await phones.rtp('caller')).received;
      await until('RTP at the browser', async () => (await heard()) > 30, 8000);
      const before = await desk.rtpReceived();
      await until('RTP at the desk', async () => (await desk.rtpReceived()) > before, 4000);
      desk.command('hangup');
      assert.equal(await phones.ended('caller'), 'Terminated');
    } finally {
      await desk.quit();
    }
  });

  test('a wrong password is refused', async () => {
    const account = {
      url: 'ws://127.0.0.11:5066',
      user: 'alice',
      password: 'x',
      domain: lab.domain,
    };
    const status = await phones.register('stranger', account);
    assert.ok(status === 401 || status === 403, String(status));
  });
});

/** An IPv4 address of this machine that is not loopback. */
function ownAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}
