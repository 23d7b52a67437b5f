/**
 * A byte stream over DTLS datagrams, for applications that need one (SIP): the framing header and
 * acknowledgements of RFC 6940 §6.6.2 with a sender that keeps several frames under way. Each frame
 * carries the place of its bytes in the stream (u32), so that copies and overtaking do no harm.
 */
import { UsageError } from '../base/assert.ts';
import { limits } from '../base/limits.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { ConnectionHandler, SecureConnection } from '../ports/connection.ts';
import type { Trace } from '../ports/trace.ts';
import { attempt } from '../wire/codec.ts';
import {
  dataFrameHeaderLength,
  decodeFrame,
  encodeAckFrame,
  encodeDataFrame,
} from '../wire/reload/framing.ts';
import { createAckWindow } from './ack-window.ts';
import { createCongestionWindow } from './congestion-window.ts';
import { createReorderBuffer } from './reorder-buffer.ts';
import { createRtoEstimator } from './rto.ts';

export interface DatagramStreamDependencies {
  readonly clock: Clock;
  readonly trace: Trace;
  /** A connection with `datagramBytes`. */
  readonly connection: SecureConnection;
}

const offsetBytes = 4;
/** Frames sent later and acknowledged earlier that make a frame count as lost. */
const overtakenBy = 3;
/** The wait for an acknowledgement doubles so often at most. */
const maxDoublings = 5;

interface Segment {
  readonly offset: Uint8Array;
  readonly bytes: Uint8Array;
  readonly firstSentMs: number;
  /** Sequence numbers of all copies, each with the time it left. */
  readonly copies: Map<number, number>;
  newest: number;
  sentAtMs: number;
}

/** The same connection as a stream; throws UsageError when it is one already. */
export function createDatagramStream(dependencies: DatagramStreamDependencies): SecureConnection {
  const { clock, connection } = dependencies;
  const { datagramBytes } = connection;
  if (datagramBytes === undefined) throw new UsageError('the connection is a stream');
  const payloadBytes = datagramBytes - dataFrameHeaderLength - offsetBytes;
  const event = (name: string) =>
    dependencies.trace.counter('stream_events_total', { event: name });
  const retransmitted = event('retransmitted');
  const failed = event('failed');
  const refused = event('refused-bad-frame');
  const rto = createRtoEstimator({
    initialMs: limits.link.datagramInitialRtoMs,
    minimumMs: limits.link.datagramMinimumRtoMs,
  });
  if (connection.stunRttMs !== undefined) rto.sample(connection.stunRttMs);
  const congestion = createCongestionWindow();
  const received = createAckWindow();
  const incoming = createReorderBuffer();
  /** Bytes not sent yet. */
  const queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let flyingBytes = 0;
  let nextOffset = 0;
  let nextSequence = 0;
  /** In the order of their newest copies. */
  const flying = new Set<Segment>();
  /** To be sent again, the oldest first. */
  const lost = new Set<Segment>();
  const bySequence = new Map<number, Segment>();
  /** In a row, without an acknowledgement between them. */
  let timeouts = 0;
  let timer: Timer | undefined;
  let handler: ConnectionHandler | undefined;
  let aboveHighWater = false;
  /** Set by our close: what is queued still goes out. */
  let closing: { readonly reason: string; readonly timer: Timer } | undefined;
  let ended = false;

  /** Sends what the window admits: first what is lost, then what is new. */
  function fill(): void {
    while (!ended && congestion.admits(flying.size)) {
      const next = firstOf(lost) ?? newSegment();
      if (next === undefined) break;
      lost.delete(next);
      transmit(next);
    }
    if (timer === undefined) watch();
  }

  function newSegment(): Segment | undefined {
    if (queuedBytes === 0) return undefined;
    const bytes = takeQueued();
    const offset = new Uint8Array(offsetBytes);
    new DataView(offset.buffer).setUint32(0, nextOffset);
    nextOffset = (nextOffset + bytes.length) >>> 0;
    flyingBytes += bytes.length;
    const firstSentMs = clock.monotonicMs();
    return { offset, bytes, firstSentMs, copies: new Map(), newest: 0, sentAtMs: 0 };
  }

  /** As much as one datagram holds, whole when it fits. */
  function takeQueued(): Uint8Array {
    const length = Math.min(queuedBytes, payloadBytes);
    const first = queue[0] as Uint8Array;
    queuedBytes -= length;
    if (first.length === length) return queue.shift() as Uint8Array;
    const taken = new Uint8Array(length);
    for (let have = 0; have < length;) {
      const next = queue[0] as Uint8Array;
      const part = next.subarray(0, length - have);
      taken.set(part, have);
      have += part.length;
      if (part.length === next.length) queue.shift();
      else queue[0] = next.subarray(part.length);
    }
    return taken;
  }

  function transmit(segment: Segment): void {
    const sequence = nextSequence;
    nextSequence = (nextSequence + 1) >>> 0;
    segment.newest = sequence;
    segment.sentAtMs = clock.monotonicMs();
    if (segment.copies.size > 0) retransmitted.add();
    segment.copies.set(sequence, segment.sentAtMs);
    bySequence.set(sequence, segment);
    flying.add(segment);
    connection.send(encodeDataFrame(sequence, segment.offset, segment.bytes));
  }

  function watch(): void {
    timer?.cancel();
    timer = undefined;
    const oldest = firstOf(flying);
    if (oldest === undefined || ended) return;
    const dueMs = oldest.sentAtMs + rto.rtoMs * 2 ** Math.min(timeouts, maxDoublings);
    const delayMs = Math.max(1, dueMs - clock.monotonicMs());
    timer = clock.after('stream-retransmission', delayMs, () => {
      timer = undefined;
      timedOut(oldest);
    });
  }

  /** Nothing under way counts as delivered any more (RFC 6298 §5.4 to §5.6). */
  function timedOut(oldest: Segment): void {
    if (clock.monotonicMs() - oldest.firstSentMs >= limits.link.suspectKeptMs) {
      failed.add();
      end('no acknowledgement');
      return;
    }
    timeouts++;
    congestion.timedOut();
    for (const segment of flying) lost.add(segment);
    flying.clear();
    fill();
  }

  function acknowledged(sequence: number): void {
    const segment = bySequence.get(sequence);
    const sentAtMs = segment?.copies.get(sequence);
    if (segment === undefined || sentAtMs === undefined) return;
    flying.delete(segment);
    lost.delete(segment);
    timeouts = 0;
    for (const copy of segment.copies.keys()) bySequence.delete(copy);
    flyingBytes -= segment.bytes.length;
    rto.sample(clock.monotonicMs() - sentAtMs);
    congestion.acknowledged();
    giveUpOvertaken(sequence);
    watch();
    fill();
    if (aboveHighWater && bufferedBytes() <= limits.node.lowWaterBytes) {
      aboveHighWater = false;
      handler?.drained?.();
    }
    if (closing !== undefined && bufferedBytes() === 0) end(closing.reason);
  }

  /** Those under way are in the order of their newest copies, so the overtaken ones come first. */
  function giveUpOvertaken(sequence: number): void {
    const before = lost.size;
    for (const segment of flying) {
      if (((sequence - segment.newest) | 0) < overtakenBy) break;
      flying.delete(segment);
      lost.add(segment);
    }
    if (lost.size > before) congestion.lost(sequence, nextSequence);
  }

  function receive(datagram: Uint8Array): void {
    const decoded = attempt(() => decodeFrame(datagram));
    if (!decoded.ok) {
      refused.add();
      return;
    }
    const frame = decoded.value;
    if (frame.type === 'ack') {
      acknowledged(frame.ackSequence);
      return;
    }
    const { message, sequence } = frame;
    if (message.length <= offsetBytes) {
      refused.add();
      return;
    }
    const offset = new DataView(message.buffer, message.byteOffset).getUint32(0);
    const ready = incoming.add(offset, message.subarray(offsetBytes));
    if (ready === undefined) {
      refused.add();
      return;
    }
    connection.send(encodeAckFrame(sequence, received.note(sequence)));
    for (const bytes of ready) if (closing === undefined && !ended) handler?.data(bytes);
  }

  function bufferedBytes(): number {
    return queuedBytes + flyingBytes;
  }

  /** Closes what is below; its `closed` ends this stream. */
  function end(reason: string): void {
    if (ended) return;
    ended = true;
    timer?.cancel();
    closing?.timer.cancel();
    connection.close(reason);
  }

  return {
    role: connection.role,
    local: connection.local,
    remote: connection.remote,
    peerChain: connection.peerChain,
    ...(connection.sharedSecret === undefined ? {} : { sharedSecret: connection.sharedSecret }),
    get bufferedBytes() {
      return bufferedBytes();
    },
    setHandler(given) {
      handler = given;
      connection.setHandler({
        data: (datagram) => {
          if (!ended) receive(datagram);
        },
        closed(reason) {
          ended = true;
          timer?.cancel();
          closing?.timer.cancel();
          given.closed(closing?.reason ?? reason);
        },
      });
    },
    send(bytes) {
      if (ended || closing !== undefined || bytes.length === 0) return;
      if (bufferedBytes() + bytes.length > limits.node.stuckBytes) {
        end('the far end does not read');
        return;
      }
      queue.push(bytes);
      queuedBytes += bytes.length;
      if (bufferedBytes() > limits.node.highWaterBytes) aboveHighWater = true;
      fill();
    },
    close(reason) {
      if (ended || closing !== undefined) return;
      if (bufferedBytes() === 0) {
        end(reason);
        return;
      }
      closing = {
        reason,
        timer: clock.after('stream-linger', limits.node.closeLingerMs, () => end(reason)),
      };
    },
  };
}

function firstOf<T>(set: ReadonlySet<T>): T | undefined {
  for (const element of set) return element;
  return undefined;
}
