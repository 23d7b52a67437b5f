import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdFromBytes } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { createDatagramLink } from '../../../src/link/datagram-link.ts';
import type { Link } from '../../../src/link/link.ts';
import { decodeFrame, encodeAckFrame, encodeDataFrame } from '../../../src/wire/reload/framing.ts';
import { createCountingTrace, createFakeClock, createFakeConnection } from './fakes.ts';

interface Copy {
  readonly atMs: number;
  readonly sequence: number;
  readonly text: string;
}

interface Scene {
  readonly link: Link;
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly connection: ReturnType<typeof createFakeConnection>;
  readonly trace: ReturnType<typeof createCountingTrace>;
  readonly log: string[];
  /** Data frames sent so far, at times since the beginning. */
  readonly copies: Copy[];
  readonly acks: number[];
  readonly ack: (sequence: number) => void;
  readonly send: (text: string) => void;
}

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

function scene(options: { stunRttMs?: number; initialRtoMs?: number } = {}): Scene {
  const clock = createFakeClock();
  const startMs = clock.monotonicMs();
  const connection = createFakeConnection();
  const trace = createCountingTrace();
  const log: string[] = [];
  const copies: Copy[] = [];
  const acks: number[] = [];
  connection.send = (bytes) => {
    const frame = decodeFrame(bytes);
    if (frame.type === 'ack') acks.push(frame.ackSequence);
    else {
      const text = Buffer.from(frame.message).toString();
      copies.push({ atMs: clock.monotonicMs() - startMs, sequence: frame.sequence, text });
    }
  };
  const link = createDatagramLink({
    clock,
    connection: Object.assign(connection, { datagramBytes: 1200 }),
    trace,
    nodeId: nodeIdFromBytes(new Uint8Array(16).fill(7)),
    maxMessageBytes: () => 1000,
    events: {
      message: (bytes) => log.push(`message ${Buffer.from(bytes).toString()}`),
      oversized: (prefix) => log.push(`oversized ${String(prefix.length)}`),
      suspect: (suspect) => log.push(`suspect ${String(suspect)}`),
      closed: (reason) => log.push(`closed ${reason}`),
    },
    ...options,
  });
  return {
    link,
    clock,
    connection,
    trace,
    log,
    copies,
    acks,
    ack: (sequence) => {
      connection.handler.data(encodeAckFrame(sequence, 0));
    },
    send: (text) => {
      assert.ok(
        link.send(ascii(text), (acknowledged) => log.push(`${text} ${String(acknowledged)}`)),
      );
    },
  };
}

test('[R6940-6.6.3.1-01] [R6940-6.6.3-02] one message at a time, no burst', () => {
  const { send, copies, clock } = scene();
  for (const text of ['a', 'b', 'c']) send(text);
  clock.advance(1600);
  assert.deepEqual([...new Set(copies.map(({ text }) => text))], ['a']);
  assert.equal(copies.length, 3);
});

test('[R6940-6.6.3.1-02] [R6940-6.6.3.1-08] [R6940-6.6.3.1-09] [R6940-6.6.3.1-10] copies at 0, 500, 1500, 3500 and 7500 ms with rising sequence numbers', () => {
  const { send, copies, clock } = scene();
  send('a');
  clock.advance(15_000);
  assert.deepEqual(
    copies.map(({ atMs }) => atMs),
    [0, 500, 1500, 3500, 7500],
  );
  assert.deepEqual(
    copies.map(({ sequence }) => sequence),
    [0, 1, 2, 3, 4],
  );
});

test('[R6940-6.6.3.1-12] [R6940-6.6.3.1-13] suspect at the third further copy, closed after the fifth one’s wait', () => {
  const { send, log, clock, link, connection } = scene();
  send('a');
  send('b');
  clock.advance(3499);
  assert.deepEqual(log, []);
  clock.advance(1);
  assert.deepEqual(log, ['suspect true', 'a false', 'b false']);
  assert.ok(link.suspect);
  clock.advance(15_499 - 3500);
  assert.equal(connection.closeReason, undefined);
  clock.advance(1);
  assert.equal(connection.closeReason, 'no acknowledgement');
  assert.equal(link.send(ascii('c')), false);
});

test('[R6940-6.6.3.1-14] a link that acknowledges again is good again', () => {
  const { send, log, clock, ack, link } = scene();
  send('a');
  clock.advance(4000);
  ack(0);
  assert.deepEqual(log, ['suspect true', 'a false', 'suspect false']);
  assert.equal(link.suspect, false);
  assert.equal(link.unacknowledged, 0);
});

test('[R6940-6.6.3.1-11] the acknowledgement of any copy, or the end of the connection, ends it', () => {
  for (const sequence of [0, 1, 2]) {
    const { send, copies, clock, ack, log } = scene();
    send('a');
    clock.advance(1600);
    ack(sequence);
    clock.advance(20_000);
    assert.equal(copies.length, 3);
    assert.deepEqual(log, ['a true']);
  }
  const { send, copies, clock, connection, log } = scene();
  send('a');
  connection.handler.closed('ECONNREFUSED');
  clock.advance(20_000);
  assert.equal(copies.length, 1);
  assert.deepEqual(log, ['a false', 'closed ECONNREFUSED']);
});

test('[R6940-6.6.3.1-15] at least 10 ms between an acknowledgement and the next message', () => {
  const { send, copies, clock, ack } = scene();
  send('a');
  send('b');
  clock.advance(100);
  ack(0);
  clock.advance(9);
  assert.equal(copies.length, 1);
  clock.advance(1);
  assert.deepEqual(copies[1], { atMs: 110, sequence: 1, text: 'b' });
  clock.advance(50);
  ack(1);
  clock.advance(5);
  send('c');
  assert.equal(copies.length, 2);
  clock.advance(5);
  assert.equal(copies[2]?.atMs, 170);
});

test('[R6940-6.6.3.1-05] [R6940-6.6.3.1-07] the STUN round trip is the first sample, every acknowledgement one more', () => {
  const { send, clock, ack, link } = scene({ stunRttMs: 200 });
  assert.equal(link.rttMs, 200);
  assert.equal(link.rtoMs, 200 + 4 * 100);
  send('a');
  clock.advance(600);
  // The first copy is acknowledged 700 ms after it left, the second 300 ms after.
  clock.advance(100);
  ack(0);
  assert.equal(link.rttMs, (7 * 200 + 700) / 8);
  const variation = 0.75 * 100 + 0.25 * 500;
  assert.equal(link.rtoMs, Math.ceil((7 * 200 + 700) / 8 + 4 * variation));
  ack(1);
  assert.equal(link.rttMs, (7 * 262.5 + 100) / 8);
});

test('[R6940-6.6.3.1-03] [R6940-6.6.3.1-04] another default RTO where the network is known', () => {
  for (const initialRtoMs of [50, 2000]) {
    const { send, copies, clock } = scene({ initialRtoMs });
    send('a');
    clock.advance(initialRtoMs);
    assert.equal(copies.length, 2);
  }
});

test('[R6940-6.6.3-01] what was lost arrives with a later copy, and each arrival is acknowledged', () => {
  const sender = scene();
  const receiver = scene();
  sender.send('lost');
  sender.clock.advance(500);
  const second = sender.copies[1] as Copy;
  receiver.connection.handler.data(encodeDataFrame(second.sequence, ascii(second.text)));
  assert.deepEqual(receiver.log, ['message lost']);
  assert.deepEqual(receiver.acks, [1]);
  sender.ack(1);
  assert.deepEqual(sender.log, ['lost true']);
});

test('bad datagrams are counted, stray acknowledgements change nothing', () => {
  const { connection, trace, log, ack, link } = scene();
  for (const bytes of [[], [7, 7], [128, 0, 0, 0, 0, 0, 0, 9, 1]]) {
    connection.handler.data(Uint8Array.from(bytes));
  }
  ack(77);
  connection.handler.data(encodeDataFrame(0, new Uint8Array(0)));
  assert.equal(trace.count('link_events_total', 'refused-bad-frame'), 3);
  assert.equal(trace.count('link_events_total', 'refused-stray-ack'), 1);
  assert.equal(trace.count('link_events_total', 'refused-empty'), 1);
  assert.deepEqual(log, []);
  assert.equal(link.mtuBytes, 1192);
});

test('a message above max-message-size is reported, then the link closes', () => {
  const { connection, log, clock } = scene();
  connection.handler.data(encodeDataFrame(0, new Uint8Array(1001)));
  assert.deepEqual(log, ['oversized 1001']);
  clock.advance(limits.link.oversizedGraceMs);
  assert.equal(connection.closeReason, 'message above max-message-size');
});

test('the queue is bounded, in messages and bytes', () => {
  const { link, trace } = scene();
  for (let i = 0; i < limits.link.datagramQueueMessages; i++) assert.ok(link.send(ascii('x')));
  assert.equal(link.send(ascii('x')), false);
  assert.equal(trace.count('link_events_total', 'refused-queue-full'), 1);
  const large = scene().link;
  const half = new Uint8Array(limits.link.bufferedBytes / 2);
  assert.ok(large.send(half));
  assert.ok(large.send(half.subarray(1), undefined, Uint8Array.of(1)));
  assert.equal(large.send(ascii('x')), false);
});

test('a fast path may hold a longer queue, a slow one not', () => {
  const room = (stunRttMs: number): number => {
    const { link } = scene({ stunRttMs });
    let count = 0;
    while (link.send(ascii('x'))) count++;
    return count;
  };
  assert.equal(room(10), limits.link.datagramQueueMs / 20);
  assert.equal(room(300), limits.link.datagramQueueMessages);
});

test('a queue that does not drain takes nothing more, and takes it again once it has drained', () => {
  const { link, clock, ack, copies } = scene({ stunRttMs: 300 });
  for (let i = 0; i < 10; i++) assert.ok(link.send(ascii(String(i))));
  const drainOne = (): void => {
    clock.advance(300);
    ack(copies.at(-1)?.sequence ?? 0);
    clock.advance(10);
  };
  for (let i = 0; i < 3; i++) drainOne();
  assert.ok(link.send(ascii('a')), 'the first has waited for 930 ms');
  drainOne();
  assert.equal(link.send(ascii('b')), false, 'for 1240 ms');
  while (link.unacknowledged > 0) drainOne();
  assert.deepEqual(copies.map(({ text }) => text).slice(-2), ['9', 'a']);
  assert.ok(link.send(ascii('c')));
});

test('[R6940-6.6.6-01] without ICE there is nothing but frames on the link, and silence when idle', () => {
  const { send, ack, clock, copies, acks, connection } = scene();
  send('a');
  ack(0);
  connection.handler.data(encodeDataFrame(0, ascii('b')));
  clock.advance(3_600_000);
  // The fake connection decodes all that is sent as frames.
  assert.equal(copies.length, 1);
  assert.equal(acks.length, 1);
});

test('copies beyond the first are counted', () => {
  const { send, clock, trace, ack } = scene();
  send('a');
  ack(0);
  assert.equal(trace.count('link_events_total', 'retransmitted'), 0);
  clock.advance(10);
  send('b');
  // At the floor of the RTO: copies after 100, 300, 700 and 1500 ms.
  clock.advance(1600);
  assert.equal(trace.count('link_events_total', 'retransmitted'), 4);
});

test('after our own close nothing is delivered, acknowledged or sent', () => {
  const { link, send, connection, log, acks, copies, clock } = scene();
  send('a');
  link.close('enough');
  link.close('again');
  connection.handler.data(encodeDataFrame(0, ascii('late')));
  clock.advance(20_000);
  assert.deepEqual(log, ['a false', 'closed enough']);
  assert.deepEqual(acks, []);
  assert.equal(copies.length, 1);
  assert.ok(link.closed);
});

test('a late acknowledgement of an earlier copy counts, once', () => {
  const { send, ack, clock, trace, copies } = scene();
  // The first copy of the first message stays unacknowledged; thirty more messages leave after it.
  send('a');
  clock.advance(500);
  ack(1);
  for (let sequence = 2; sequence <= 31; sequence++) {
    clock.advance(10);
    send('x');
    assert.equal(copies.at(-1)?.sequence, sequence);
    ack(sequence);
  }
  ack(0);
  assert.equal(trace.count('link_events_total', 'refused-stray-ack'), 0);
  ack(0);
  assert.equal(trace.count('link_events_total', 'refused-stray-ack'), 1);
});

test('acknowledgements after a silence are no measurement of the path, unless it is silent again', () => {
  const { send, ack, clock, link, copies } = scene({ stunRttMs: 100 });
  const before = { rttMs: link.rttMs, rtoMs: link.rtoMs };
  const silence = (text: string): void => {
    const first = copies.length;
    send(text);
    clock.advance(4000);
    for (const { sequence } of copies.slice(first)) ack(sequence);
    clock.advance(10);
  };
  silence('a');
  assert.ok(copies.length > 3);
  assert.deepEqual({ rttMs: link.rttMs, rtoMs: link.rtoMs }, before);
  silence('b');
  assert.ok((link.rttMs ?? 0) > 500, 'the path has become slow');
});

test('one that is acknowledged in time in between makes the next silence one of a kind again', () => {
  const { send, ack, clock, link, copies } = scene({ stunRttMs: 100 });
  for (const text of ['a', 'b']) {
    send(text);
    clock.advance(4000);
    ack(copies.at(-1)?.sequence ?? 0);
    clock.advance(10);
    send('in time');
    clock.advance(100);
    ack(copies.at(-1)?.sequence ?? 0);
    clock.advance(10);
  }
  assert.ok(link.rtoMs <= 300, `${link.rtoMs}`);
});

test('without any estimate even a late acknowledgement is one', () => {
  const { send, ack, clock, link } = scene();
  send('a');
  clock.advance(2000);
  ack(0);
  assert.equal(link.rttMs, 2000);
});
