import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import { formatSipDate } from '../../../../src/sip/registrar/sip-date.ts';
import { sipFailure } from '../../../../src/sip/core/failure.ts';
import type { LocationChange } from '../../../../src/sip/location/binding.ts';
import { createRig, credentials, domain, message, register, serverAddress } from '../core/rig.ts';

const aor = `alice@${domain}`;

function contacts(answer: { values(name: string): readonly string[] }): readonly string[] {
  return answer.values('Contact');
}

test('[S3261-10.3-19] [S3261-10.3-20] [S3261-10.3-12] [S3261-10.3-13] the 200 lists every binding with what is left of it', () => {
  const rig = createRig();
  const p1 = rig.phone('192.0.2.10');
  const p2 = rig.phone('192.0.2.11');
  register(p1, 'alice', { headers: ['Expires: 600'] });
  rig.clock.advance(100_000);
  const answer = register(p2, 'alice', {
    contacts: ['<sip:alice@192.0.2.11>;q=0.5;expires=86400;audio;methods="INVITE,BYE"'],
  });
  assert.deepEqual(contacts(answer), [
    '<sip:alice@192.0.2.10:5062>;expires=500',
    '<sip:alice@192.0.2.11>;audio;methods="INVITE,BYE";q=0.5;expires=3600',
  ]);
  assert.equal(answer.header('Date'), formatSipDate(rig.clock.wallMs()));
  const third = register(rig.phone('192.0.2.12'), 'alice');
  assert.ok(contacts(third).some((value) => value.endsWith('192.0.2.12:5062>;expires=3600')));
});

test('[S3261-10.3-09] a REGISTER without Contact only tells', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  register(phone, 'alice');
  const answer = register(phone, 'alice', { contacts: [] });
  assert.equal(answer.status, 200);
  assert.equal(contacts(answer).length, 1);
});

test('[S3261-10.2.2-01] expires=0 removes just that contact', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  register(phone, 'alice', { contacts: ['<sip:a@192.0.2.10>', '<sip:b@192.0.2.10>'] });
  const answer = register(phone, 'alice', { contacts: ['<sip:a@192.0.2.10>;expires=0'] });
  assert.deepEqual(contacts(answer), ['<sip:b@192.0.2.10>;expires=3600']);
});

test('[S3261-10.3-10] [S3261-10.3-11] the wildcard', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  register(phone, 'alice', { callId: 'same', cseq: 10 });
  const expires0 = ['Expires: 0'];
  assert.equal(register(phone, 'alice', { contacts: ['*'] }).status, 400);
  assert.equal(register(phone, 'alice', { contacts: ['*'], headers: ['Expires: 60'] }).status, 400);
  assert.equal(
    register(phone, 'alice', { contacts: ['*', '<sip:x@192.0.2.10>'], headers: expires0 }).status,
    400,
  );
  assert.equal(
    register(phone, 'alice', { contacts: ['*'], headers: expires0, callId: 'same', cseq: 10 })
      .status,
    500,
  );
  assert.equal(rig.location.bindings(aor).length, 1);
  const answer = register(phone, 'alice', {
    contacts: ['*'],
    headers: expires0,
    callId: 'same',
    cseq: 11,
  });
  assert.equal(answer.status, 200);
  assert.equal(contacts(answer).length, 0);
  assert.equal(rig.location.aorCount, 0);
});

test('[S3261-10.3-14] 423 for short intervals only', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const short = register(phone, 'alice', { headers: ['Expires: 59'] });
  assert.equal(short.status, 423);
  assert.equal(short.header('Min-Expires'), '60');
  assert.equal(register(phone, 'alice', { headers: ['Expires: 60'] }).status, 200);
  assert.equal(register(phone, 'alice', { headers: ['Expires: 0'] }).status, 200);
  const strict = createRig(() => ({
    settings: {
      ...defaultSipSettings,
      registrar: { ...defaultSipSettings.registrar, minExpiresS: 7200, maxExpiresS: 9000 },
    },
  }));
  assert.equal(
    register(strict.phone('192.0.2.10'), 'alice', { headers: ['Expires: 3600'] }).status,
    200,
  );
});

test('[S3261-10.2-01] a malformed interval counts as 3600, a huge one is cut', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const odd = register(phone, 'alice', { contacts: ['<sip:a@192.0.2.10>;expires=abc'] });
  assert.deepEqual(contacts(odd), ['<sip:a@192.0.2.10>;expires=3600']);
  const huge = register(phone, 'alice', { headers: ['Expires: 99999999999'] });
  assert.equal(huge.status, 200);
});

test('[S3261-10.3-15] [S3261-10.3-16] [S3261-10.3-17] known contacts are found by comparison, and order is kept per Call-ID', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const first = '<sip:%61lice@Host.example;a=1;b=2>';
  const again = '<sip:alice@host.example;b=2;a=1>';
  register(phone, 'alice', { contacts: [first], callId: 'x', cseq: 5 });
  assert.equal(register(phone, 'alice', { contacts: [again], callId: 'x', cseq: 5 }).status, 500);
  assert.equal(register(phone, 'alice', { contacts: [again], callId: 'x', cseq: 6 }).status, 200);
  assert.equal(register(phone, 'alice', { contacts: [again], callId: 'y', cseq: 1 }).status, 200);
  assert.equal(rig.location.bindings(aor).length, 1);
});

test('[S3261-8.2-01] [S3261-10.3-03] a REGISTER takes effect wholly or not at all', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  register(phone, 'alice', { contacts: ['<sip:a@192.0.2.10>'], callId: 'x', cseq: 5 });
  const mixed = ['<sip:new@192.0.2.10>', '<sip:a@192.0.2.10>'];
  assert.equal(register(phone, 'alice', { contacts: mixed, callId: 'x', cseq: 4 }).status, 500);
  assert.deepEqual(
    rig.location.bindings(aor).map((b) => b.contact),
    ['sip:a@192.0.2.10'],
  );
  const bad = ['<sip:new@192.0.2.10>', '<sip:b@192.0.2.10>;expires=5'];
  assert.equal(register(phone, 'alice', { contacts: bad }).status, 423);
  assert.equal(rig.location.bindings(aor).length, 1);
});

test('[S3261-10.3-08] the address of record is canonical whatever the phone writes', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const odd = `<sip:%61lice@LAB.Example;user=phone>`;
  assert.equal(register(phone, 'alice', { to: odd, from: `${odd};tag=1` }).status, 200);
  assert.equal(register(phone, 'alice', { host: serverAddress }).status, 200);
  assert.deepEqual([...rig.location.aors()], [aor]);
});

test('[S3261-10.3-06] a user may not register another', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const answer = register(phone, 'alice', { to: `<sip:bob@${domain}>` });
  assert.equal(answer.status, 403);
  assert.equal(rig.location.bindingCount, 0);
});

test('[S3261-10.3-07] an address of another domain in To is 404', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  assert.equal(register(phone, 'alice', { to: '<sip:alice@elsewhere.example>' }).status, 404);
});

test('[S3261-8.2.2.3-01] [S3840-6-02] unknown Require tags are 420', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const answer = register(phone, 'alice', { headers: ['Require: foo, path, pref'] });
  assert.equal(answer.status, 420);
  assert.equal(answer.header('Unsupported'), 'foo');
});

test('[S5626-6-04] [S5626-6-05] [S5626-6-06] [S5626-6-03] instance and reg-id are the key', () => {
  const rig = createRig();
  const p1 = rig.phone('192.0.2.10', 'tcp');
  const p2 = rig.phone('192.0.2.11', 'tcp');
  const contact = (host: string): string[] => [
    `<sip:alice@${host}>;+sip.instance="<urn:uuid:1>";reg-id=1`,
  ];
  const headers = ['Supported: path, outbound'];
  const first = register(p1, 'alice', { contacts: contact('10.0.0.1'), headers });
  assert.equal(first.header('Require'), 'outbound');
  register(p2, 'alice', { contacts: contact('10.0.0.2'), headers, callId: 'rebooted' });
  const [only, ...others] = rig.location.bindings(aor);
  assert.equal(others.length, 0);
  assert.equal(only?.contact, 'sip:alice@10.0.0.2');
  assert.equal(only.flowId, p2.flow.id);
  assert.equal(register(p1, 'alice', { headers }).has('Require'), false);
});

test('[S5626-10-01] [S5626-6-02] [S5626-6-01] reg-id out of range, twice, and behind a plain proxy', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10', 'tcp');
  const contact = (id: string): string =>
    `<sip:alice@10.0.0.${id.length}>;+sip.instance="<urn:uuid:1>";reg-id=${id}`;
  const headers = ['Supported: outbound'];
  assert.equal(
    register(phone, 'alice', { contacts: [contact('0')], headers }).has('Require'),
    false,
  );
  assert.equal(
    register(phone, 'alice', { contacts: [contact('2147483648')], headers }).has('Require'),
    false,
  );
  assert.equal(register(phone, 'alice', { contacts: [contact('1'), contact('22')] }).status, 400);
  const behind = register(phone, 'alice', {
    contacts: [contact('1')],
    headers: ['Supported: outbound, path', 'Path: <sip:edge.example;lr>'],
  });
  assert.equal(behind.status, 439);
});

test('a phone that started anew replaces its old contact, other phones stay', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  register(rig.phone('192.0.2.11'), 'alice');
  const instance = ';+sip.instance="<urn:uuid:7>"';
  register(phone, 'alice', { contacts: [`<sip:alice-1@192.0.2.10>${instance}`], callId: 'boot1' });
  const answer = register(phone, 'alice', {
    contacts: [`<sip:alice-2@192.0.2.10>${instance}`],
    callId: 'boot2',
  });
  assert.deepEqual(
    contacts(answer).map((value) => /<(.*?)>/.exec(value)?.[1]),
    ['sip:alice@192.0.2.11:5062', 'sip:alice-2@192.0.2.10'],
  );
});

test('[S3327-5.3-01] Path is kept and returned', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const answer = register(phone, 'alice', {
    headers: ['Supported: path', 'Path: <sip:a.example;lr>, <sip:b.example;lr>'],
  });
  assert.deepEqual(answer.values('Path'), ['<sip:a.example;lr>', '<sip:b.example;lr>']);
  assert.deepEqual(rig.location.bindings(aor)[0]?.path, [
    '<sip:a.example;lr>',
    '<sip:b.example;lr>',
  ]);
});

test('what a binding keeps is bounded', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const long = 'x'.repeat(1100);
  for (const parts of [
    { contacts: [`<sip:${long}@192.0.2.10>`] },
    { contacts: [`<sip:a@192.0.2.10>;x=${long}`] },
    { contacts: Array.from({ length: 17 }, (_, i) => `<sip:a@192.0.2.10:${String(i + 1)}>`) },
    { callId: long },
    { headers: [`Path: <sip:${long};lr>`] },
    { headers: [`Path: ${Array(11).fill('<sip:p;lr>').join(',')}`] },
  ]) {
    assert.equal(register(phone, 'alice', parts).status, 400, JSON.stringify(parts).slice(0, 40));
  }
  register(phone, 'alice', { headers: [`User-Agent: ${long}`] });
  assert.equal(rig.location.bindings(aor)[0]?.userAgent.length, 128);
});

test('[S5627-5.1-01] a Contact equal to the address of record is 403', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  assert.equal(register(phone, 'alice', { contacts: [`<sip:alice@${domain}>`] }).status, 403);
});

test('[S3261-10.3-18] the overlay is asked for first and changed contents only, and its refusal changes nothing', () => {
  const asked: LocationChange[] = [];
  const answers: ((refusal: ReturnType<typeof sipFailure> | undefined) => void)[] = [];
  const rig = createRig(() => ({
    admission: {
      admit(change, done) {
        asked.push(change);
        answers.push(done);
      },
    },
  }));
  const phone = rig.phone('192.0.2.10');
  const attempt = (cseq: number, contact = '<sip:alice@192.0.2.10>'): void => {
    const parts = {
      method: 'REGISTER',
      uri: `sip:${domain}`,
      from: `<sip:${aor}>;tag=r`,
      to: `<sip:${aor}>`,
      callId: 'one',
      cseq,
    };
    phone.send(message(phone, { ...parts, headers: [`Contact: ${contact}`] }));
    const challenge = phone.response(401).header('WWW-Authenticate') ?? '';
    const proof = credentials(challenge, 'alice', 'alicepw', 'REGISTER', `sip:${domain}`);
    phone.send(
      message(phone, { ...parts, headers: [`Contact: ${contact}`, `Authorization: ${proof}`] }),
    );
  };
  attempt(1);
  assert.equal(phone.waiting, 0);
  assert.equal(rig.location.bindingCount, 0);
  assert.equal(asked[0]?.first, true);
  answers[0]?.(sipFailure(403, 'Forbidden by the Overlay'));
  phone.response(403);
  assert.equal(rig.location.bindingCount, 0);

  attempt(2);
  attempt(3);
  assert.equal(phone.waiting, 0, 'the second waits behind the first');
  answers[1]?.(undefined);
  phone.response(200);
  phone.response(200);
  assert.equal(asked.length, 2, 'a refresh is not asked about');
  assert.equal(rig.location.bindings(aor)[0]?.cseq, 3);

  attempt(4, '<sip:alice@192.0.2.10>;q=0.3');
  assert.equal(asked.length, 3);
  rig.clock.advance(2000);
  phone.response(200);
  answers[2]?.(sipFailure(403, 'Too Late'));
  assert.equal(phone.waiting, 0);
  assert.equal(rig.location.bindings(aor)[0]?.q, 300);
});

test('[S3261-10.2.1.2-01] q is told as it was given, without needless zeros', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const table: readonly (readonly [string, string])[] = [
    ['0.125', ';q=0.125'],
    ['0.12', ';q=0.12'],
    ['0.1', ';q=0.1'],
    ['0.100', ';q=0.1'],
    ['0', ';q=0.0'],
    ['1.0', ''],
  ];
  for (const [given, told] of table) {
    const answer = register(phone, 'alice', { contacts: [`<sip:a@192.0.2.10>;q=${given}`] });
    assert.deepEqual(contacts(answer), [`<sip:a@192.0.2.10>${told};expires=3600`], given);
  }
});

test('REGISTERs behind one that waits for the overlay are bounded, and so is the wait', () => {
  const rig = createRig(({ settings }) => ({
    admission: { admit: () => undefined },
    settings: { ...settings, auth: { ...settings.auth, challengeRegistrations: false } },
  }));
  const phone = rig.phone('192.0.2.10');
  const send = (cseq: number): void =>
    phone.send(
      message(phone, {
        method: 'REGISTER',
        uri: `sip:${domain}`,
        from: `<sip:${aor}>;tag=r`,
        to: `<sip:${aor}>`,
        callId: 'one',
        cseq,
        headers: ['Contact: <sip:alice@192.0.2.10>'],
      }),
    );
  for (let cseq = 1; cseq <= 17; cseq++) send(cseq);
  assert.equal(phone.waiting, 0);
  assert.equal(rig.server.snapshot().registersWaiting, 1);
  send(18);
  assert.equal(phone.response(503).header('Retry-After'), '5');
  rig.clock.advance(1_999);
  assert.equal(phone.waiting, 0);
  rig.clock.advance(1);
  for (let cseq = 1; cseq <= 17; cseq++) phone.response(200);
  assert.equal(rig.trace.count('sip_registration_admission_timeouts_total'), 1);
  assert.equal(rig.server.snapshot().registersWaiting, 0);
});

test('a table that is full refuses a new address', () => {
  const rig = createRig();
  rig.location.apply = () => false;
  const answer = register(rig.phone('192.0.2.10'), 'alice');
  assert.deepEqual([answer.status, answer.reason], [503, 'Too Many Bindings']);
});
