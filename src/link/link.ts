/**
 * One overlay link over TLS on TCP with the framing header (overlay link type TLS-TCP-FH-NO-ICE):
 * acknowledgements, round-trip measurement and failure detection. RFC 6940 §6.6.2, §6.6.5.
 */
import { emptyBytes } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { SecureConnection } from '../ports/connection.ts';
import type { Trace } from '../ports/trace.ts';
import { createAckWindow } from './ack-window.ts';
import { createDeframer } from './deframer.ts';
import type { DeframerSink } from './deframer.ts';
import { ackFrameLength, encodeDataFrame, writeAckFrame } from '../wire/reload/framing.ts';
import { linkCounters } from './link-counters.ts';
import { createPendingQueue } from './pending-queue.ts';
import { createRtoEstimator } from './rto.ts';

export interface Link {
  readonly connection: SecureConnection;
  /** The Node-ID of the far end, as proved by its certificate. */
  readonly nodeId: NodeId;
  readonly closed: boolean;
  /** True from a missed acknowledgement until acknowledgements resume. */
  readonly suspect: boolean;
  /** Smoothed round-trip time; `undefined` before the first acknowledgement. */
  readonly rttMs: number | undefined;
  readonly rtoMs: number;
  /** Messages sent and not yet acknowledged. */
  readonly unacknowledged: number;
  /** Largest message that one datagram holds (bytes); `undefined`: the link is a stream. */
  readonly mtuBytes: number | undefined;
  /**
   * Sends one message (or fragment), given as a whole or as its beginning and its `rest`. False, with
   * nothing sent and no `done`, when the link is closed or its queue is full. `done` is called later,
   * once: true when the far end acknowledged, false when the acknowledgement was late or the link
   * closed first.
   */
  send(message: Uint8Array, done?: (acknowledged: boolean) => void, rest?: Uint8Array): boolean;
  /** Sends what is queued, then closes; `events.closed` follows. Idempotent. */
  close(reason: string): void;
}

export interface LinkEvents {
  /** One whole framed message, not empty. May be a view into a larger buffer that nobody else writes to. */
  message(bytes: Uint8Array): void;
  /**
   * The far end sends a message above the limit. `prefix` holds at least its whole forwarding header.
   * Nothing more is read; answer with Error_Message_Too_Large and close (§6.6). Without a close
   * within one second the link closes itself.
   */
  oversized(prefix: Uint8Array): void;
  /** The link stopped (true) or resumed (false) acknowledging; take it out of, or back into, the Routing Table. */
  suspect(suspect: boolean): void;
  /** The last event, also after our own close. */
  closed(reason: string): void;
}

export interface LinkDependencies {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly connection: SecureConnection;
  readonly nodeId: NodeId;
  /** max-message-size of the current configuration, bytes; read for every frame. */
  readonly maxMessageBytes: () => number;
  readonly events: LinkEvents;
}

/**
 * Takes over the connection (sets its handler). The owner learns everything through `events`,
 * none of which is called inside `createLink` or inside `send`.
 */
export function createLink(dependencies: LinkDependencies): Link {
  const { clock, connection, events } = dependencies;
  const count = linkCounters(dependencies.trace);
  const rto = createRtoEstimator();
  const window = createAckWindow();
  const unacknowledged = createPendingQueue();
  let nextSequence = connection.framesSent ?? 0;
  /** True once nothing more is read: closing, or the far end broke the framing rules. */
  let deaf = false;
  let closing = false;
  let timer: Timer | undefined;
  /** Messages of the chunk being read, and pairs of sequence and mask to acknowledge them. */
  let arrived: Uint8Array[] = [];
  let acks: number[] = [];

  const sink: DeframerSink = {
    data(sequence, message) {
      acks.push(sequence, window.note(sequence));
      arrived.push(message);
    },
    ack: (sequence) => {
      acknowledge(sequence);
    },
    oversized(prefix) {
      count.oversized.add();
      flushAcks();
      deliver();
      if (deaf) return;
      if (prefix === undefined) {
        close('forwarding header above max-message-size');
        return;
      }
      deaf = true;
      clock.after('link-oversized', limits.link.oversizedGraceMs, () => {
        close('message above max-message-size');
      });
      events.oversized(prefix);
    },
    invalid(type) {
      count.badFrame.add();
      close(`unknown frame type ${String(type)}`);
    },
  };
  const deframer = createDeframer(
    () => Math.min(dependencies.maxMessageBytes(), limits.reloadMessageBytes),
    sink,
  );

  /** Acks leave before the messages are handled, so that handling time is not in the sender's RTT. */
  function flushAcks(): void {
    if (acks.length === 0) return;
    const frames = new Uint8Array((acks.length / 2) * ackFrameLength);
    for (let i = 0; i < acks.length; i += 2) {
      writeAckFrame(frames, (i / 2) * ackFrameLength, acks[i] ?? 0, acks[i + 1] ?? 0);
    }
    acks = [];
    if (connection.bufferedBytes > limits.link.bufferedBytes) {
      count.full.add();
      close('the far end does not read');
      return;
    }
    connection.send(frames);
  }

  function deliver(): void {
    if (arrived.length === 0) return;
    const messages = arrived;
    arrived = [];
    for (const message of messages) {
      if (deaf) return;
      count.received.add();
      if (message.length > 0) events.message(message);
      else count.empty.add();
    }
  }

  /** On an ordered stream the acknowledgement of N covers everything before N. */
  function acknowledge(sequence: number): void {
    const newest = unacknowledged.last();
    if (newest === undefined || ((newest.sequence - sequence) | 0) < 0) {
      count.strayAck.add();
      return;
    }
    let acked = unacknowledged.first();
    if (acked === undefined || ((sequence - acked.sequence) | 0) < 0) {
      count.strayAck.add();
      return;
    }
    while (acked !== undefined && ((sequence - acked.sequence) | 0) >= 0) {
      unacknowledged.shift();
      if (acked.sequence === sequence) measure(acked.sentAtMs);
      const done = acked.done;
      acked.done = undefined;
      done?.(true);
      acked = unacknowledged.first();
    }
    link.unacknowledged = unacknowledged.length;
    if (link.suspect && !closing) {
      link.suspect = false;
      count.resumed.add();
      events.suspect(false);
    }
  }

  function measure(sentAtMs: number): void {
    rto.sample(clock.monotonicMs() - sentAtMs);
    link.rttMs = rto.rttMs;
    link.rtoMs = rto.rtoMs;
  }

  /** One lazy timer: it looks at the oldest message and arms itself again for what is left. */
  function watch(delayMs: number): void {
    timer = clock.after('link-ack', delayMs, check);
  }

  function check(): void {
    timer = undefined;
    const oldest = unacknowledged.first();
    if (closing || oldest === undefined) return;
    const now = clock.monotonicMs();
    const waitedMs = now - oldest.sentAtMs;
    if (waitedMs < rto.rtoMs) {
      watch(rto.rtoMs - waitedMs);
      return;
    }
    if (waitedMs >= rto.rtoMs + limits.link.suspectKeptMs) {
      count.failed.add();
      close('no acknowledgement');
      return;
    }
    if (!link.suspect) {
      link.suspect = true;
      count.suspected.add();
      events.suspect(true);
    }
    watch(reportLate(now));
  }

  /** Tells the senders of late messages; returns when to look again. */
  function reportLate(now: number): number {
    let wakeMs = Infinity;
    for (let i = 0; ; i++) {
      const pending = unacknowledged.at(i);
      if (pending === undefined) break;
      const leftMs = pending.sentAtMs + rto.rtoMs - now;
      if (leftMs > 0) {
        wakeMs = leftMs;
        break;
      }
      const done = pending.done;
      pending.done = undefined;
      done?.(false);
    }
    const oldest = unacknowledged.first();
    const closeMs =
      oldest === undefined
        ? rto.rtoMs
        : oldest.sentAtMs + rto.rtoMs + limits.link.suspectKeptMs - now;
    return Math.max(1, Math.min(wakeMs, closeMs));
  }

  function close(reason: string): void {
    if (closing) return;
    closing = true;
    deaf = true;
    connection.close(reason);
  }

  connection.setHandler({
    data(bytes) {
      if (deaf) return;
      deframer.push(bytes);
      if (closing) return;
      flushAcks();
      deliver();
    },
    closed(reason) {
      if (link.closed) return;
      link.closed = true;
      closing = true;
      deaf = true;
      timer?.cancel();
      for (;;) {
        const pending = unacknowledged.shift();
        if (pending === undefined) break;
        const done = pending.done;
        pending.done = undefined;
        done?.(false);
      }
      link.unacknowledged = 0;
      events.closed(reason);
    },
  });

  // Fields and no accessors: V8 keeps objects with accessors of their own in slow mode.
  const link: { -readonly [Key in keyof Link]: Link[Key] } = {
    connection,
    nodeId: dependencies.nodeId,
    closed: false,
    suspect: false,
    rttMs: undefined,
    rtoMs: rto.rtoMs,
    unacknowledged: 0,
    mtuBytes: undefined,
    send(message, done, rest = emptyBytes) {
      if (closing) return false;
      if (
        unacknowledged.length >= limits.link.unacknowledgedMessages ||
        connection.bufferedBytes + message.length + rest.length > limits.link.bufferedBytes
      ) {
        count.full.add();
        return false;
      }
      const sequence = nextSequence;
      nextSequence = (nextSequence + 1) >>> 0;
      unacknowledged.push({ sequence, sentAtMs: clock.monotonicMs(), done });
      count.sent.add();
      connection.send(encodeDataFrame(sequence, message, rest));
      link.unacknowledged = unacknowledged.length;
      if (timer === undefined) watch(rto.rtoMs);
      return true;
    },
    close,
  };
  return link;
}
