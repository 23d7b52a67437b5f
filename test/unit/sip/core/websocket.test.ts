import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakePhone, MessageParts, Rig } from './rig.ts';
import { createRig, domain, message } from './rig.ts';

const invalid = 'df7jal23ls0d.invalid';

/** What a phone in a browser sends: it knows no address of its own (RFC 7118 §5). */
function fromBrowser(phone: FakePhone, parts: MessageParts): string {
  return message(phone, parts).replace(
    /(Via: SIP\/2\.0\/WSS? )[^;]*/,
    (_all, start: string) => start + invalid,
  );
}

function registeredBrowser(rig: Rig, transport: 'ws' | 'wss'): FakePhone {
  const browser = rig.phone('192.0.2.20', transport);
  const aor = `<sip:bob@${domain}>`;
  browser.send(
    fromBrowser(browser, {
      ...{ method: 'REGISTER', uri: `sip:${domain}`, from: `${aor};tag=r`, to: aor },
      headers: [`Contact: <sip:bob@${invalid};transport=ws>`],
    }),
  );
  assert.equal(browser.response(200).via.host, invalid);
  return browser;
}

function openRig(): Rig {
  return createRig((deps) => ({
    settings: {
      ...deps.settings,
      auth: { ...deps.settings.auth, challengeRegistrations: false },
    },
  }));
}

for (const transport of ['ws', 'wss'] as const) {
  test(`[S7118-5.2-01] ${transport}: Via and URIs name it; hosts under .invalid stand for the connection`, () => {
    const rig = openRig();
    const browser = registeredBrowser(rig, transport);
    const alice = rig.phone('192.0.2.10');
    alice.send(message(alice));
    alice.response(100);
    const invite = browser.request('INVITE');
    assert.equal(invite.uri, `sip:bob@${invalid};transport=ws`);
    assert.equal(invite.via.transport.toLowerCase(), transport);
    const routes = invite.values('Record-Route');
    assert.match(routes[0] ?? '', /;transport=ws/);
    // The answer of the browser, and what follows to its .invalid Contact.
    browser.reply(invite, 200, { contact: `sip:bob@${invalid};transport=ws` });
    const ok = alice.response(200);
    const route = [...ok.values('Record-Route')].reverse().map((value) => `Route: ${value}`);
    const inDialog = {
      ...{ uri: `sip:bob@${invalid};transport=ws`, to: ok.header('To') ?? '' },
      headers: route,
    };
    alice.send(message(alice, { ...inDialog, method: 'ACK' }));
    browser.request('ACK');
    // The other way: a request of the browser, and its answer by the connection.
    browser.send(
      fromBrowser(browser, {
        ...{ method: 'BYE', uri: 'sip:alice@192.0.2.10:5062', cseq: 9 },
        ...{ from: ok.header('To') ?? '', to: ok.header('From') ?? '' },
        headers: routes.map((value) => `Route: ${value}`),
      }),
    );
    alice.reply(alice.request('BYE'), 200);
    assert.equal(browser.response(200).via.host, invalid);
  });

  test(`[S7118-5.2-01] ${transport}: without the connection nobody looks for the host, the phone is away`, () => {
    const opened: string[] = [];
    const rig = createRig((deps) => ({
      settings: {
        ...deps.settings,
        auth: { ...deps.settings.auth, challengeRegistrations: false },
      },
      hops: {
        ...deps.hops,
        openRoute(uri, context, done) {
          opened.push(uri);
          return deps.hops.openRoute(uri, context, done);
        },
      },
    }));
    registeredBrowser(rig, transport).drop();
    const alice = rig.phone('192.0.2.10');
    alice.send(message(alice));
    alice.response(480);
    assert.deepEqual(opened, []);
  });
}
