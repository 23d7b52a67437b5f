/** What people do with desk phones beside plain calls, with the phones at different boxes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';
import { mediaFlows, startPhone, type Phone, type PhoneOptions } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';
import { startUdpPhone } from './support/udp-phone.ts';
import { sleep, until } from './support/wait.ts';

describe('features of desk phones', { skip: without('baresip') }, () => {
  let lab: Lab;
  let phones: Phone[] = [];
  let nextPort = 7400;
  before(async () => {
    lab = await startLab({ adapters: 3 });
  });
  after(async () => await lab.stop());
  beforeEach(() => {
    phones = [];
  });
  afterEach(async () => {
    await Promise.all(phones.map(async (phone) => await phone.quit()));
  });

  async function phone(user: string, k: number, more: Partial<PhoneOptions> = {}): Promise<Phone> {
    const port = nextPort;
    nextPort += 4;
    const started = await startPhone({
      ...{ user, password: `${user}pw`, domain: lab.domain, proxy: `127.0.0.${10 + k}:5060` },
      ...{ transport: 'udp', port },
      ...more,
    });
    phones.push(started);
    await started.registered();
    return started;
  }

  const aor = (user: string): string => `sip:${user}@${lab.domain}`;

  /** A rule of forwarding, in force on every box within two seconds. */
  const rule = async (user: string, ...words: readonly string[]): Promise<void> =>
    await change('forward', user, ...words);

  async function change(...words: readonly string[]): Promise<void> {
    const dir = join(lab.dir, 'authority');
    const child = spawn(process.execPath, ['src/main.ts', 'user', ...words, '--dir', dir], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [status] = (await once(child, 'exit')) as [number];
    assert.equal(status, 0);
    await sleep(2000);
  }

  async function establish(caller: Phone, callee: Phone): Promise<void> {
    caller.forget();
    callee.forget();
    caller.command('dial', aor(callee.options.user));
    await caller.event('CALL_ESTABLISHED');
    await callee.event('CALL_ESTABLISHED');
  }

  test('blind transfer: REFER, the new call, NOTIFY', async () => {
    const alice = await phone('alice', 1);
    const bob = await phone('bob', 2, { answer: 'auto' });
    const carol = await phone('carol', 3, { answer: 'auto' });
    await establish(alice, bob);
    alice.forget();
    bob.command('transfer', aor('carol'));
    await carol.event('CALL_ESTABLISHED');
    await mediaFlows(carol);
    assert.match(alice.log(), /REFER sip:/);
    await until('NOTIFY at bob', () => /NOTIFY sip:[\s\S]*sipfrag/i.test(bob.log()), 5000);
    carol.command('hangup');
    await alice.event('CALL_CLOSED');
  });

  test('hold and resume by the callee, at another box', async () => {
    const alice = await phone('alice', 1);
    const bob = await phone('bob', 2, { answer: 'auto' });
    await establish(alice, bob);
    const before = alice.log().length;
    bob.command('hold');
    await until('held', () => /a=(sendonly|inactive)/.test(alice.log().slice(before)), 5000);
    const held = alice.log().length;
    bob.command('resume');
    await until('resumed', () => /a=sendrecv/.test(alice.log().slice(held)), 5000);
    await mediaFlows(alice);
    bob.command('hangup');
    await alice.event('CALL_CLOSED');
  });

  test('a text reaches the phone at the other box', async () => {
    const alice = await phone('alice', 1, { contacts: [`"Bob" <${aor('bob')}>`] });
    const bob = await phone('bob', 2);
    alice.command('message', 'see you at noon');
    await until('the text', () => bob.log().includes('see you at noon'), 5000);
  });

  test('presence of a user at another box: SUBSCRIBE, NOTIFY', async () => {
    const bob = await phone('bob', 2, { applications: ['presence.so'] });
    const alice = await phone('alice', 1, {
      applications: ['presence.so'],
      contacts: [`"Bob" <${aor('bob')}>;presence=p2p`],
    });
    await until('SUBSCRIBE', () => /SUBSCRIBE sip:bob/.test(bob.log()), 8000);
    await until(
      'NOTIFY',
      () => /NOTIFY sip:alice[\s\S]*<basic>open<\/basic>|NOTIFY sip:[\s\S]*pidf/.test(alice.log()),
      8000,
    );
  });

  test('nobody answers: after the time the user set, the call goes on to another', async () => {
    await rule('bob', '--no-answer', 'carol', '--after', '2');
    try {
      const alice = await phone('alice', 1);
      const bob = await phone('bob', 2);
      const carol = await phone('carol', 3, { answer: 'auto' });
      alice.forget();
      alice.command('dial', aor('bob'));
      await bob.event('CALL_INCOMING');
      await carol.event('CALL_ESTABLISHED');
      await alice.event('CALL_ESTABLISHED');
      await bob.event('CALL_CLOSED');
      await mediaFlows(carol);
      assert.match(carol.log(), /^(Diversion|History-Info): .*bob/m);
      carol.command('hangup');
      await alice.event('CALL_CLOSED');
    } finally {
      await rule('bob', '--no-answer', 'off');
    }
  });

  test('a phone answers 302: the call goes where it says', async () => {
    const bob = await startUdpPhone({
      ...{ user: 'bob', password: 'bobpw', domain: lab.domain },
      ...{ address: '127.0.0.61', box: '127.0.0.12' },
      answer: { status: '302 Moved Temporarily', rows: [`Contact: <${aor('carol')}>`] },
    });
    try {
      assert.equal(await bob.register(), 200);
      const alice = await phone('alice', 1);
      const carol = await phone('carol', 3, { answer: 'auto' });
      alice.forget();
      alice.command('dial', aor('bob'));
      await alice.event('CALL_ESTABLISHED');
      await mediaFlows(carol);
      assert.ok(bob.requests.some((text) => text.startsWith('INVITE')));
      alice.command('hangup');
      await carol.event('CALL_CLOSED');
    } finally {
      bob.close();
    }
  });

  test('a user with redirection: the phone follows the 302 to the GRUU by itself', async () => {
    await change('redirect', 'alice', 'on');
    try {
      const alice = await phone('alice', 1);
      const bob = await phone('bob', 2, { answer: 'auto' });
      await establish(alice, bob);
      await mediaFlows(bob);
      assert.match(alice.log(), /^SIP\/2\.0 302 /m);
      assert.match(alice.log(), /^INVITE sip:bob@lab\.example;gr=/m);
      alice.command('hangup');
      await bob.event('CALL_CLOSED');
    } finally {
      await change('redirect', 'alice', 'off');
    }
  });

  test('two phones of one user ring; the one that loses stops', async () => {
    const alice = await phone('alice', 1);
    const desk = await phone('bob', 2);
    const hall = await phone('bob', 3);
    alice.forget();
    alice.command('dial', aor('bob'));
    await desk.event('CALL_INCOMING');
    await hall.event('CALL_INCOMING');
    hall.command('accept');
    await alice.event('CALL_ESTABLISHED');
    await desk.event('CALL_CLOSED');
    assert.ok(!desk.events.some(({ type }) => type === 'CALL_ESTABLISHED'));
    assert.match(desk.log(), /CANCEL sip:/);
    alice.command('hangup');
    await hall.event('CALL_CLOSED');
  });
});
