import { test } from 'node:test';
import assert from 'node:assert/strict';
import { UsageError } from '../../../src/base/assert.ts';
import { limits } from '../../../src/base/limits.ts';
import { createPrng } from '../../../src/base/prng.ts';
import { createCongestionWindow } from '../../../src/link/congestion-window.ts';
import { createDatagramStream } from '../../../src/link/datagram-stream.ts';
import { createReorderBuffer } from '../../../src/link/reorder-buffer.ts';
import type { ConnectionHandler, SecureConnection } from '../../../src/ports/connection.ts';
import { decodeFrame, encodeAckFrame, encodeDataFrame } from '../../../src/wire/reload/framing.ts';
import { createCountingTrace, createFakeConnection } from './fakes.ts';
import { createSimulatedClock, type SimulatedClock } from './ice/support/network.ts';

interface Carrier {
  readonly ends: readonly [SecureConnection, SecureConnection];
  /** Datagrams sent by the first end. */
  sent: number;
}

/** Two ends of a datagram connection with latency and whatever `fate` does to each datagram. */
function carrier(
  clock: SimulatedClock,
  fate: () => number | undefined = () => 10,
  datagramBytes = 112,
): Carrier {
  const handlers: (ConnectionHandler | undefined)[] = [undefined, undefined];
  const counts = { sent: 0 };
  let open = true;
  const end = (own: 0 | 1): SecureConnection => ({
    ...createFakeConnection(),
    datagramBytes,
    setHandler: (handler) => void (handlers[own] = handler),
    send(bytes) {
      if (own === 0) counts.sent++;
      const latencyMs = fate();
      if (latencyMs === undefined || !open) return;
      clock.after('carry', latencyMs, () => handlers[1 - own]?.data(bytes.slice()));
    },
    close(reason) {
      if (!open) return;
      open = false;
      clock.after('closed', 0, () => {
        for (const handler of handlers) handler?.closed(reason);
      });
    },
  });
  return {
    ends: [end(0), end(1)],
    get sent() {
      return counts.sent;
    },
  };
}

interface Receiver {
  readonly bytes: number[];
  closed: string | undefined;
  drained: number;
}

function receive(connection: SecureConnection): Receiver {
  const seen: Receiver = { bytes: [], closed: undefined, drained: 0 };
  connection.setHandler({
    data: (bytes) => void seen.bytes.push(...bytes),
    closed: (reason) => void (seen.closed = reason),
    drained() {
      seen.drained++;
    },
  });
  return seen;
}

function streams(clock: SimulatedClock, between: Carrier) {
  const trace = createCountingTrace();
  const [a, b] = between.ends.map((connection) =>
    createDatagramStream({ clock, trace, connection }),
  ) as [SecureConnection, SecureConnection];
  return { a, b, atA: receive(a), atB: receive(b), trace };
}

const pattern = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff);

test('bytes arrive once and in order however datagrams are lost, repeated and overtaken', () => {
  for (let seed = 0; seed < 20; seed++) {
    const clock = createSimulatedClock();
    const prng = createPrng(`stream ${String(seed)}`);
    const between = carrier(clock, () => (prng.below(5) === 0 ? undefined : 1 + prng.below(60)));
    const { a, b, atA, atB } = streams(clock, between);
    const there = pattern(9000);
    const back = pattern(3000);
    for (let at = 0; at < there.length; at += 450) a.send(there.slice(at, at + 450));
    for (let at = 0; at < back.length; at += 30) b.send(back.slice(at, at + 30));
    clock.advance(60_000);
    assert.deepEqual(atB.bytes, [...there], `seed ${String(seed)}`);
    assert.deepEqual(atA.bytes, [...back]);
    assert.equal(a.bufferedBytes + b.bufferedBytes, 0);
    assert.equal(atA.closed, undefined);
    assert.equal(clock.pending, 0);
  }
});

test('an intact network takes no copies, and the window opens', () => {
  const clock = createSimulatedClock();
  const between = carrier(clock);
  const { a, atB, trace } = streams(clock, between);
  a.send(pattern(100 * 100));
  assert.equal(between.sent, 4);
  clock.advance(20);
  assert.equal(between.sent, 4 + 8);
  clock.advance(180);
  assert.equal(atB.bytes.length, 10_000);
  assert.equal(between.sent, 100);
  assert.equal(trace.count('stream_events_total', 'retransmitted'), 0);
});

test('[R6940-6.6.3-02] a whole RTO without acknowledgement leaves one frame under way', () => {
  const clock = createSimulatedClock();
  let silent = false;
  const between = carrier(clock, () => (silent ? undefined : 10));
  const { a } = streams(clock, between);
  a.send(pattern(100 * 40));
  clock.advance(45);
  silent = true;
  clock.advance(30);
  const before = between.sent;
  clock.advance(100);
  // RTO of 100 ms at least: the oldest once more, nothing else.
  assert.equal(between.sent - before, 1);
});

test('a frame that nobody acknowledges is sent again, more and more slowly, then the connection ends', () => {
  const clock = createSimulatedClock();
  const between = carrier(clock, () => undefined);
  const { a, atA } = streams(clock, between);
  a.send(pattern(10));
  // Without a measurement: 500 ms, doubled after each copy, 16 s at most.
  const at: number[] = [];
  let sent = between.sent;
  while (atA.closed === undefined) {
    if (between.sent !== sent) at.push(clock.monotonicMs());
    sent = between.sent;
    assert.ok(clock.monotonicMs() < 60_000);
    clock.advance(100);
  }
  assert.deepEqual(at, [500, 1500, 3500, 7500, 15_500]);
  assert.equal(atA.closed, 'no acknowledgement');
  assert.equal(clock.pending, 0);
});

test('what was sent before a close still arrives, what comes after it does not', () => {
  const clock = createSimulatedClock();
  const { a, atA, atB } = streams(clock, carrier(clock));
  a.send(pattern(2000));
  a.close('done');
  a.send(pattern(5));
  clock.advance(1000);
  assert.equal(atB.bytes.length, 2000);
  assert.deepEqual([atA.closed, atB.closed], ['done', 'done']);
});

test('a close does not wait for a far end that is gone', () => {
  const clock = createSimulatedClock();
  const { a, atA } = streams(
    clock,
    carrier(clock, () => undefined),
  );
  a.send(pattern(2000));
  a.close('done');
  clock.advance(limits.node.closeLingerMs);
  clock.advance(1);
  assert.equal(atA.closed, 'done');
  assert.equal(clock.pending, 0);
});

test('the sender learns when there is room again, and one that never stops is cut off', () => {
  const clock = createSimulatedClock();
  const { a, atA } = streams(
    clock,
    carrier(clock, () => 10, 4096),
  );
  a.send(pattern(limits.node.highWaterBytes + 1));
  clock.advance(60_000);
  assert.equal(atA.drained, 1);
  const stuck = streams(
    clock,
    carrier(clock, () => undefined),
  );
  const chunk = new Uint8Array(1 << 20);
  for (let sent = 0; sent <= limits.node.stuckBytes; sent += chunk.length) stuck.a.send(chunk);
  clock.advance(1);
  assert.equal(stuck.atA.closed, 'the far end does not read');
});

test('frames that are no frames, and data far ahead, are refused and not acknowledged', () => {
  const clock = createSimulatedClock();
  const trace = createCountingTrace();
  const given = Object.assign(createFakeConnection(), { datagramBytes: 112 });
  const at = receive(createDatagramStream({ clock, trace, connection: given }));
  const farAhead = new Uint8Array(8);
  new DataView(farAhead.buffer).setUint32(0, limits.link.reorderBytes + 1);
  const bad = [
    new Uint8Array(0),
    Uint8Array.of(1, 2, 3),
    Uint8Array.of(128, 0, 0, 0, 1, 0, 0, 9, 1),
    encodeDataFrame(1, new Uint8Array(0)),
    encodeDataFrame(1, new Uint8Array(4)),
    encodeDataFrame(1, farAhead),
  ];
  for (const bytes of bad) given.handler.data(bytes);
  given.handler.data(encodeAckFrame(77, 0xffff_ffff));
  assert.equal(given.sent.length, 0);
  assert.equal(trace.count('stream_events_total', 'refused-bad-frame'), bad.length);
  given.handler.data(encodeDataFrame(9, Uint8Array.of(0, 0, 0, 0, 65)));
  assert.deepEqual(at.bytes, [65]);
  assert.deepEqual(decodeFrame(given.sent[0] as Uint8Array), {
    type: 'ack',
    ackSequence: 9,
    received: 0,
  });
});

test('a stream is not made into a stream', () => {
  const connection = createFakeConnection();
  const clock = createSimulatedClock();
  assert.throws(
    () => createDatagramStream({ clock, trace: createCountingTrace(), connection }),
    UsageError,
  );
});

test('pieces are put in order across the turn of the count, and copies change nothing', () => {
  const buffer = createReorderBuffer();
  const step = 0x4_0000;
  const piece = new Uint8Array(step);
  let given = 0;
  for (let offset = 0; offset < 2 ** 32 + 4 * step; offset += step) {
    given += buffer.add(offset >>> 0, piece)?.length ?? 0;
    assert.deepEqual(buffer.add(offset >>> 0, piece), []);
  }
  assert.equal(given, 2 ** 32 / step + 4);
});

test('what comes too early is kept within a bound', () => {
  const buffer = createReorderBuffer();
  const piece = new Uint8Array(1 << 16);
  let kept = 0;
  for (let i = 1; i < 40; i++) if (buffer.add(i * piece.length, piece) !== undefined) kept++;
  assert.equal(kept * piece.length, limits.link.reorderBytes);
  assert.equal(buffer.add(0, piece)?.length, kept + 1);
});

test('the congestion window: slow start, growth by one in a round trip, half after losses, once for each', () => {
  const window = createCongestionWindow();
  const size = (): number => {
    let frames = 0;
    while (window.admits(frames)) frames++;
    return frames;
  };
  assert.equal(size(), 4);
  for (let i = 0; i < 12; i++) window.acknowledged();
  assert.equal(size(), 16);
  window.lost(20, 40);
  window.lost(30, 41);
  assert.equal(size(), 8);
  for (let i = 0; i < 8; i++) window.acknowledged();
  assert.equal(size(), 8);
  window.acknowledged();
  assert.equal(size(), 9);
  window.timedOut();
  assert.equal(size(), 1);
  for (let i = 0; i < 5000; i++) window.acknowledged();
  assert.ok(size() <= limits.link.streamFrames);
});
