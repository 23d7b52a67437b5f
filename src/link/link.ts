/**
 * One overlay link over TLS on TCP with the framing header (overlay link type TLS-TCP-FH-NO-ICE):
 * acknowledgements, round-trip measurement and failure detection. RFC 6940 §6.6.2, §6.6.5.
 */
import { emptyBytes } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { ConnectionHandler, SecureConnection } from '../ports/connection.ts';
import type { Trace } from '../ports/trace.ts';
import { createAckWindow } from './ack-window.ts';
import { createDeframer, type Deframer, type DeframerSink } from './deframer.ts';
import { ackFrameLength, encodeDataFrame, writeAckFrame } from '../wire/reload/framing.ts';
import { linkCounters, type LinkCounters } from './link-counters.ts';
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
  return new StreamLink(dependencies);
}

/** A class, because every peer has one for each neighbor: functions are shared, and memory is the fields. */
class StreamLink implements Link {
  readonly connection: SecureConnection;
  readonly nodeId: NodeId;
  readonly mtuBytes = undefined;
  closed = false;
  suspect = false;
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  readonly #count: LinkCounters;
  readonly #rto = createRtoEstimator();
  readonly #window = createAckWindow();
  readonly #pending = createPendingQueue();
  readonly #deframer: Deframer;
  #nextSequence: number;
  /** True once nothing more is read: closing, or the far end broke the framing rules. */
  #deaf = false;
  #closing = false;
  #timer: Timer | undefined;
  /** Messages of the chunk being read, and pairs of sequence and mask to acknowledge them. */
  #arrived: Uint8Array[] = [];
  #acks: number[] = [];

  constructor(dependencies: LinkDependencies) {
    this.connection = dependencies.connection;
    this.nodeId = dependencies.nodeId;
    this.#clock = dependencies.clock;
    this.#events = dependencies.events;
    this.#count = linkCounters(dependencies.trace);
    this.#nextSequence = this.connection.framesSent ?? 0;
    this.#deframer = createDeframer(dependencies.maxMessageBytes, new Frames(this));
    this.connection.setHandler(new Handler(this));
  }

  get rttMs(): number | undefined {
    return this.#rto.rttMs;
  }

  get rtoMs(): number {
    return this.#rto.rtoMs;
  }

  get unacknowledged(): number {
    return this.#pending.length;
  }

  send(
    message: Uint8Array,
    done?: (acknowledged: boolean) => void,
    rest: Uint8Array = emptyBytes,
  ): boolean {
    if (this.#closing) return false;
    if (
      this.#pending.length >= limits.link.unacknowledgedMessages ||
      this.connection.bufferedBytes + message.length + rest.length > limits.link.bufferedBytes
    ) {
      this.#count.full.add();
      return false;
    }
    const sequence = this.#nextSequence;
    this.#nextSequence = (sequence + 1) >>> 0;
    this.#pending.push({ sequence, sentAtMs: this.#clock.monotonicMs(), done });
    this.#count.sent.add();
    this.connection.send(encodeDataFrame(sequence, message, rest));
    if (this.#timer === undefined) this.#watch(this.#rto.rtoMs);
    return true;
  }

  close(reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#deaf = true;
    this.connection.close(reason);
  }

  /** The next bytes of the stream. */
  read(bytes: Uint8Array): void {
    if (this.#deaf) return;
    this.#deframer.push(bytes);
    if (this.#closing) return;
    this.#flushAcks();
    this.#deliver();
  }

  /** The connection has ended. */
  end(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.#closing = true;
    this.#deaf = true;
    this.#timer?.cancel();
    for (;;) {
      const pending = this.#pending.shift();
      if (pending === undefined) break;
      const done = pending.done;
      pending.done = undefined;
      done?.(false);
    }
    this.#events.closed(reason);
  }

  /** One message has been read. */
  note(sequence: number, message: Uint8Array): void {
    this.#acks.push(sequence, this.#window.note(sequence));
    this.#arrived.push(message);
  }

  /** On an ordered stream the acknowledgement of N covers everything before N. */
  acknowledge(sequence: number): void {
    const newest = this.#pending.last();
    if (newest === undefined || ((newest.sequence - sequence) | 0) < 0) {
      this.#count.strayAck.add();
      return;
    }
    let acked = this.#pending.first();
    if (acked === undefined || ((sequence - acked.sequence) | 0) < 0) {
      this.#count.strayAck.add();
      return;
    }
    while (acked !== undefined && ((sequence - acked.sequence) | 0) >= 0) {
      this.#pending.shift();
      if (acked.sequence === sequence) {
        this.#rto.sample(this.#clock.monotonicMs() - acked.sentAtMs);
      }
      const done = acked.done;
      acked.done = undefined;
      done?.(true);
      acked = this.#pending.first();
    }
    if (this.suspect && !this.#closing) {
      this.suspect = false;
      this.#count.resumed.add();
      this.#events.suspect(false);
    }
  }

  refuseOversized(prefix: Uint8Array | undefined): void {
    this.#count.oversized.add();
    this.#flushAcks();
    this.#deliver();
    if (this.#deaf) return;
    if (prefix === undefined) {
      this.close('forwarding header above max-message-size');
      return;
    }
    this.#deaf = true;
    this.#clock.after('link-oversized', limits.link.oversizedGraceMs, () => {
      this.close('message above max-message-size');
    });
    this.#events.oversized(prefix);
  }

  refuseFrame(type: number): void {
    this.#count.badFrame.add();
    this.close(`unknown frame type ${String(type)}`);
  }

  /** Acks leave before the messages are handled, so that handling time is not in the sender's RTT. */
  #flushAcks(): void {
    const acks = this.#acks;
    if (acks.length === 0) return;
    this.#acks = [];
    const frames = new Uint8Array((acks.length / 2) * ackFrameLength);
    for (let i = 0; i < acks.length; i += 2) {
      writeAckFrame(frames, (i / 2) * ackFrameLength, acks[i] ?? 0, acks[i + 1] ?? 0);
    }
    if (this.connection.bufferedBytes > limits.link.bufferedBytes) {
      this.#count.full.add();
      this.close('the far end does not read');
      return;
    }
    this.connection.send(frames);
  }

  #deliver(): void {
    const messages = this.#arrived;
    if (messages.length === 0) return;
    this.#arrived = [];
    for (const message of messages) {
      if (this.#deaf) return;
      this.#count.received.add();
      if (message.length > 0) this.#events.message(message);
      else this.#count.empty.add();
    }
  }

  /** One lazy timer: it looks at the oldest message and arms itself again for what is left. */
  #watch(delayMs: number): void {
    this.#timer = this.#clock.after('link-ack', delayMs, () => {
      this.#check();
    });
  }

  #check(): void {
    this.#timer = undefined;
    const oldest = this.#pending.first();
    if (this.#closing || oldest === undefined) return;
    const now = this.#clock.monotonicMs();
    const waitedMs = now - oldest.sentAtMs;
    const { rtoMs } = this.#rto;
    if (waitedMs < rtoMs) {
      this.#watch(rtoMs - waitedMs);
      return;
    }
    if (waitedMs >= rtoMs + limits.link.suspectKeptMs) {
      this.#count.failed.add();
      this.close('no acknowledgement');
      return;
    }
    if (!this.suspect) {
      this.suspect = true;
      this.#count.suspected.add();
      this.#events.suspect(true);
    }
    this.#watch(this.#reportLate(now));
  }

  /** Tells the senders of late messages; returns when to look again. */
  #reportLate(now: number): number {
    const { rtoMs } = this.#rto;
    let wakeMs = Infinity;
    for (let i = 0; ; i++) {
      const pending = this.#pending.at(i);
      if (pending === undefined) break;
      const leftMs = pending.sentAtMs + rtoMs - now;
      if (leftMs > 0) {
        wakeMs = leftMs;
        break;
      }
      const done = pending.done;
      pending.done = undefined;
      done?.(false);
    }
    const oldest = this.#pending.first();
    const closeMs =
      oldest === undefined ? rtoMs : oldest.sentAtMs + rtoMs + limits.link.suspectKeptMs - now;
    return Math.max(1, Math.min(wakeMs, closeMs));
  }
}

/** What the connection calls. */
class Handler implements ConnectionHandler {
  readonly #link: StreamLink;

  constructor(link: StreamLink) {
    this.#link = link;
  }

  data(bytes: Uint8Array): void {
    this.#link.read(bytes);
  }

  closed(reason: string): void {
    this.#link.end(reason);
  }
}

/** What the deframer calls. */
class Frames implements DeframerSink {
  readonly #link: StreamLink;

  constructor(link: StreamLink) {
    this.#link = link;
  }

  data(sequence: number, message: Uint8Array): void {
    this.#link.note(sequence, message);
  }

  ack(sequence: number): void {
    this.#link.acknowledge(sequence);
  }

  oversized(prefix: Uint8Array | undefined): void {
    this.#link.refuseOversized(prefix);
  }

  invalid(type: number): void {
    this.#link.refuseFrame(type);
  }
}
