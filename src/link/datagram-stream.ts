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
/** As on links: every frame is sent so often at most. */
const maxTransmissions = 5;
/** Frames sent later and acknowledged earlier that make a frame count as lost. */
const overtakenBy = 3;

interface Segment {
  readonly offset: Uint8Array;
  readonly bytes: Uint8Array;
  /** Of the newest copy. */
  sequence: number;
  sentAtMs: number;
  copies: number;
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
  let flying: Segment[] = [];
  let timer: Timer | undefined;
  let handler: ConnectionHandler | undefined;
  let aboveHighWater = false;
  /** Set by our close: what is queued still goes out. */
  let closing: { readonly reason: string; readonly timer: Timer } | undefined;
  let ended = false;

  function fill(): void {
    while (!ended && queuedBytes > 0 && congestion.admits(flying.length)) {
      const bytes = takeQueued();
      const offset = new Uint8Array(offsetBytes);
      new DataView(offset.buffer).setUint32(0, nextOffset);
      nextOffset = (nextOffset + bytes.length) >>> 0;
      flyingBytes += bytes.length;
      transmit({ offset, bytes, sequence: 0, sentAtMs: 0, copies: 0 });
    }
    if (timer === undefined) watch();
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
    segment.sequence = nextSequence;
    nextSequence = (nextSequence + 1) >>> 0;
    segment.sentAtMs = clock.monotonicMs();
    if (segment.copies++ > 0) retransmitted.add();
    flying.push(segment);
    connection.send(encodeDataFrame(segment.sequence, segment.offset, segment.bytes));
  }

  function watch(): void {
    timer?.cancel();
    timer = undefined;
    const [oldest] = flying;
    if (oldest === undefined || ended) return;
    const waitMs = rto.rtoMs * 2 ** (oldest.copies - 1);
    const leftMs = oldest.sentAtMs + waitMs - clock.monotonicMs();
    timer = clock.after('stream-retransmission', Math.max(1, leftMs), () => {
      timer = undefined;
      const now = clock.monotonicMs();
      if (now - oldest.sentAtMs >= waitMs && flying.includes(oldest)) {
        congestion.timedOut();
        repeat(oldest);
      }
      watch();
    });
  }

  function repeat(segment: Segment): void {
    if (segment.copies >= maxTransmissions) {
      failed.add();
      end('no acknowledgement');
      return;
    }
    flying = flying.filter((other) => other !== segment);
    transmit(segment);
  }

  function acknowledged(sequence: number): void {
    const index = flying.findIndex((segment) => segment.sequence === sequence);
    const segment = flying[index];
    if (segment === undefined) return;
    flying.splice(index, 1);
    flyingBytes -= segment.bytes.length;
    rto.sample(clock.monotonicMs() - segment.sentAtMs);
    congestion.acknowledged();
    const overtaken = flying.filter(
      (other) =>
        ((sequence - other.sequence) | 0) >= overtakenBy && other.copies < maxTransmissions,
    );
    if (overtaken.length > 0) congestion.lost(sequence, nextSequence);
    for (const late of overtaken) repeat(late);
    watch();
    fill();
    if (aboveHighWater && bufferedBytes() <= limits.node.lowWaterBytes) {
      aboveHighWater = false;
      handler?.drained?.();
    }
    if (closing !== undefined && bufferedBytes() === 0) end(closing.reason);
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
