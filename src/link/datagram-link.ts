/**
 * One overlay link over DTLS on UDP with the framing header and simple reliability (overlay link
 * types DTLS-UDP-SR and DTLS-UDP-SR-NO-ICE): one message at a time, repeated until acknowledged.
 * RFC 6940 §6.6.3, A-15.
 */
import { concatBytes, emptyBytes } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { Timer } from '../ports/clock.ts';
import { attempt } from '../wire/codec.ts';
import {
  dataFrameHeaderLength,
  decodeFrame,
  encodeAckFrame,
  encodeDataFrame,
} from '../wire/reload/framing.ts';
import { createAckWindow } from './ack-window.ts';
import { linkCounters } from './link-counters.ts';
import type { Link, LinkDependencies } from './link.ts';
import { createRtoEstimator } from './rto.ts';

export interface DatagramLinkDependencies extends LinkDependencies {
  /** Round trip of the STUN transaction that set the path up, if there was one. */
  readonly stunRttMs?: number;
  /** RTO before the first measurement, for networks that are known to be slow. */
  readonly initialRtoMs?: number;
}

/** §6.6.3.1: every message is sent so often at most. */
const maxTransmissions = 5;
/** Copies without an acknowledgement after which the link leaves the Routing Table. */
const suspectTransmissions = 4;
/** Copies of one message from which on its acknowledgements may tell of a silence and not of the path. */
const doubtfulTransmissions = 3;
/** Between an acknowledgement and the next message. */
const gapMs = 10;
/** Sequence numbers whose time is remembered. */
const rememberedSends = 32;

interface Waiting {
  readonly message: Uint8Array;
  readonly sinceMs: number;
  done: ((acknowledged: boolean) => void) | undefined;
}

/**
 * Takes over a connection whose `data` come as whole datagrams. As with stream links nothing of
 * `events` is called inside this function or inside `send`.
 */
export function createDatagramLink(dependencies: DatagramLinkDependencies): Link {
  const { clock, connection, events } = dependencies;
  const count = linkCounters(dependencies.trace);
  const rto = createRtoEstimator({
    initialMs: dependencies.initialRtoMs ?? limits.link.datagramInitialRtoMs,
    minimumMs: limits.link.datagramMinimumRtoMs,
  });
  if (dependencies.stunRttMs !== undefined) rto.sample(dependencies.stunRttMs);
  const window = createAckWindow();
  /** The first is on its way, unless a gap is being kept. */
  const queue: Waiting[] = [];
  let queuedBytes = 0;
  /** Copies of the first message sent so far, and when each sequence number left. */
  let copies = 0;
  let ownSequences: number[] = [];
  const sentAtMs = new Map<number, number>();
  let nextSequence = 0;
  let nextSendMs = -Infinity;
  /** The last acknowledgement has not been taken for a measurement. */
  let passedOver = false;
  let suspect = false;
  let deaf = false;
  let closing = false;
  let closed = false;
  let timer: Timer | undefined;

  function sendFirst(): void {
    timer = undefined;
    const [first] = queue;
    if (first === undefined || closing) return;
    if (copies >= maxTransmissions) {
      count.failed.add();
      close('no acknowledgement');
      return;
    }
    const sequence = nextSequence;
    nextSequence = (nextSequence + 1) >>> 0;
    remember(sequence);
    connection.send(encodeDataFrame(sequence, first.message));
    // The wait doubles with every copy.
    timer = clock.after('link-retransmission', rto.rtoMs * 2 ** copies, sendFirst);
    copies++;
    if (copies > 1) count.retransmitted.add();
    if (copies === suspectTransmissions) beginSuspicion();
  }

  function remember(sequence: number): void {
    ownSequences.push(sequence);
    sentAtMs.set(sequence, clock.monotonicMs());
    for (const oldest of sentAtMs.keys()) {
      if (sentAtMs.size <= rememberedSends) break;
      sentAtMs.delete(oldest);
    }
  }

  function beginSuspicion(): void {
    if (!suspect) {
      suspect = true;
      count.suspected.add();
      events.suspect(true);
    }
    for (const waiting of [...queue]) settle(waiting, false);
  }

  function settle(waiting: Waiting, acknowledged: boolean): void {
    const { done } = waiting;
    waiting.done = undefined;
    done?.(acknowledged);
  }

  function acknowledge(sequence: number): void {
    const leftMs = sentAtMs.get(sequence);
    if (leftMs === undefined) {
      count.strayAck.add();
      return;
    }
    sentAtMs.delete(sequence);
    const now = clock.monotonicMs();
    const [first] = queue;
    const isFirst = first !== undefined && ownSequences.includes(sequence);
    if (isFirst && copies >= doubtfulTransmissions) measureAfterSilence(now - leftMs);
    else measure(now - leftMs);
    if (isFirst) {
      queue.shift();
      queuedBytes -= first.message.length;
      timer?.cancel();
      timer = undefined;
      copies = 0;
      ownSequences = [];
      nextSendMs = now + gapMs;
      schedule();
      settle(first, true);
    }
    if (suspect && !closing) {
      suspect = false;
      count.resumed.add();
      events.suspect(false);
    }
  }

  function measure(rttMs: number): void {
    passedOver = false;
    rto.sample(rttMs);
  }

  /**
   * A far end that stood still answers all copies at once. Were that taken for the path, a datagram lost
   * next would hold up the link for many seconds; RFC 6298 §5 leaves such values out. Not twice in a row:
   * the path may have become that slow.
   */
  function measureAfterSilence(rttMs: number): void {
    if (rto.rttMs === undefined || passedOver) {
      measure(rttMs);
      return;
    }
    passedOver = true;
    sentAtMs.clear();
  }

  /** Sends the first message as soon as the gap allows, unless it is on its way. */
  function schedule(): void {
    if (timer !== undefined || queue.length === 0 || closing) return;
    const waitMs = nextSendMs - clock.monotonicMs();
    if (waitMs <= 0) sendFirst();
    else timer = clock.after('link-gap', waitMs, sendFirst);
  }

  /**
   * Where messages wait for each other, a long queue only delays what others could carry. One whose
   * first has waited long is not a burst but more than the link can carry: were requests to wait in
   * it until their senders send them again, the copies would keep it full for ever.
   */
  function hasRoom(length: number): boolean {
    const { unacknowledgedMessages, bufferedBytes, datagramQueueMessages, datagramQueueMs } =
      limits.link;
    if (queue.length >= unacknowledgedMessages || queuedBytes + length > bufferedBytes)
      return false;
    const [first] = queue;
    if (first !== undefined && clock.monotonicMs() - first.sinceMs > limits.link.datagramWaitMs)
      return false;
    if (queue.length < datagramQueueMessages) return true;
    return rto.rttMs !== undefined && queue.length * (rto.rttMs + gapMs) < datagramQueueMs;
  }

  function receive(datagram: Uint8Array): void {
    const decoded = attempt(() => decodeFrame(datagram));
    if (!decoded.ok) {
      count.badFrame.add();
      return;
    }
    const frame = decoded.value;
    if (frame.type === 'ack') {
      acknowledge(frame.ackSequence);
      return;
    }
    connection.send(encodeAckFrame(frame.sequence, window.note(frame.sequence)));
    count.received.add();
    const { message } = frame;
    if (message.length === 0) count.empty.add();
    else if (message.length <= dependencies.maxMessageBytes()) events.message(message);
    else refuseOversized(message);
  }

  function refuseOversized(message: Uint8Array): void {
    count.oversized.add();
    deaf = true;
    clock.after('link-oversized', limits.link.oversizedGraceMs, () => {
      close('message above max-message-size');
    });
    events.oversized(message);
  }

  function close(reason: string): void {
    if (closing) return;
    closing = true;
    deaf = true;
    connection.close(reason);
  }

  connection.setHandler({
    data(datagram) {
      if (!deaf) receive(datagram);
    },
    closed(reason) {
      if (closed) return;
      closed = true;
      closing = true;
      deaf = true;
      timer?.cancel();
      for (const waiting of queue.splice(0)) settle(waiting, false);
      queuedBytes = 0;
      events.closed(reason);
    },
  });

  return {
    connection,
    nodeId: dependencies.nodeId,
    get closed() {
      return closed;
    },
    get suspect() {
      return suspect;
    },
    get rttMs() {
      return rto.rttMs;
    },
    get rtoMs() {
      return rto.rtoMs;
    },
    get unacknowledged() {
      return queue.length;
    },
    mtuBytes:
      connection.datagramBytes === undefined
        ? undefined
        : connection.datagramBytes - dataFrameHeaderLength,
    send(message, done, rest = emptyBytes) {
      if (closing) return false;
      const length = message.length + rest.length;
      if (!hasRoom(length)) {
        count.full.add();
        return false;
      }
      queuedBytes += length;
      queue.push({
        message: rest.length === 0 ? message : concatBytes([message, rest]),
        sinceMs: clock.monotonicMs(),
        done,
      });
      count.sent.add();
      schedule();
      return true;
    },
    close,
  };
}
