/** Phones on an independent SIP stack (npm `sip`): registration, calls both ways, refusals. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startLab, type Lab } from './support/lab.ts';
import { startNpmSipPhone, type NpmSipPhone } from './support/npm-sip-phone.ts';
import { until } from './support/wait.ts';

describe('phones on npm sip', () => {
  let lab: Lab;
  const phones: NpmSipPhone[] = [];
  before(async () => {
    lab = await startLab({ adapters: 2 });
  });
  after(async () => {
    for (const phone of phones) phone.close();
    await lab.stop();
  });

  function phone(user: string, k: number, transport: 'udp' | 'tcp', password = `${user}pw`) {
    const made = startNpmSipPhone({
      user,
      password,
      domain: lab.domain,
      address: `127.0.0.${90 + phones.length}`,
      port: 5060,
      box: `127.0.0.${10 + k}`,
      transport,
    });
    phones.push(made);
    return made;
  }

  for (const transport of ['udp', 'tcp'] as const) {
    test(`register, call from box 1 to box 2 and hang up, over ${transport}`, async () => {
      const [caller, callee] = transport === 'udp' ? ['alice', 'bob'] : ['carol', 'dave'];
      const a = phone(caller, 1, transport);
      const b = phone(callee, 2, transport);
      assert.equal(await a.register(300), 200);
      assert.equal(await b.register(300), 200);
      assert.equal(await a.call(`${callee}@${lab.domain}`), 200);
      assert.equal(b.callerSeen(), `sip:${caller}@${lab.domain}`);
      await until('the ACK is there', () => b.requests.includes('ACK'), 3000);
      assert.equal(await a.hangUp(), 200);
      assert.deepEqual(
        b.requests.filter((method) => method !== 'OPTIONS'),
        ['INVITE', 'ACK', 'BYE'],
      );
      // And the other way round, hung up by the side that was called.
      assert.equal(await b.call(`${caller}@${lab.domain}`), 200);
      await until('the ACK is there', () => a.requests.includes('ACK'), 3000);
      assert.equal(await a.hangUp(), 200);
      assert.ok(b.requests.filter((method) => method === 'BYE').length === 2);
      assert.equal(await b.register(0), 200);
      assert.equal(await a.call(`${callee}@${lab.domain}`), 480);
    });
  }

  test('a wrong password is refused', async () => {
    const status = await phone('alice', 2, 'udp', 'wrong').register(300);
    assert.ok(status === 401 || status === 403, String(status));
  });

  test('nobody of that name is 404', async () => {
    const a = phone('alice', 1, 'udp');
    assert.equal(await a.register(300), 200);
    assert.equal(await a.call(`nobody@${lab.domain}`), 404);
  });
});
