import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../src/base/limits.ts';
import { nodeIdFromBytes } from '../../../src/base/ids.ts';
import { createLink } from '../../../src/link/link.ts';
import type { Link } from '../../../src/link/link.ts';
import { createCountingTrace, createFakeClock, createFakeConnection } from './fakes.ts';

interface World {
  readonly link: Link;
  readonly log: string[];
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly connection: ReturnType<typeof createFakeConnection>;
  readonly trace: ReturnType<typeof createCountingTrace>;
}

function world(maxMessageBytes = 5000): World {
  const clock = createFakeClock();
  const connection = createFakeConnection();
  const trace = createCountingTrace();
  const log: string[] = [];
  const link = createLink({
    clock,
    connection,
    trace,
    nodeId: nodeIdFromBytes(new Uint8Array(16).fill(7)),
    maxMessageBytes: () => maxMessageBytes,
    events: {
      message: (bytes) => log.push(`message ${hex(bytes)}`),
      oversized: (prefix) => log.push(`oversized ${String(prefix.length)}`),
      suspect: (suspect) => log.push(`suspect ${String(suspect)}`),
      closed: (reason) => log.push(`closed ${reason}`),
    },
  });
  return { link, log, clock, connection, trace };
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const ack = (sequence: number): Uint8Array =>
  bytes(`81${sequence.toString(16).padStart(8, '0')}00000000`);

function data(sequence: number, length: number, fill = 0xaa): Uint8Array {
  const frame = Buffer.alloc(8 + length, fill);
  frame[0] = 128;
  frame.writeUInt32BE(sequence, 1);
  frame.writeUIntBE(length, 5, 3);
  return new Uint8Array(frame);
}

test('[R6940-6.6.2-01] [R6940-6.6.2-02] [R6940-6.6.2-04] [R6940-6.6.2-05] frames each message with the next sequence number', () => {
  const { link, connection } = world();
  for (const message of ['01', '0203', '04']) assert.equal(link.send(bytes(message)), true);
  assert.deepEqual(connection.sent.map(hex), [
    '800000000000000101',
    '80000000010000020203',
    '800000000200000104',
  ]);
});

test('[R6940-6.6.2-03] [R6940-6.6.2-06] [R6940-6.6.2-07] [R6940-6.6.2-08] acknowledges at once with the 32 previous sequence numbers', () => {
  const { connection } = world();
  for (const sequence of [0, 1, 3, 4, 5]) connection.handler.data(data(sequence, 1));
  assert.equal(hex(connection.sent.at(-1)), '81000000050000001b');
  for (let sequence = 6; sequence <= 45; sequence++) connection.handler.data(data(sequence, 1));
  assert.equal(hex(connection.sent.at(-1)), '810000002dffffffff');
  assert.equal(connection.sent.length, 45);
});

test('the acknowledgement leaves before the message is handled', () => {
  const { connection, log } = world();
  connection.send = () => log.push('ack');
  connection.handler.data(Buffer.concat([data(0, 1), data(1, 1)]));
  assert.deepEqual(log, ['ack', 'message aa', 'message aa']);
});

test('puts frames together from any cut of the stream', () => {
  const stream = Buffer.concat([data(0, 3, 1), ack(9), data(1, 300, 2), data(2, 1, 3)]);
  for (const step of [1, 2, 7, 8, 9, 100, 1000]) {
    const { connection, log } = world();
    for (let i = 0; i < stream.length; i += step) {
      connection.handler.data(new Uint8Array(stream.subarray(i, i + step)));
    }
    assert.deepEqual(log, ['message 010101', `message ${'02'.repeat(300)}`, 'message 03']);
  }
});

test('[R6940-6.6.5-01] measures the round trip with acknowledgements and computes the RTO of RFC 6298', () => {
  const { link, clock, connection } = world();
  assert.equal(link.rtoMs, 1000);
  link.send(bytes('01'));
  clock.advance(400);
  connection.handler.data(ack(0));
  assert.equal(link.rttMs, 400);
  assert.equal(link.rtoMs, 400 + 4 * 200);
  link.send(bytes('02'));
  clock.advance(800);
  connection.handler.data(ack(1));
  assert.equal(link.rttMs, 450);
  assert.equal(link.rtoMs, 450 + 4 * (0.75 * 200 + 0.25 * 400));
});

test('[R6940-6.6.3.1-06] rounds the RTO up to the next millisecond', () => {
  const { link, clock, connection } = world();
  link.send(bytes('01'));
  clock.advance(300.1);
  connection.handler.data(ack(0));
  assert.equal(link.rtoMs, 901);
});

test('tells the sender once whether its message was acknowledged', () => {
  const { link, clock, connection } = world();
  const answers: boolean[] = [];
  const done = (acknowledged: boolean): void => void answers.push(acknowledged);
  link.send(bytes('01'), done);
  link.send(bytes('02'), done);
  assert.deepEqual(answers, []);
  connection.handler.data(ack(1));
  assert.deepEqual(answers, [true, true]);
  link.send(bytes('03'), done);
  clock.advance(1000);
  assert.deepEqual(answers, [true, true, false]);
  connection.handler.data(ack(2));
  link.close('test');
  assert.deepEqual(answers, [true, true, false]);
});

test('[R6940-6.6.5-02] [R6940-6.6-05] a missed acknowledgement makes the link suspect, without retransmission', () => {
  const { link, clock, connection, log } = world();
  link.send(bytes('01'));
  clock.advance(999);
  assert.deepEqual(log, []);
  clock.advance(1);
  assert.deepEqual(log, ['suspect true']);
  assert.equal(link.suspect, true);
  clock.advance(10_000);
  assert.equal(connection.sent.length, 1);
  connection.handler.data(ack(0));
  assert.deepEqual(log, ['suspect true', 'suspect false']);
});

test('[R6940-6.6.5-03] a suspect link closes after 30 s without acknowledgement', () => {
  const { link, clock, connection, log } = world();
  link.send(bytes('01'));
  clock.advance(15_000);
  link.send(bytes('02'));
  clock.advance(15_999);
  assert.equal(connection.closeReason, undefined);
  clock.advance(2);
  assert.equal(connection.closeReason, 'no acknowledgement');
  assert.deepEqual(log, ['suspect true', 'closed no acknowledgement']);
  assert.equal(link.send(bytes('03')), false);
});

test('an idle link is never suspect', () => {
  const { link, clock, connection, log } = world();
  link.send(bytes('01'));
  connection.handler.data(ack(0));
  clock.advance(3_600_000);
  assert.deepEqual(log, []);
  assert.equal(link.unacknowledged, 0);
});

test('an acknowledgement of what was never sent is counted and changes nothing', () => {
  const { link, connection, trace } = world();
  connection.handler.data(ack(0));
  link.send(bytes('01'));
  connection.handler.data(ack(1));
  connection.handler.data(ack(0xffffffff));
  assert.equal(trace.count('link_events_total', 'refused-stray-ack'), 3);
  assert.equal(link.unacknowledged, 1);
});

test('an unknown frame type closes the link and is counted', () => {
  const { connection, log, trace } = world();
  connection.handler.data(bytes('7f00'));
  connection.handler.data(data(0, 1));
  assert.deepEqual(log, ['closed unknown frame type 127']);
  assert.equal(trace.count('link_events_total', 'refused-bad-frame'), 1);
});

/** A message that starts like a RELOAD message with these list lengths. */
function reloadFrame(length: number, viaLength: number, have = length): Uint8Array {
  const frame = Buffer.from(data(0, length, 0));
  if (have >= 38) frame.writeUInt16BE(viaLength, 8 + 32);
  return new Uint8Array(frame.subarray(0, 8 + have));
}

test('[R6940-6.6-02] [R6940-6.6-04] a message above the limit is reported as soon as its header is there, then the link closes', () => {
  const { link, clock, connection, log } = world(5000);
  connection.handler.data(reloadFrame(5001, 100, 137));
  assert.deepEqual(log, []);
  connection.handler.data(bytes('0000'));
  assert.deepEqual(log, ['oversized 138']);
  assert.equal(link.send(bytes('ee')), true);
  clock.advance(limits.link.oversizedGraceMs);
  assert.equal(connection.closeReason, 'message above max-message-size');
});

test('a message at the limit passes', () => {
  const { connection, log } = world(5000);
  connection.handler.data(reloadFrame(5000, 100));
  assert.equal(log.length, 1);
  assert.match(log[0] ?? '', /^message /);
});

test('[R6940-6.6-03] a forwarding header above the limit closes the link without a report', () => {
  const { connection, log } = world(5000);
  connection.handler.data(reloadFrame(6000, 5000, 50));
  assert.deepEqual(log, ['closed forwarding header above max-message-size']);
});

test('messages before an oversized or broken frame in the same bytes are delivered', () => {
  const { connection, log } = world(5000);
  connection.handler.data(Buffer.concat([data(0, 1), reloadFrame(5001, 0, 40)]));
  assert.deepEqual(log, ['message aa', 'oversized 40']);
});

test('refuses messages when too many are unacknowledged or too many bytes wait', () => {
  const { link, connection, trace } = world();
  for (let i = 0; i < limits.link.unacknowledgedMessages; i++) {
    assert.equal(link.send(bytes('01')), true);
  }
  assert.equal(link.send(bytes('01')), false);
  connection.handler.data(ack(limits.link.unacknowledgedMessages - 1));
  connection.bufferedBytes = limits.link.bufferedBytes;
  assert.equal(link.send(bytes('01')), false);
  assert.equal(trace.count('link_events_total', 'refused-queue-full'), 2);
});

test('a far end that sends but does not read its acknowledgements is cut off', () => {
  const { connection } = world();
  connection.bufferedBytes = limits.link.bufferedBytes + 1;
  connection.handler.data(data(0, 1));
  assert.equal(connection.closeReason, 'the far end does not read');
});

test('nothing is delivered after close, and close is idempotent', () => {
  const { link, connection, log } = world();
  link.close('bye');
  link.close('again');
  connection.handler.data(data(0, 1));
  assert.deepEqual(log, ['closed bye']);
  assert.equal(link.closed, true);
});
