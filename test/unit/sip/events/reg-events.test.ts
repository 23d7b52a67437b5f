import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Decode } from '../../../../src/base/text.ts';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import type { SipRequest, SipResponse } from '../../../../src/sip/message/message.ts';
import {
  type FakePhone,
  type Rig,
  credentials,
  domain,
  message,
  register,
  uriOf,
} from '../core/rig.ts';
import { createGruuRig } from '../gruu/support.ts';

const aor = `alice@${domain}`;
const uri = `sip:${aor}`;

interface Parts {
  readonly uri?: string;
  readonly headers?: readonly string[];
  readonly expires?: number;
  readonly to?: string;
  readonly cseq?: number;
  readonly login?: string;
  readonly callId?: string;
}

let serial = 0;

function createEventRig(): Rig {
  return createGruuRig(() => ({ settings: defaultSipSettings }));
}

function subscribe(phone: FakePhone, parts: Parts = {}): SipResponse {
  const login = parts.login ?? 'alice';
  const callId = parts.callId ?? `sub-${String(++serial)}`;
  const target = parts.uri ?? uri;
  const cseq = parts.cseq ?? 1;
  const send = (add: number, headers: readonly string[]): SipResponse => {
    phone.send(
      message(phone, {
        method: 'SUBSCRIBE',
        uri: target,
        from: `<sip:${login}@${domain}>;tag=watcher`,
        to: parts.to ?? `<${uri}>`,
        callId,
        cseq: cseq + add,
        headers: [
          `Contact: <sip:${login}@${phone.flow.remote.address}:5062>`,
          ...(parts.headers ?? ['Event: reg;id=7', 'Accept: application/reginfo+xml']),
          ...(parts.expires === undefined ? [] : [`Expires: ${String(parts.expires)}`]),
          ...headers,
        ],
      }),
    );
    const answer = phone.take();
    assert.ok(answer.kind === 'response');
    return answer;
  };
  const asked = send(0, []);
  if (asked.status !== 401) return asked;
  const challenge = asked.header('WWW-Authenticate') ?? '';
  const proof = credentials(challenge, login, `${login}pw`, 'SUBSCRIBE', target);
  return send(1, [`Authorization: ${proof}`]);
}

function notified(phone: FakePhone, status = 200): { notify: SipRequest; xml: string } {
  const notify = phone.request('NOTIFY');
  assert.equal(notify.header('Content-Type'), 'application/reginfo+xml');
  phone.reply(notify, status);
  return { notify, xml: utf8Decode(notify.body) ?? '' };
}

test('a user sees its own registrations, at once and when they change', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  const other = rig.phone('192.0.2.11');
  register(phone, 'alice', { callId: 'a & b' });
  const answer = subscribe(phone);
  assert.equal(answer.status, 200);
  assert.equal(answer.header('Expires'), '3761');
  assert.equal(uriOf(answer.header('Contact')), 'sip:192.0.2.1:5060');

  const first = notified(phone);
  assert.equal(first.notify.header('Event'), 'reg;id=7');
  assert.equal(first.notify.header('Subscription-State'), 'active;expires=3761');
  assert.equal(first.notify.to.tag, 'watcher');
  assert.equal(first.notify.from.tag, answer.to.tag);
  assert.equal(first.notify.callId, answer.callId);
  assert.equal(first.notify.uri, 'sip:alice@192.0.2.10:5062');
  assert.match(first.xml, /<reginfo [^>]*version="0" state="full">/);
  assert.match(first.xml, new RegExp(`<registration aor="${uri}" id="[0-9a-f]+" state="active">`));
  assert.match(
    first.xml,
    /state="active" event="registered" expires="3600" q="1\.000" callid="a &amp; b"/,
  );
  assert.match(first.xml, /<uri>sip:alice@192\.0\.2\.10:5062<\/uri>/);

  rig.clock.advance(10_000);
  register(other, 'alice', {
    contacts: ['<sip:alice@192.0.2.11>;q=0.5;+sip.instance="<urn:uuid:1>"'],
    headers: ['Supported: gruu'],
  });
  rig.clock.advance(100);
  const second = notified(phone);
  assert.match(second.xml, /version="1"/);
  assert.equal(second.xml.match(/<contact /g)?.length, 2);
  assert.match(second.xml, /event="refreshed" expires="3590"/);
  assert.match(second.xml, /event="registered" expires="3600" q="0\.500"/);
  assert.match(second.xml, /<unknown-param name="\+sip\.instance">&quot;&lt;urn:uuid:1&gt;&quot;</);
  assert.match(second.xml, /<gr:pub-gruu uri="sip:alice@lab\.example;gr=[^"]+"\/>/);
  assert.ok(second.notify.cseq.number > first.notify.cseq.number);

  // A mere refresh is no news.
  rig.clock.advance(10_000);
  register(phone, 'alice', { callId: 'a & b' });
  rig.clock.advance(6000);
  assert.equal(phone.waiting, 0);
});

test('contacts that went are told once, with the reason', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10', 'tcp');
  const other = rig.phone('192.0.2.11');
  register(phone, 'alice');
  register(other, 'alice', { headers: ['Expires: 60'] });
  subscribe(phone);
  notified(phone);
  rig.clock.advance(61_000);
  const expired = notified(phone).xml;
  assert.match(
    expired,
    /state="terminated" event="expired" q=[^>]*>\n<uri>sip:alice@192\.0\.2\.11/,
  );
  assert.equal(expired.match(/state="active"/g)?.length, 2, 'the registration and one contact');

  register(phone, 'alice', { headers: ['Expires: 0'] });
  rig.clock.advance(5100);
  const last = notified(phone).xml;
  assert.match(last, /<registration [^>]*state="terminated">/);
  assert.match(last, /event="unregistered"/);
  assert.doesNotMatch(last, /expired/);

  register(phone, 'alice');
  rig.clock.advance(6000);
  assert.match(notified(phone).xml, /event="registered"/);
  rig.location.removeAll(aor);
  rig.clock.advance(6000);
  assert.match(notified(phone).xml, /event="deactivated"/);
});

test('a user without phones is told so', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  subscribe(phone);
  assert.match(notified(phone).xml, /<registration [^>]*state="init">\n<\/registration>/);
});

test('only the user itself may look, and only who proves it', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.20');
  phone.send(message(phone, { method: 'SUBSCRIBE', uri, headers: ['Event: reg'] }));
  assert.match(phone.response(401).header('WWW-Authenticate') ?? '', /^Digest/);
  assert.equal(subscribe(phone, { login: 'bob' }).status, 403);
  rig.clock.advance(10_000);
  assert.equal(phone.waiting, 0);
});

test('changes in a row are one document', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  subscribe(phone);
  notified(phone);
  for (const host of ['192.0.2.11', '192.0.2.12', '192.0.2.13']) register(rig.phone(host), 'alice');
  rig.clock.advance(4900);
  assert.equal(phone.waiting, 0);
  rig.clock.advance(200);
  assert.equal(notified(phone).xml.match(/<contact /g)?.length, 3);
  rig.clock.advance(20_000);
  assert.equal(phone.waiting, 0);
});

test('a subscription is refreshed, ended, and runs out', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  const callId = 'lasting';
  const opened = subscribe(phone, { callId, expires: 600 });
  notified(phone);
  const to = opened.header('To') ?? '';
  const contact = uriOf(opened.header('Contact'));
  rig.clock.advance(300_000);
  const refreshed = subscribe(phone, { callId, expires: 600, to, uri: contact, cseq: 10 });
  assert.equal(refreshed.status, 200);
  assert.equal(notified(phone).notify.header('Subscription-State'), 'active;expires=600');
  const stale = subscribe(phone, { callId, expires: 600, to, uri: contact, cseq: 2 });
  assert.equal(stale.status, 500);
  assert.equal(subscribe(phone, { callId, to, uri: contact, cseq: 20, login: 'bob' }).status, 403);
  rig.clock.advance(599_900);
  assert.equal(phone.waiting, 0);
  rig.clock.advance(200);
  assert.equal(notified(phone).notify.header('Subscription-State'), 'terminated;reason=timeout');
  assert.equal(subscribe(phone, { callId, to, uri: contact, cseq: 30 }).status, 481);

  const second = subscribe(phone, { callId: 'short' });
  notified(phone);
  const end = { callId: 'short', to: second.header('To') ?? '', uri: contact, cseq: 10 };
  assert.equal(subscribe(phone, { ...end, expires: 0 }).status, 200);
  assert.match(notified(phone).notify.header('Subscription-State') ?? '', /^terminated/);
  register(phone, 'alice');
  rig.clock.advance(10_000);
  assert.equal(phone.waiting, 0);
});

test('a fetch is told once', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  assert.equal(subscribe(phone, { expires: 0 }).status, 200);
  const { notify } = notified(phone);
  assert.equal(notify.header('Subscription-State'), 'terminated;reason=timeout');
});

test('who does not want to hear any more is not told', () => {
  for (const end of [481, 'silence', 'gone'] as const) {
    const rig = createEventRig();
    const phone = rig.phone('192.0.2.10', 'tcp');
    subscribe(phone);
    if (end === 481) notified(phone, 481);
    else if (end === 'silence') rig.clock.advance(40_000);
    else notified(phone);
    if (end === 'gone') phone.drop();
    while (phone.waiting > 0) phone.take();
    register(rig.phone('192.0.2.11'), 'alice');
    rig.clock.advance(10_000);
    assert.equal(phone.waiting, 0, String(end));
  }
});

test('a phone that is only busy is told of the next change', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10', 'tcp');
  subscribe(phone);
  notified(phone, 503);
  register(rig.phone('192.0.2.11'), 'alice');
  rig.clock.advance(10_000);
  assert.match(notified(phone).xml, /version="1"/);
});

test('[S3261-10.3-01] what cannot be served is refused by its name', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  const event = 'Event: reg';
  assert.equal(subscribe(phone, { headers: [event, 'Accept: application/pidf+xml'] }).status, 406);
  assert.equal(subscribe(phone, { headers: [event], expires: 59 }).header('Min-Expires'), '60');
  const strange = subscribe(phone, { headers: [event, 'Require: foo'] });
  assert.equal(strange.status, 420);
  assert.equal(strange.header('Unsupported'), 'foo');
  assert.equal(subscribe(phone, { headers: [event, 'Expires: soon'] }).status, 400);
  const second = [event, 'Contact: <sip:alice@192.0.2.99>'];
  assert.equal(subscribe(phone, { headers: second }).status, 400);
  assert.equal(
    subscribe(phone, { headers: [event, 'Accept: */*'], expires: 99_999 }).header('Expires'),
    '7200',
  );
});

test('[S6665-8.2.1-01] subscriptions to other events go to the phone unchanged', () => {
  const rig = createGruuRig();
  const phone = rig.phone('192.0.2.10');
  const watcher = rig.phone('192.0.2.20');
  register(phone, 'alice');
  const headers = [
    'Event: foo;id=1',
    'Allow-Events: foo, bar',
    'Contact: <sip:bob@192.0.2.20:5062>',
  ];
  watcher.send(message(watcher, { method: 'SUBSCRIBE', uri, to: `<${uri}>`, headers }));
  const got = phone.request('SUBSCRIBE');
  assert.equal(got.header('Event'), 'foo;id=1');
  assert.equal(got.header('Allow-Events'), 'foo, bar');
  phone.reply(got, 200, { contact: 'sip:alice@192.0.2.10:5062' });
  const ok = watcher.response(200);
  const routes = got.values('Record-Route').map((route) => `Route: ${route}`);
  phone.send(
    message(phone, {
      method: 'NOTIFY',
      uri: 'sip:bob@192.0.2.20:5062',
      from: ok.header('To') ?? '',
      to: ok.header('From') ?? '',
      headers: [...routes, 'Event: foo;id=1', 'Subscription-State: pending;expires=9;foo=bar'],
    }),
  );
  const notify = watcher.request('NOTIFY');
  assert.equal(notify.header('Event'), 'foo;id=1');
  assert.equal(notify.header('Subscription-State'), 'pending;expires=9;foo=bar');
});

test('subscriptions of one user, and in all, are bounded', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  const statuses = Array.from({ length: 18 }, () => {
    const { status } = subscribe(phone);
    if (phone.waiting > 0) notified(phone);
    return status;
  });
  assert.deepEqual(new Set(statuses.slice(0, 16)), new Set([200]));
  assert.deepEqual(statuses.slice(16), [503, 503]);
});

test('subscriptions and notifications are counted', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10', 'tcp');
  const count = (name: string, result: string): number => rig.trace.count(name, result);
  assert.equal(rig.trace.gaugeOf('sip_reg_subscriptions'), 0);
  subscribe(phone);
  notified(phone);
  subscribe(phone, { headers: ['Event: reg', 'Require: foo'] });
  assert.deepEqual(
    [
      count('sip_subscriptions_total', 'accepted'),
      count('sip_subscriptions_total', 'rejected'),
      count('sip_notifies_total', 'sent'),
      count('sip_notifies_total', 'failed'),
      rig.trace.gaugeOf('sip_reg_subscriptions'),
    ],
    [1, 1, 1, 0, 1],
  );
  register(rig.phone('192.0.2.11'), 'alice');
  rig.clock.advance(10_000);
  notified(phone, 481);
  assert.equal(count('sip_notifies_total', 'failed'), 1);
  assert.equal(rig.trace.gaugeOf('sip_reg_subscriptions'), 0);
});

test('the Contact of the notifier says by which transport it is reached', () => {
  for (const [transport, expected] of [
    ['udp', ''],
    ['tcp', ';transport=tcp'],
    ['tls', ';transport=tls'],
    ['ws', ';transport=ws'],
    ['wss', ';transport=ws'],
  ] as const) {
    const phone = createEventRig().phone('192.0.2.10', transport);
    const answer = subscribe(phone);
    const contact = `sip:192.0.2.1:5060${expected}`;
    assert.equal(uriOf(answer.header('Contact')), contact);
    assert.equal(uriOf(notified(phone).notify.header('Contact')), contact);
  }
});

test('a NOTIFY goes the way that the SUBSCRIBE has recorded', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  const headers = ['Event: reg', 'Record-Route: <sip:one.example;lr>, <sip:two.example;lr>'];
  subscribe(phone, { headers });
  const { notify } = notified(phone);
  assert.deepEqual(notify.values('Route'), ['<sip:one.example;lr>', '<sip:two.example;lr>']);
});

test('a change while a NOTIFY is under way is told after its answer, not before five seconds', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10', 'tcp');
  subscribe(phone);
  const slow = phone.request('NOTIFY');
  register(rig.phone('192.0.2.11'), 'alice');
  rig.clock.advance(8_000);
  assert.equal(phone.waiting, 0);
  phone.reply(slow, 200);
  rig.clock.advance(49);
  assert.equal(phone.waiting, 0, 'phones often register two contacts at once');
  rig.clock.advance(1);
  assert.match(notified(phone).xml, /version="1"/);
  register(rig.phone('192.0.2.12'), 'alice');
  rig.clock.advance(4_999);
  assert.equal(phone.waiting, 0);
  rig.clock.advance(1);
  assert.match(notified(phone).xml, /version="2"/);
});

test('a stopping server notifies nobody any more', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  subscribe(phone, { expires: 600 });
  notified(phone);
  rig.server.stop(() => undefined);
  assert.equal(rig.trace.gaugeOf('sip_reg_subscriptions'), 0);
  rig.location.removeAll(aor);
  rig.clock.advance(700_000);
  assert.equal(phone.waiting, 0);
});

test('a repeated or older SUBSCRIBE inside a subscription is refused', () => {
  const rig = createEventRig();
  const phone = rig.phone('192.0.2.10');
  const opened = subscribe(phone, { callId: 'same', cseq: 5 });
  notified(phone);
  const to = opened.header('To') ?? '';
  assert.equal(subscribe(phone, { callId: 'same', to, cseq: 4 }).status, 500, 'its number is 6');
  assert.equal(subscribe(phone, { callId: 'same', to, cseq: 5 }).status, 500);
  assert.equal(subscribe(phone, { callId: 'same', to, cseq: 6 }).status, 200);
  notified(phone);
});
