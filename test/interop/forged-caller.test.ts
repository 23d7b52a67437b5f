/** A member of the overlay that is no honest adapter: what it may say about callers, and where it may call. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { NodeId } from '../../src/base/ids.ts';
import { startLab, type Lab } from './support/lab.ts';
import { joinLab, type Member, type SipWire } from './support/member.ts';
import { startUdpPhone, type UdpPhone } from './support/udp-phone.ts';
import { sleep } from './support/wait.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

for (const callerPolicy of ['refuse', 'anonymise'] as const) {
  describe(`a hijacked member, callers that cannot be proved: ${callerPolicy}`, () => {
    let lab: Lab;
    let member: Member;
    let wire: SipWire;
    let alice: UdpPhone;
    let bob: UdpPhone;
    let serial = 0;

    before(async () => {
      const config = join(temporaryFolder('chordial-config'), 'lab.json');
      writeFileSync(config, JSON.stringify({ sip: { callerPolicy } }));
      lab = await startLab({ adapters: 2, config });
      member = await joinLab(lab, '127.0.0.60');
      bob = await phone('bob', 1);
      alice = await phone('alice', 2);
      wire = await member.connect(nodeOf(1));
    });
    after(async () => {
      bob.close();
      alice.close();
      await member.stop();
      await lab.stop();
    });

    function nodeOf(k: number): NodeId {
      return lab.adapters.find(({ adapter }) => adapter === k)?.nodeId as NodeId;
    }

    async function phone(user: string, k: number): Promise<UdpPhone> {
      const started = await startUdpPhone({
        user,
        password: `${user}pw`,
        domain: lab.domain,
        address: `127.0.0.${70 + k}`,
        box: `127.0.0.${10 + k}`,
      });
      assert.equal(await started.register(), 200);
      return started;
    }

    /** Lines of a request from the member, who says it is `from`. */
    function lines(
      method: string,
      uri: string,
      from: string,
      more: readonly string[] = [],
    ): string[] {
      return [
        `${method} ${uri} SIP/2.0`,
        'Max-Forwards: 70',
        `From: <${from}>;tag=member${serial++}`,
        `To: <${uri}>`,
        `Call-ID: member-${serial}`,
        `CSeq: 1 ${method}`,
        'Contact: <sip:member@127.0.0.60>',
        ...more,
      ];
    }

    const aliceUri = 'sip:alice@lab.example';
    const bobUri = 'sip:bob@lab.example';
    const strangerUri = 'sip:stranger@elsewhere.example';

    function invites(at: UdpPhone): string[] {
      return at.requests.filter((text) => text.startsWith('INVITE'));
    }

    test("somebody else's From is not believed", async () => {
      const status = await wire.request(
        lines('INVITE', bobUri, aliceUri, [`P-Asserted-Identity: <${aliceUri}>`]),
      );
      if (callerPolicy === 'refuse') {
        assert.equal(status, 403);
        assert.deepEqual(bob.requests, []);
      } else {
        assert.equal(status, 486);
        const [invite = ''] = invites(bob);
        assert.match(invite, /^From: .*<sip:anonymous@anonymous\.invalid>;tag=member/im);
        assert.doesNotMatch(invite, /P-Asserted-Identity/i);
        assert.doesNotMatch(invite.replace(/^Record-Route:.*$/gim, ''), /alice/);
      }
    });

    test('an assertion beside a foreign From is not believed either', async () => {
      const before = invites(bob).length;
      const status = await wire.request(
        lines('INVITE', bobUri, strangerUri, [`P-Asserted-Identity: <${aliceUri}>`]),
      );
      assert.equal(status, callerPolicy === 'refuse' ? 403 : 486);
      const later = invites(bob).slice(before);
      if (callerPolicy === 'refuse') assert.deepEqual(later, []);
      else assert.doesNotMatch(later[0] ?? '', /P-Asserted-Identity/i);
    });

    test('nobody registers over the overlay', async () => {
      const status = await wire.request(
        lines('REGISTER', 'sip:lab.example', bobUri).map((line) =>
          line.startsWith('To:') ? `To: <${bobUri}>` : line,
        ),
      );
      assert.equal(status, 403);
    });

    test('a call from elsewhere reaches phones of this box, and nothing beyond it', async () => {
      assert.equal(await wire.request(lines('INVITE', bobUri, strangerUri)), 486);
      assert.ok(invites(bob).at(-1)?.includes(strangerUri));

      assert.equal(await wire.request(lines('INVITE', aliceUri, strangerUri)), 480);
      assert.deepEqual(alice.requests, [], 'alice is at the other box');
      assert.equal(await wire.request(lines('INVITE', 'sip:nobody@lab.example', strangerUri)), 404);
    });

    test('no relay to places that the message names', async () => {
      const heard: string[] = [];
      const victim = createSocket('udp4', (bytes) => heard.push(bytes.toString('latin1')));
      await new Promise<void>((resolve) => victim.bind(0, '127.0.0.61', resolve));
      const place = `127.0.0.61:${victim.address().port}`;
      const node = `${nodeOf(2)}.node.invalid:5060`;
      const refused = [
        await wire.request(lines('INVITE', `sip:victim@${place}`, strangerUri)),
        await wire.request(lines('INVITE', bobUri, strangerUri, [`Route: <sip:${place};lr>`])),
        await wire.request(lines('INVITE', aliceUri, strangerUri, [`Route: <sip:${node};lr>`])),
        await wire.request(
          lines('INVITE', aliceUri, strangerUri, [
            `Route: <sip:127.0.0.11:5060;lr>, <sip:${node};lr>`,
          ]),
        ),
      ];
      assert.deepEqual(refused, [404, 403, 403, 403]);
      await sleep(100);
      assert.deepEqual(heard, []);
      assert.deepEqual(alice.requests, []);
      victim.close();
    });
  });
}
