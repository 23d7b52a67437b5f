/** What the callee sees of the caller, and who may say it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { completeCall, startPhone, type Phone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';

describe('a phone that knows nothing but an address', { skip: without('baresip') }, () => {
  let lab: Lab;
  const phones: Phone[] = [];
  before(async () => {
    lab = await startLab({ adapters: 2 });
  });
  after(async () => {
    for (const phone of phones) phone.kill();
    await lab.stop();
  });

  test('registers, calls, and is shown under its canonical identity; calling back works', async () => {
    const alice = await startPhone({
      user: 'alice',
      password: 'alicepw',
      domain: '127.0.0.11',
      proxy: '127.0.0.11:5060',
      transport: 'udp',
      port: 7400,
    });
    const bob = await startPhone({
      user: 'bob',
      password: 'bobpw',
      domain: '127.0.0.12',
      proxy: '127.0.0.12:5060',
      transport: 'udp',
      port: 7404,
    });
    phones.push(alice, bob);
    await alice.registered();
    await bob.registered();
    const incoming = await completeCall(alice, bob, 'sip:bob@127.0.0.11', 'caller');
    assert.equal(incoming.peeruri, `sip:alice@${lab.domain}`);
    const back = await completeCall(bob, alice, incoming.peeruri ?? '', 'callee');
    assert.equal(back.peeruri, `sip:bob@${lab.domain}`);
    await alice.quit();
    await bob.quit();
  });
});
