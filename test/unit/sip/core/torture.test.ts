import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { success } from '../../../../src/base/outcome.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import type { Domains } from '../../../../src/sip/core/domains.ts';
import { type SipResponse, parseMessage } from '../../../../src/sip/message/message.ts';
import { createRegistrar } from '../../../../src/sip/registrar/registrar.ts';
import { type FakePhone, type Rig, createRig } from './rig.ts';

const examples: Domains = {
  canonical: 'example.com',
  servedDomain: (host) => (/(^|\.)example\.(com|org)$/i.test(host) ? 'example.com' : undefined),
  isSelf: (host) => /(^|\.)example\.com$|^127\./.test(host),
};

function read(name: string): Uint8Array {
  return readFileSync(new URL(`../../../vectors/rfc4475/${name}.dat`, import.meta.url));
}

/** Sends a message of RFC 4475 through a server that finds one phone for every address. */
function send(name: string): { rig: Rig; caller: FakePhone; callee: FakePhone } {
  const places: { callee?: FakePhone } = {};
  const rig = createRig(() => ({
    domains: examples,
    resolver: {
      resolve(_context, sink) {
        const phone = places.callee;
        assert.ok(phone !== undefined);
        sink.targets([
          {
            uri: 'sip:callee@192.0.2.20',
            q: 1000,
            route: [],
            side: 'phone',
            label: 'callee',
            open(done) {
              done(success(phone.flow));
              return () => undefined;
            },
          },
        ]);
        sink.done();
        return () => undefined;
      },
    },
  }));
  const caller = rig.phone('192.0.2.10');
  const callee = rig.phone('192.0.2.20');
  places.callee = callee;
  rig.server.receive(caller.flow, read(name));
  return { rig, caller, callee };
}

/** Registers a message of RFC 4475 as its own user. */
function registerAs(name: string, user: string): { answer: SipResponse; rig: Rig } {
  const rig = createRig();
  const registrar = createRegistrar({
    clock: rig.clock,
    trace: silentTrace,
    domains: examples,
    location: rig.location,
    settings: defaultSipSettings.registrar,
  });
  const parsed = parseMessage(read(name));
  assert.ok(parsed.ok && parsed.value.kind === 'request');
  const { flow } = rig.phone('192.0.2.10');
  const answers: SipResponse[] = [];
  const respond = (response: SipResponse): void => void answers.push(response);
  const aor = `${user}@example.com`;
  registrar.register({ request: parsed.value, flow, aor, toTag: 't', respond });
  assert.ok(answers[0] !== undefined);
  return { answer: answers[0], rig };
}

function contactsOf(answer: SipResponse): string[] {
  return answer.values('Contact').map((value) => value.replace(/;expires=\d+/, ''));
}

test('[S4475-3.1.1.4-01] escnull registers two contacts', () => {
  const { answer } = registerAs('escnull', 'null-\u0000-null');
  assert.deepEqual(contactsOf(answer), [
    '<sip:%00@host5.example.com>',
    '<sip:%00%00@host5.example.com>',
  ]);
});

test('[S4475-3.3.12-01] cparam01: the parameter belongs to the Contact', () => {
  const { answer } = registerAs('cparam01', 'watson');
  assert.deepEqual(contactsOf(answer), ['<sip:+19725552222@gw1.example.net>;unknownparam']);
});

test('[S4475-3.3.13-01] cparam02: the parameter belongs to the URI', () => {
  const { answer } = registerAs('cparam02', 'watson');
  assert.deepEqual(contactsOf(answer), ['<sip:+19725552222@gw1.example.net;unknownparam>']);
});

test('[S4475-3.3.14-01] regescrt keeps the escaped Route in the contact', () => {
  const { answer } = registerAs('regescrt', 'user');
  assert.deepEqual(contactsOf(answer), ['<sip:user@example.com?Route=%3Csip:sip.example.com%3E>']);
});

test('[S4475-3.1.1.8-01] dblreq registers and ignores what follows', () => {
  const { answer, rig } = registerAs('dblreq', 'j.user');
  assert.equal(answer.status, 200);
  assert.equal(rig.location.bindingCount, 1);
});

test('[S4475-3.1.2.13-01] regbadct is 400', () => {
  assert.equal(registerAs('regbadct', 'user').answer.status, 400);
});

test('[S4475-3.3.4-01] unksm2 is 400', () => {
  assert.equal(registerAs('unksm2', 'x').answer.status, 400);
});

test('[S4475-3.3.7-01] regaut01 gets a fresh challenge', () => {
  const { caller } = send('regaut01');
  assert.match(caller.response(401).header('WWW-Authenticate') ?? '', /^Digest /);
});

test('[S4475-3.3.2-01] [S4475-3.3.3-01] unkscm and novelsc are 416', () => {
  send('unkscm').caller.response(416);
  send('novelsc').caller.response(416);
});

test('[S4475-3.3.5-01] bext01 is 420 for the Proxy-Require tags', () => {
  const unsupported = send('bext01').caller.response(420).header('Unsupported') ?? '';
  assert.deepEqual(unsupported.split(/,\s*/), [
    'noProxiesSupportThis',
    'norDoAnyProxiesSupportThis',
  ]);
});

test('[S4475-3.1.1.1-01] [S4475-3.1.1.2-01] [S4475-3.1.1.7-01] [S4475-3.1.2.12-01] [S4475-3.3.6-01] [S4475-3.3.15-01] what only looks odd is forwarded', () => {
  for (const name of ['wsinv', 'intmeth', 'longreq', 'baddate', 'invut', 'sdp01', 'lwsdisp']) {
    const { callee } = send(name);
    const parsed = parseMessage(read(name));
    assert.ok(parsed.ok && parsed.value.kind === 'request', name);
    const copy = callee.request(parsed.value.method);
    assert.deepEqual(copy.body, parsed.value.body, name);
    assert.equal(copy.callId, parsed.value.callId);
    for (const [header] of parsed.value.allRows()) {
      assert.ok(header === 'Route' || copy.has(header), `${name}: ${header}`);
    }
    assert.equal(copy.header('Date'), parsed.value.header('Date'));
  }
});

test('[S4475-3.1.1.11-01] mpart01 is forwarded byte for byte', () => {
  const { callee } = send('mpart01');
  const parsed = parseMessage(read('mpart01'));
  assert.ok(parsed.ok);
  assert.deepEqual(callee.request('MESSAGE').body, parsed.value.body);
});

test('[S4475-3.4.1-01] inv2543 is forwarded with Max-Forwards added', () => {
  const { callee } = send('inv2543');
  assert.equal(callee.request('INVITE').header('Max-Forwards'), '70');
});

test('[S4475-3.1.2.11-01] escruri: the escaped header never travels on', () => {
  const { caller, callee } = send('escruri');
  if (callee.waiting === 0) {
    caller.response(400);
    return;
  }
  const copy = callee.request('INVITE');
  assert.equal(copy.uri, 'sip:callee@192.0.2.20');
  assert.equal(copy.has('Route'), false);
});

test('[S4475-3.1.1.5-01] esc02 is no REGISTER', () => {
  const { callee, rig } = send('esc02');
  const parsed = parseMessage(read('esc02'));
  assert.ok(parsed.ok && parsed.value.kind === 'request');
  if (callee.waiting > 0) callee.request(parsed.value.method);
  assert.equal(rig.location.bindingCount, 0);
});
