/** A phone with two flows (RFC 5626) and its GRUUs (RFC 5627), called from another box. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { completeCall, startPhone, type Phone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';
import { sleep, until } from './support/wait.ts';

describe('baresip with sipnat=outbound', { skip: without('baresip') }, () => {
  let lab: Lab;
  let alice: Phone;
  let bob: Phone;
  const phones: Phone[] = [];

  before(async () => {
    lab = await startLab({ adapters: 2 });
    const account = (user: string, k: number, port: number, more: string): Promise<Phone> =>
      startPhone({
        user,
        password: `${user}pw`,
        domain: lab.domain,
        proxy: `127.0.0.${String(10 + k)}:5060`,
        transport: 'udp',
        port,
        accountParameters: more,
      });
    alice = await account('alice', 1, 7200, '');
    phones.push(alice);
    bob = await account(
      'bob',
      2,
      7204,
      ';sipnat=outbound;outbound2="sip:127.0.0.12:5060;transport=tcp"',
    );
    phones.push(bob);
    for (const phone of phones) await phone.registered();
  });
  after(async () => {
    for (const phone of phones) phone.kill();
    await lab.stop();
  });

  async function bindingsOfBob(): Promise<number> {
    const { registrations } = (await lab.status(2)) as {
      registrations: { aor: string; bindings: number }[];
    };
    return registrations.find(({ aor }) => aor === `bob@${lab.domain}`)?.bindings ?? 0;
  }

  async function counter(k: number, line: RegExp): Promise<number> {
    const text = await (await lab.get(k, '/metrics')).text();
    return Number(line.exec(text)?.[1] ?? 0);
  }

  /** The GRUUs of the last 200 to a REGISTER. */
  function gruus(): { pub: string; temp: string } {
    const log = bob.log();
    return {
      pub: [...log.matchAll(/pub-gruu="([^"]+)"/g)].at(-1)?.[1] ?? '',
      temp: [...log.matchAll(/temp-gruu="([^"]+)"/g)].at(-1)?.[1] ?? '',
    };
  }

  test('both flows are registered, and told that outbound is applied', async () => {
    await until('two bindings', async () => (await bindingsOfBob()) === 2);
    assert.match(bob.log(), /reg-id=1/);
    assert.match(bob.log(), /reg-id=2/);
    assert.ok((bob.log().match(/^Require: outbound/gm)?.length ?? 0) >= 2);
  });

  test('[R7904-6-02] calls to the public and to the temporary GRUU reach that phone', async () => {
    // The first connection between the boxes is made for the destination list of the GRUU.
    const { pub, temp } = gruus();
    assert.match(pub, /^sip:bob@lab\.example;gr=/);
    assert.match(temp, /^sip:anonymous@lab\.example;gr=/);
    for (const gruu of [pub, temp]) await completeCall(alice, bob, gruu, 'caller');
  });

  test('STUN keep-alives on the SIP port are answered', async () => {
    await until(
      'an answer',
      async () => (await counter(2, /^chordial_sip_stun_answers_total(?:\{[^}]*\})? (\d+)/m)) > 0,
      15_000,
    );
    await sleep(2000);
    assert.doesNotMatch(bob.log(), /flow.*(?:failed|timeout)/i);
    assert.equal(await bindingsOfBob(), 2);
  });

  test('a call rings once, and goes on over its flow', async () => {
    const before = bob.events.length;
    await completeCall(alice, bob, `sip:bob@${lab.domain}`, 'callee');
    const since = bob.events.slice(before);
    assert.equal(since.filter(({ type }) => type === 'CALL_INCOMING').length, 1);
  });

  test('the phone calls with its GRUU as Contact, and the caller hangs up on it', async () => {
    await completeCall(bob, alice, `sip:alice@${lab.domain}`, 'callee');
    const invites = bob.log().split(/^INVITE /m);
    assert.match(invites.at(-1) ?? '', /^Contact: <sip:[^>]*;gr=[^>]*>/m);
  });

  test('when the phone has gone its temporary GRUU is unknown and the public one waits', async () => {
    const { pub, temp } = gruus();
    await bob.quit();
    await until('no binding', async () => (await bindingsOfBob()) === 0);
    for (const [gruu, status] of [
      [temp, /404/],
      [pub, /480/],
    ] as const) {
      alice.forget();
      alice.command('dial', gruu);
      const closed = await alice.event('CALL_CLOSED');
      assert.match(closed.param ?? '', status);
    }
  });
});
