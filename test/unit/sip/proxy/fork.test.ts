import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
import { type FakePhone, message } from '../core/rig.ts';
import { cast, createForkRig, target } from './fork-rig.ts';

test('[S3261-16.7-16] [S3261-16.6-13] [S3261-9.1-01] two phones ring, one answers, the other is cancelled', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2)]);
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  assert.notEqual(first.via.branch, second.via.branch);
  b1.reply(first, 180, { tag: 'one' });
  b2.reply(second, 180, { tag: 'two' });
  assert.equal(alice.response(180).to.tag, 'one');
  assert.equal(alice.response(180).to.tag, 'two');
  b1.reply(first, 200, { tag: 'one' });
  assert.equal(alice.response(200).to.tag, 'one');
  const cancel = b2.request('CANCEL');
  assert.equal(cancel.uri, second.uri);
  assert.equal(cancel.via.branch, second.via.branch);
  assert.equal(cancel.values('Via').length, 1);
  assert.equal(cancel.header('From'), second.header('From'));
  assert.equal(cancel.header('To'), second.header('To'));
  assert.equal(cancel.cseq.number, second.cseq.number);
  b2.reply(second, 487, { tag: 'two' });
  b2.request('ACK');
  assert.equal(alice.waiting, 0);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('[S3261-16.7-04] [S6026-7.2-01] a second 2xx is forwarded although the call is answered', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2)]);
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  b1.reply(first, 200, { tag: 'one' });
  b2.reply(second, 200, { tag: 'two' });
  assert.equal(alice.response(200).to.tag, 'one');
  assert.equal(alice.response(200).to.tag, 'two');
});

test('[S3261-16.7-05] a 6xx waits for the other branches, which are cancelled, and then wins', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2), target(b3, { q: 500 })]);
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  b2.reply(second, 180);
  alice.response(180);
  b1.reply(first, 603);
  b1.request('ACK');
  assert.equal(alice.waiting, 0);
  b2.request('CANCEL');
  b2.reply(second, 487);
  alice.response(603);
  assert.equal(b3.waiting, 0);
});

test('[S3261-16.7-06] [S3261-16.7-12] the best of several failures goes up once, with its To tag', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2), target(b3)]);
  rig.sink().done();
  b2.reply(b2.request('INVITE'), 404, { tag: 'two' });
  b3.reply(b3.request('INVITE'), 503, { tag: 'three' });
  assert.equal(alice.waiting, 0);
  b1.reply(b1.request('INVITE'), 486, { tag: 'one' });
  assert.equal(alice.response(486).to.tag, 'one');
  assert.equal(alice.waiting, 0);
});

test('[S3261-16.7-07] [S3261-16.7-13] challenges of all branches are collected', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2), target(b3)]);
  rig.sink().done();
  b1.reply(b1.request('INVITE'), 486);
  const challenge = (phone: FakePhone, status: number, name: string, realm: string): void => {
    const value = `Digest realm="${realm}", nonce="n"`;
    phone.send(
      createResponse(phone.request('INVITE'), status, 'No', {
        toTag: realm,
        headers: [[name, value]],
      }),
    );
  };
  challenge(b2, 407, 'Proxy-Authenticate', 'two.example');
  challenge(b3, 401, 'WWW-Authenticate', 'three.example');
  const answer = alice.response(407);
  assert.deepEqual(answer.rows('Proxy-Authenticate'), ['Digest realm="two.example", nonce="n"']);
  assert.deepEqual(answer.rows('WWW-Authenticate'), ['Digest realm="three.example", nonce="n"']);
});

test('[S3261-16.7-09] a lone 503 becomes 500', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  b1.reply(b1.request('INVITE'), 503);
  alice.response(500);
});

test('[S3261-16.6-16] lower q is tried only after the higher ones failed, equal q together', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b3, { q: 500 }), target(b1, { q: 900 }), target(b2, { q: 900 })]);
  assert.equal(b1.waiting + b2.waiting + b3.waiting, 0, 'a better one may still come');
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  assert.equal(b3.waiting, 0);
  b1.reply(first, 486);
  assert.equal(b3.waiting, 0);
  b2.reply(second, 486);
  b3.reply(b3.request('INVITE'), 200);
  alice.response(200);
});

test('targets of the highest q start before the lookup is over', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1)]);
  b1.reply(b1.request('INVITE'), 180);
  alice.response(180);
  rig.sink().targets([target(b2)]);
  const late = b2.request('INVITE');
  b2.reply(late, 200);
  alice.response(200);
  b1.request('CANCEL');
  assert.equal(rig.stopped, 0);
});

test('[S3261-16.5-03] the same place twice is one branch', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  rig.sink().targets([target(b1), target(b1)]);
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  assert.equal(b1.waiting, 1);
});

test('[S3261-16.10-01] [S3261-9.2-02] CANCEL is answered at once, cancels all branches, and the caller gets 487', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  const invite = message(alice, { branch: 'z9hG4bK-cancel' });
  alice.send(invite);
  alice.response(100);
  rig.sink().targets([target(b1), target(b2)]);
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  b1.reply(first, 180);
  alice.response(180);
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-cancel' }));
  assert.equal(alice.response(200).cseq.method, 'CANCEL');
  b1.request('CANCEL');
  assert.equal(b2.waiting, 0, '[9.1] held back until a provisional response came');
  b2.reply(second, 180);
  b2.request('CANCEL');
  b1.reply(first, 487);
  b2.reply(second, 487);
  b1.request('ACK');
  let last = alice.take();
  while (alice.waiting > 0) last = alice.take();
  assert.equal(last.kind === 'response' && last.status, 487);
});

test('CANCEL during the lookup ends both', () => {
  const rig = createForkRig();
  const [alice] = cast(rig);
  alice.send(message(alice, { branch: 'z9hG4bK-early' }));
  alice.response(100);
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-early' }));
  alice.response(200);
  alice.response(487);
  assert.equal(rig.stopped, 1);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('CANCEL gives up a connection that is being set up', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice, { branch: 'z9hG4bK-open' }));
  alice.response(100);
  let gaveUp = 0;
  rig.sink().targets([
    target(b1, {
      open: () => () => {
        gaveUp++;
      },
    }),
  ]);
  rig.sink().done();
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-open' }));
  alice.response(200);
  alice.response(487);
  assert.equal(gaveUp, 1);
});
