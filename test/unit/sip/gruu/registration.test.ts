import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import {
  type FakePhone,
  type Rig,
  credentials,
  domain,
  message,
  register,
  uriOf,
} from '../core/rig.ts';
import { createGruuRig, gruusOf } from './support.ts';

const instance = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"';
const supported = ['Supported: gruu, path, outbound'];

function contact(phone: FakePhone, more = ''): string {
  return `<sip:bob@${phone.flow.remote.address}:5062>;+sip.instance=${instance}${more}`;
}

function registerBob(phone: FakePhone, parts: Parameters<typeof register>[2] = {}): SipResponse {
  const contacts = [contact(phone)];
  const answer = register(phone, 'bob', { contacts, headers: supported, ...parts });
  assert.equal(answer.status, 200);
  return answer;
}

let calls = 0;

/** Calls a URI over TCP: the phone, when it got the INVITE, else the status that came back. */
function call(rig: Rig, uri: string, phone: FakePhone): FakePhone | number {
  const caller = rig.phone('192.0.2.10', 'tcp', 'lan', 7000 + ++calls);
  caller.send(message(caller, { uri, callId: `call-${String(calls)}` }));
  if (phone.waiting === 0) return final(caller).status;
  phone.reply(phone.request('INVITE'), 486);
  phone.request('ACK');
  return phone;
}

function final(phone: FakePhone): SipResponse {
  for (;;) {
    const answer = phone.take();
    assert.ok(answer.kind === 'response');
    if (answer.status >= 200) return answer;
  }
}

test('[S5627-5.2-01] [S5627-5.2-02] GRUUs stand beside the instance, for those who know them', () => {
  const rig = createGruuRig();
  const phone = rig.phone('192.0.2.20');
  const without = registerBob(phone, { headers: [] });
  assert.doesNotMatch(without.header('Contact') ?? '', /gruu/);
  const answer = registerBob(phone);
  const value = answer.header('Contact') ?? '';
  assert.match(
    value,
    /;\+sip\.instance="<urn:uuid:[^"]*>";pub-gruu="sip:bob@lab\.example;gr=[^"]+";temp-gruu="sip:[^"]+;gr=[^"]+"/,
  );
  assert.doesNotMatch(answer.header('Require') ?? '', /gruu/);
  assert.doesNotMatch(answer.header('Supported') ?? '', /gruu/);
  const plain = rig.phone('192.0.2.21');
  const both = register(plain, 'bob', { headers: supported }).values('Contact');
  assert.equal(
    both.filter((v) => v.includes('pub-gruu')).length,
    1,
    'a contact without instance has none',
  );
});

test('[S5627-5.1-02] the public GRUU outlives the registration, and another server keeps it', () => {
  const rig = createGruuRig();
  const phone = rig.phone('192.0.2.20');
  const first = gruusOf(registerBob(phone)).pub;
  rig.clock.advance(4_000_000);
  assert.equal(rig.location.bindingCount, 0);
  assert.equal(gruusOf(registerBob(phone, { callId: 'other' })).pub, first);
  const restarted = createGruuRig();
  assert.equal(gruusOf(registerBob(restarted.phone('192.0.2.20'))).pub, first);
});

test('[S5627-5.1-03] GRUUs that a phone states are ignored', () => {
  const rig = createGruuRig();
  const phone = rig.phone('192.0.2.20');
  const { pub, temp } = gruusOf(registerBob(phone));
  const forged = ';pub-gruu="sip:alice@lab.example;gr=x";temp-gruu="sip:t@lab.example;gr=y"';
  const answer = registerBob(phone, { contacts: [contact(phone, forged)] });
  const now = gruusOf(answer);
  assert.equal(now.pub, pub);
  assert.notEqual(now.temp, 'sip:t@lab.example;gr=y');
  assert.equal((answer.header('Contact') ?? '').split('pub-gruu').length, 2, 'only one');
  assert.notEqual(now.temp, temp);
  assert.doesNotMatch(
    registerBob(phone, { headers: [], contacts: [contact(phone, forged)] }).header('Contact') ?? '',
    /gruu/,
  );
});

test('[S5627-5.1-04] [S5627-5.1-05] [S5627-5.3-01] temporary GRUUs pile up until the Call-ID changes or the phone goes', () => {
  const rig = createGruuRig();
  const phone = rig.phone('192.0.2.20');
  const made = [1, 2, 3].map(() => gruusOf(registerBob(phone, { callId: 'first' })));
  assert.equal(new Set(made.map(({ temp }) => temp)).size, 3);
  for (const { temp } of made) assert.equal(call(rig, temp, phone), phone);

  const rebooted = gruusOf(registerBob(phone, { callId: 'second' }));
  for (const { temp } of made) assert.equal(call(rig, temp, phone), 404);
  assert.equal(call(rig, rebooted.temp, phone), phone);
  assert.equal(call(rig, rebooted.pub, phone), phone);

  registerBob(phone, { callId: 'second', contacts: [contact(phone, ';expires=0')] });
  assert.equal(call(rig, rebooted.temp, phone), 404);
  assert.equal(call(rig, rebooted.pub, phone), 480);
  // The same Call-ID again does not bring them back.
  rig.clock.advance(1000);
  registerBob(phone, { callId: 'second' });
  assert.equal(call(rig, rebooted.temp, phone), 404);
});

test('[S5627-5.1-05] each flow of outbound has its own Call-ID', () => {
  const rig = createGruuRig();
  const phone = rig.phone('192.0.2.20', 'tcp');
  const flow = (id: number, callId: string): string => {
    const contacts = [contact(phone, `;reg-id=${String(id)}`)];
    return gruusOf(registerBob(phone, { contacts, callId })).temp;
  };
  const first = flow(1, 'a');
  const second = flow(2, 'b');
  assert.equal(call(rig, first, phone), phone);
  assert.equal(call(rig, second, phone), phone);
  flow(2, 'c');
  assert.equal(call(rig, first, phone), 404);
  assert.equal(call(rig, second, phone), 404);
});

test('[S5627-6.1-01] [S5627-6.1-02] unknown GRUUs are 404, those of a phone that is away 480', () => {
  const rig = createGruuRig();
  const phone = rig.phone('192.0.2.20');
  const { pub } = gruusOf(registerBob(phone));
  const last = pub.at(-1) === '0' ? '1' : '0';
  assert.equal(call(rig, pub.slice(0, -1) + last, phone), 404);
  rig.clock.advance(4_000_000);
  assert.equal(call(rig, pub, phone), 480);
});

test('[S5627-6.1-03] a GRUU rings one phone, by its contact', () => {
  const rig = createGruuRig();
  const alice = rig.phone('192.0.2.10');
  const one = rig.phone('192.0.2.20');
  const other = rig.phone('192.0.2.21');
  const { pub, temp } = gruusOf(registerBob(one));
  register(other, 'bob', {
    contacts: ['<sip:bob@192.0.2.21:5062>;+sip.instance="<urn:uuid:2>"'],
    headers: supported,
  });
  for (const gruu of [pub, temp]) {
    alice.send(message(alice, { uri: gruu, callId: gruu.slice(-20) }));
    const invite = one.request('INVITE');
    assert.equal(invite.uri, 'sip:bob@192.0.2.20:5062');
    assert.equal(other.waiting, 0);
  }
});

test('[S5627-6.1-03] [S5626-5.3.1-04] a BYE to a GRUU reaches the phone of the dialog', () => {
  const rig = createGruuRig();
  const alice = rig.phone('192.0.2.10', 'tcp');
  const phone = rig.phone('192.0.2.20', 'tcp');
  const { temp } = gruusOf(registerBob(phone));
  alice.send(message(alice));
  const invite = phone.request('INVITE');
  phone.reply(invite, 200, { contact: temp });
  const ok = final(alice);
  assert.equal(uriOf(ok.header('Contact')), temp);
  const routes = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  for (const method of ['ACK', 'BYE']) {
    alice.send(
      message(alice, {
        method,
        cseq: method === 'ACK' ? 1 : 2,
        uri: temp,
        to: ok.header('To') ?? '',
        headers: routes,
      }),
    );
    const got = phone.request(method);
    assert.equal(got.uri, 'sip:bob@192.0.2.20:5062');
    if (method === 'BYE') phone.reply(got, 200);
  }
  assert.equal(final(alice).status, 200);
  phone.drop();
  alice.send(
    message(alice, {
      method: 'BYE',
      cseq: 3,
      uri: temp,
      to: ok.header('To') ?? '',
      headers: routes,
    }),
  );
  assert.equal(final(alice).status, 430);
});

test('[S5627-6.1-04] of several contacts of an instance the one refreshed last, the next after 408 or 430 only', () => {
  const rig = createGruuRig();
  const alice = rig.phone('192.0.2.10');
  const old = rig.phone('192.0.2.20');
  const fresh = rig.phone('192.0.2.21');
  registerBob(old, { callId: 'same', cseq: 1001 });
  rig.clock.advance(1000);
  const { pub } = gruusOf(registerBob(fresh, { callId: 'same', cseq: 1002 }));
  assert.equal(rig.location.bindings(`bob@${domain}`).length, 2);
  for (const status of [408, 430, 486]) {
    alice.send(message(alice, { uri: pub, callId: `after-${String(status)}` }));
    const invite = fresh.request('INVITE');
    assert.equal(old.waiting, 0);
    fresh.reply(invite, status);
    fresh.request('ACK');
    assert.equal(old.waiting, status === 486 ? 0 : 1);
    if (status !== 486) {
      old.reply(old.request('INVITE'), 486);
      old.request('ACK');
    }
    while (alice.waiting > 0) alice.take();
  }
});

test('[S5627-6.1-05] beside the routes of a dialog the stored Path does not count', () => {
  const rig = createGruuRig();
  const alice = rig.phone('192.0.2.10');
  const edge = rig.phone('192.0.2.30', 'tcp', 'lan', 5060);
  const { pub } = gruusOf(
    registerBob(edge, {
      contacts: [`<sip:bob@10.0.0.9>;+sip.instance=${instance}`],
      headers: [...supported, 'Path: <sip:token@192.0.2.30:5060;transport=tcp;lr;ob>'],
    }),
  );
  alice.send(message(alice, { uri: pub }));
  const invite = edge.request('INVITE');
  assert.equal(invite.uri, 'sip:bob@10.0.0.9');
  assert.match(invite.values('Route')[0] ?? '', /token@192\.0\.2\.30/);
  const [outer = ''] = invite.values('Record-Route');
  alice.send(
    message(alice, {
      method: 'UPDATE',
      cseq: 2,
      uri: pub,
      to: `<sip:bob@${domain}>;tag=callee`,
      headers: [`Route: ${outer}`, 'Route: <sip:dialog@192.0.2.30:5060;transport=tcp;lr>'],
    }),
  );
  const update = edge.request('UPDATE');
  assert.equal(update.uri, 'sip:bob@10.0.0.9');
  assert.deepEqual(update.values('Route'), ['<sip:dialog@192.0.2.30:5060;transport=tcp;lr>']);
});

test('[S5627-6.2-01] [S5627-6.2-02] the server stays in the dialog of a GRUU, and nobody uses that of another', () => {
  const rig = createGruuRig((deps) => ({
    settings: { ...deps.settings, auth: { ...deps.settings.auth, challengeRequests: true } },
  }));
  const alice = rig.phone('192.0.2.10', 'tcp');
  const phone = rig.phone('192.0.2.20');
  const own = gruusOf(
    register(alice, 'alice', {
      contacts: ['<sip:alice@192.0.2.10:5062>;+sip.instance="<urn:uuid:a>"'],
      headers: supported,
    }),
  );
  const foreign = gruusOf(
    registerBob(phone, { headers: [...supported, 'Path: <sip:192.0.2.20;lr>'] }),
  );
  const invite = (contactUri: string, cseq: number): void => {
    const headers = [`Contact: <${contactUri}>`, 'Record-Route: <sip:edge.example;lr>'];
    const callId = `gruu-${String(cseq)}`;
    alice.send(message(alice, { headers, cseq, callId }));
    const challenge = final(alice).header('Proxy-Authenticate') ?? '';
    alice.send(message(alice, { method: 'ACK', cseq, callId, to: `<sip:bob@${domain}>;tag=x` }));
    const login = credentials(challenge, 'alice', 'alicepw', 'INVITE', `sip:bob@${domain}`);
    alice.send(
      message(alice, {
        headers: [...headers, `Proxy-Authorization: ${login}`],
        cseq: cseq + 1,
        callId,
      }),
    );
  };
  let cseq = 1;
  for (const gruu of [foreign.pub, foreign.temp, `${own.pub}00`]) {
    invite(gruu, (cseq += 10));
    assert.equal(final(alice).reason, 'Contact Is Not Yours');
  }
  for (const gruu of [own.pub, own.temp]) {
    invite(gruu, (cseq += 10));
    const got = phone.request('INVITE');
    const routes = got.values('Record-Route');
    assert.match(routes[0] ?? '', /@192\.0\.2\.1:5060;lr/);
    assert.equal(routes.at(-1), '<sip:edge.example;lr>');
    assert.equal(uriOf(got.header('Contact')), gruu);
  }
});

test('[S5627-6.1-06] a redirect server proxies a request to a GRUU', () => {
  const rig = createGruuRig(() => ({
    listener: () => ({ algorithms: ['MD5'], role: 'redirect' }),
  }));
  const alice = rig.phone('192.0.2.10');
  const phone = rig.phone('192.0.2.20');
  const { pub } = gruusOf(registerBob(phone));
  alice.send(message(alice));
  assert.equal(alice.response(302).status, 302);
  alice.send(message(alice, { uri: pub, callId: 'to-gruu' }));
  phone.request('INVITE');
});

test('[S5627-5.1-01] a Contact that leads back here is 403', () => {
  const rig = createGruuRig();
  const phone = rig.phone('192.0.2.20');
  const { pub, temp } = gruusOf(registerBob(phone));
  for (const uri of [`sip:bob@${domain}`, pub, temp, 'mailto:bob@example.net']) {
    const contacts = [`<${uri}>;+sip.instance="<urn:uuid:9>"`];
    assert.equal(register(phone, 'bob', { contacts, headers: supported }).status, 403, uri);
  }
});
