/** Keep-alive, liveness and idle end of one SIP connection. RFC 7904 §5.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import {
  defaultSipConnectionSettings,
  openSipConnection,
} from '../../../../src/usages/sip/connection.ts';
import { createClock, nodeId } from '../../adapter/support/world.ts';
import { createFarEnd } from './support/scripted-overlay.ts';

const peer = nodeId(0x0b);
const ping = '\r\n\r\n';

function world(options: { readonly initiatedHere?: boolean; readonly spare?: boolean } = {}) {
  const clock = createClock();
  const end = createFarEnd(peer);
  const log: string[] = [];
  let spare = options.spare ?? false;
  const connection = openSipConnection({
    app: { connection: end.connection, peer, application: 5060 },
    id: 'overlay-7',
    initiatedHere: options.initiatedHere ?? true,
    clock,
    settings: defaultSipConnectionSettings,
    isSpare: () => spare,
    heard: () => log.push('heard'),
    broken: () => log.push('broken'),
    gone: (self) => log.push(`gone ${self.id}`),
  });
  connection.start({
    data: (bytes) => log.push(latin1Decode(bytes)),
    closed: (reason) => log.push(`closed: ${reason}`),
  });
  return { clock, end, log, connection, setSpare: (value: boolean) => (spare = value) };
}

test('the connection tells what it is made of', () => {
  const { connection } = world();
  assert.equal(connection.id, 'overlay-7');
  assert.equal(connection.peer, peer);
  assert.equal(connection.application, 5060);
  assert.deepEqual(connection.local, { address: '10.0.0.1', port: 1 });
  assert.deepEqual(connection.remote, { address: '10.0.0.2', port: 2 });
  assert.equal(connection.closed, false);
});

test('[R7904-5.2-02] the side that asked pings at once and every 25 s; the other never by itself', () => {
  const asked = world();
  assert.deepEqual(asked.end.sent, [ping]);
  asked.end.says('\r\n');
  asked.clock.run(24_999);
  assert.equal(asked.end.sent.length, 1);
  asked.clock.run(1);
  assert.equal(asked.end.sent.length, 2);
  asked.end.says('\r\n');
  asked.clock.run(25_000);
  assert.equal(asked.end.sent.length, 3);
  const other = world({ initiatedHere: false });
  other.clock.run(100_000);
  assert.deepEqual(other.end.sent, []);
});

test('a pong answers the ping and is no data; without a ping it is handed on', () => {
  const { end, log } = world();
  end.says('\r\n');
  assert.deepEqual(log, ['heard']);
  end.says('\r\n');
  assert.deepEqual(log, ['heard', 'heard', '\r\n']);
});

test('whatever else comes while a ping is out is a sign of life, and is handed on', () => {
  for (const text of [ping, 'X', 'INVITE sip:b', '\r\n\r\n\r\n']) {
    const { clock, end, log } = world();
    end.says(text);
    assert.deepEqual(log, ['heard', text]);
    clock.run(20_000);
    assert.equal(log.length, 2, 'it is not given up');
    // Only a pong proves that silence after a ping would mean something.
    clock.run(15_001);
    assert.equal(log.length, 2);
  }
});

test('a peer that has answered once is given up 10 s after a ping without an answer', () => {
  const { clock, end, log, connection } = world();
  end.says('\r\n');
  clock.run(25_000 + 9_999);
  assert.deepEqual(log, ['heard']);
  clock.run(1);
  assert.deepEqual(log.toSorted(), [
    'broken',
    'closed: no answer to keep-alive',
    'gone overlay-7',
    'heard',
  ]);
  assert.ok(connection.closed);
  assert.equal(end.closedWith, 'no answer to keep-alive');
});

test('a use after 5 s of silence asks for a sign of life within 2 s', () => {
  const { clock, end, log, connection } = world();
  end.says('\r\n');
  clock.run(5_000);
  connection.send(latin1Encode('a'));
  assert.deepEqual(end.sent, [ping, 'a']);
  clock.run(1);
  connection.send(latin1Encode('b'));
  assert.deepEqual(end.sent, [ping, 'a', 'b', ping]);
  clock.run(1_999);
  assert.ok(!connection.closed);
  clock.run(1);
  assert.ok(log.includes('broken'));
  assert.equal(end.closedWith, 'no answer to keep-alive');
});

test('a use shortens the wait for the answer to a ping that is out, a later one does not lengthen it', () => {
  const { clock, end, connection } = world();
  end.says('\r\n');
  clock.run(26_000);
  assert.deepEqual(end.sent, [ping, ping]);
  connection.send(latin1Encode('a'));
  assert.deepEqual(end.sent, [ping, ping, 'a'], 'one ping is enough');
  clock.run(1_500);
  connection.send(latin1Encode('b'));
  clock.run(499);
  assert.ok(!connection.closed);
  clock.run(1);
  assert.ok(connection.closed);

  const late = world();
  late.end.says('\r\n');
  late.clock.run(25_000 + 9_000);
  late.connection.send(latin1Encode('a'));
  late.clock.run(1_000);
  assert.ok(late.connection.closed, 'the ping was out for ten seconds');
});

test('an unused connection ends after ten minutes, a spare one after 200 s; keep-alives are no use', () => {
  for (const [spare, idleMs] of [
    [false, 600_000],
    [true, 200_000],
  ] as const) {
    const { clock, end, log } = world({ initiatedHere: false, spare });
    for (let ms = 0; ms < idleMs - 25_000; ms += 25_000) {
      clock.run(25_000);
      end.says(ping);
    }
    assert.equal(end.closedWith, undefined);
    clock.run(25_000);
    assert.equal(end.closedWith, 'idle');
    assert.deepEqual(log.slice(-2).toSorted(), ['closed: idle', 'gone overlay-7']);
  }
});

test('data of either side is use', () => {
  const { clock, end, connection } = world({ initiatedHere: false });
  clock.run(590_000);
  end.says('MESSAGE');
  clock.run(590_000);
  assert.ok(!connection.closed);
  connection.send(latin1Encode('x'));
  clock.run(590_000);
  assert.ok(!connection.closed);
  connection.pong();
  clock.run(35_000);
  assert.ok(connection.closed, 'a pong is none');
});

test('a connection that became the spare one ends sooner', () => {
  const { clock, connection, setSpare } = world({ initiatedHere: false });
  clock.run(300_000);
  assert.ok(!connection.closed);
  setSpare(true);
  clock.run(25_000);
  assert.ok(connection.closed);
});

test('sends are refused beyond what may wait for the network, and after the end', () => {
  const { end, log, connection } = world({ initiatedHere: false });
  end.bufferedBytes = limits.usagesSip.bufferedBytes - 10;
  assert.ok(connection.send(new Uint8Array(10)));
  assert.ok(!connection.send(new Uint8Array(11)));
  assert.equal(end.sent.length, 1);
  end.bufferedBytes = 0;
  connection.pong();
  assert.deepEqual(end.sent.slice(1), ['\r\n']);
  connection.close('enough');
  connection.close('again');
  assert.ok(!connection.send(new Uint8Array(1)));
  connection.pong();
  assert.equal(end.sent.length, 2);
  assert.equal(end.closedWith, 'enough');
  end.says('late');
  assert.deepEqual(log.toSorted(), ['closed: enough', 'gone overlay-7']);
});

test('after the end no timer is left that pings or gives up', () => {
  const { clock, end, log, connection } = world();
  end.says('\r\n');
  clock.run(25_000);
  connection.close('enough');
  log.length = 0;
  end.sent.length = 0;
  clock.run(1_000_000);
  assert.deepEqual([log, end.sent], [[], []]);
});

test('a connection that the network loses ends with that reason', () => {
  const { end, log, connection } = world();
  end.lost('reset');
  assert.ok(connection.closed);
  assert.deepEqual(log.toSorted(), ['closed: reset', 'gone overlay-7']);
});
