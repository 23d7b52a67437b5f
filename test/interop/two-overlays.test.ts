/** Two overlays of different domains find each other by DNS (RFC 3263): phones call, text and hang up. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type DnsServer, startDnsServer } from '../integration/dns-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { completeCall, startPhone, type Phone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';

describe('two overlays with a DNS between them', { skip: without('baresip') }, () => {
  let dns: DnsServer;
  let here: Lab;
  let there: Lab;
  const phones: Phone[] = [];

  before(async () => {
    dns = await startDnsServer(
      {
        naptr: {
          'there.example': [
            {
              order: 10,
              preference: 10,
              flags: 's',
              service: 'SIP+D2T',
              regexp: '',
              replacement: '_sip._tcp.there.example',
            },
          ],
        },
        srv: {
          '_sip._tcp.there.example': [
            // Nobody listens at the first one.
            { priority: 1, weight: 1, port: 5060, target: 'gone.there.example' },
            { priority: 2, weight: 1, port: 5060, target: 'box.there.example' },
          ],
          '_sip._udp.here.example': [
            { priority: 1, weight: 1, port: 5060, target: 'box.here.example' },
          ],
        },
        a: {
          'gone.there.example': ['127.0.0.99'],
          'box.there.example': ['127.0.0.61'],
          'box.here.example': ['127.0.0.11'],
        },
      },
      '127.0.0.5',
      5353,
    );
    const config = join(temporaryFolder('chordial-two'), 'dns.json');
    writeFileSync(config, JSON.stringify({ sip: { dnsServers: [dns.address] } }));
    const both = { config, readyWithinMs: 120_000 };
    here = await startLab({ ...both, adapters: 1, domain: 'here.example' });
    there = await startLab({ ...both, adapters: 2, domain: 'there.example', base: 60 });
  });
  after(async () => {
    for (const phone of phones) phone.kill();
    await Promise.all([here.stop(), there.stop()]);
    await dns.close();
  });

  async function phone(user: string, lab: Lab, box: string, port: number): Promise<Phone> {
    const started = await startPhone({
      user,
      password: `${user}pw`,
      domain: lab.domain,
      proxy: `${box}:5060`,
      transport: 'udp',
      port,
    });
    phones.push(started);
    await started.registered();
    return started;
  }

  test('a call each way, over TCP after a dead first server and over UDP, each side hangs up', async () => {
    const alice = await phone('alice', here, '127.0.0.11', 7400);
    // bob's phone is at another box than the one the DNS names.
    const bob = await phone('bob', there, '127.0.0.62', 7410);
    const incoming = await completeCall(alice, bob, 'sip:bob@there.example', 'caller');
    assert.match(incoming.peeruri ?? '', /^sip:alice@here\.example/);
    await completeCall(alice, bob, 'sip:bob@there.example', 'callee');
    await completeCall(bob, alice, 'sip:alice@here.example', 'callee');
    assert.ok(dns.questions.includes('NAPTR there.example'));
    assert.ok(dns.questions.includes('SRV _sip._tcp.there.example'));
    assert.ok(dns.questions.includes('SRV _sip._udp.here.example'));
  });
});
