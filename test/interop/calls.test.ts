/** Two ordinary phones at two boxes call each other through the overlay. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { completeCall, hops, startPhone, type Phone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { runSipp } from './support/sipp.ts';
import { without } from './support/tools.ts';
import { until } from './support/wait.ts';

describe('a lab of three boxes', { skip: without('baresip', 'sipp') }, () => {
  let lab: Lab;
  const phones: Phone[] = [];

  before(async () => {
    lab = await startLab({ adapters: 3 });
  });
  after(async () => {
    for (const phone of phones) phone.kill();
    await lab.stop();
  });

  async function phone(
    user: string,
    k: number,
    port: number,
    transport: 'udp' | 'tcp',
    more: { answer?: 'auto' } = {},
  ): Promise<Phone> {
    const started = await startPhone({
      user,
      password: `${user}pw`,
      domain: lab.domain,
      proxy: `127.0.0.${10 + k}:5060`,
      transport,
      port,
      ...more,
    });
    phones.push(started);
    await started.registered();
    return started;
  }

  test('the ring of three is complete within ten seconds', () => {
    assert.equal(lab.adapters.length, 3);
    assert.ok(lab.readyMs < 10_000, `${lab.readyMs} ms`);
  });

  for (const [index, transport] of (['udp', 'tcp'] as const).entries()) {
    test(`baresip over ${transport}: ring, answer, media both ways, either side hangs up, un-REGISTER`, async () => {
      const base = 7000 + index * 20;
      const alice = await phone('alice', 1, base, transport);
      const bob = await phone('bob', 2, base + 4, transport);
      const incoming = await completeCall(alice, bob, `sip:bob@${lab.domain}`, 'caller');
      assert.match(incoming.peeruri ?? '', /^sip:alice@lab\.example/);
      await completeCall(alice, bob, `sip:bob@${lab.domain}`, 'callee');
      await completeCall(bob, alice, `sip:alice@${lab.domain}`, 'callee');

      for (const [who, box] of [
        [alice, '127.0.0.11'],
        [bob, '127.0.0.12'],
      ] as const) {
        const seen = hops(who);
        assert.ok(seen.length > 10, 'the trace shows the signalling');
        // What is too large for a datagram comes from the box by TCP, from any port.
        for (const hop of seen) assert.ok(hop.includes(`${box}:`), `${hop} goes past ${box}`);
      }

      await alice.quit();
      await bob.quit();
      await until('both records are withdrawn', async () => {
        const answers = await Promise.all(
          ['alice', 'bob'].map(async (user) => {
            const response = await lab.get(3, `/api/lookup?aor=${user}@${lab.domain}`);
            const found = (await response.json()) as { targets?: unknown[] };
            return (found.targets ?? []).length;
          }),
        );
        return answers.every((count) => count === 0);
      });
    });
  }

  test('SIPp calls SIPp across boxes over UDP and TCP', async () => {
    for (const transport of ['u1', 't1'] as const) {
      const calleePort = transport === 'u1' ? 6062 : 6064;
      const contact = `sip:dave@127.0.0.1:${calleePort};transport=${transport === 'u1' ? 'udp' : 'tcp'}`;
      const register = await runSipp({
        scenario: 'register.xml',
        proxy: '127.0.0.13:5060',
        port: 6070,
        args: [
          ...['-s', 'dave', '-key', 'domain', lab.domain, '-au', 'dave', '-ap', 'davepw'],
          ...['-key', 'contact', contact, '-key', 'exp', '60'],
        ],
      });
      assert.equal(register.status, 0, register.output);
      const callee = runSipp({
        scenario: 'uas.xml',
        port: calleePort,
        transport,
        args: ['-mi', '127.0.0.1', '-mp', '6100', '-rtp_echo'],
      });
      const caller = await runSipp({
        scenario: 'uac.xml',
        proxy: '127.0.0.11:5060',
        port: transport === 'u1' ? 6072 : 6074,
        transport,
        args: [
          ...['-mi', '127.0.0.1', '-mp', '6300', '-s', 'dave', '-key', 'domain', lab.domain],
          ...['-key', 'user', 'carol', '-au', 'carol', '-ap', 'carolpw'],
        ],
      });
      assert.equal(caller.status, 0, caller.output);
      assert.equal((await callee).status, 0);
    }
  });

  test('a phone that moves to another box is reached there within a second', async () => {
    const alice = await phone('alice', 1, 7100, 'udp');
    const old = await phone('bob', 2, 7104, 'udp');
    await old.quit();
    const moved = await phone('bob', 3, 7108, 'udp');
    const at = performance.now();
    alice.command('dial', `sip:bob@${lab.domain}`);
    await moved.event('CALL_INCOMING', 1000);
    assert.ok(performance.now() - at < 1000);
    alice.command('hangup');
    await moved.event('CALL_CLOSED');
    await alice.quit();
    await moved.quit();
  });

  test('wrong password, busy, unknown user and cancel end as a caller expects', async () => {
    const intruder = await startPhone({
      user: 'alice',
      password: 'wrong',
      domain: lab.domain,
      proxy: '127.0.0.11:5060',
      transport: 'udp',
      port: 7120,
    });
    phones.push(intruder);
    await until('refused', () => /401 Unauthorized/.test(intruder.log()));
    intruder.kill();

    const alice = await phone('alice', 1, 7124, 'udp');
    const bob = await phone('bob', 2, 7128, 'udp');
    alice.command('dial', `sip:bob@${lab.domain}`);
    await bob.event('CALL_INCOMING');
    await alice.event('CALL_RINGING');
    bob.command('hangup');
    const busy = await alice.event('CALL_CLOSED');
    assert.match(busy.param ?? '', /^(486|603)/);

    alice.forget();
    alice.command('dial', `sip:nobody@${lab.domain}`);
    assert.match((await alice.event('CALL_CLOSED')).param ?? '', /^404/);

    alice.forget();
    bob.forget();
    alice.command('dial', `sip:bob@${lab.domain}`);
    await alice.event('CALL_RINGING');
    alice.command('hangup');
    await bob.event('CALL_CLOSED');
    await alice.quit();
    await bob.quit();
  });
});
