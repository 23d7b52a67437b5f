import { emptyBytes } from '../../base/bytes.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Timer } from '../../ports/clock.ts';
import type { SipRequest, SipResponse } from '../message/types.ts';
import type { MachineContext } from './machine.ts';
import { ReplyPath } from './reply-path.ts';
import type { ReplySender } from './reply-path.ts';
import type { ServerTransaction } from './types.ts';

/** What the layer asks of whatever stands in its table for a request. */
export interface ServerEntry {
  readonly toTag: string;
  /** The same request came again. */
  retransmitted(flow: Flow): void;
  /** A CANCEL came for it. */
  cancelReceived(): void;
  /** An ACK came for it: true when it is consumed here, false when it acknowledges a 2xx. */
  ackReceived(): boolean;
}

/** A server machine: entry of the layer's table and transaction of the roles. */
export interface ServerMachine extends ServerEntry, ServerTransaction {
  readonly toTag: string;
  /** Called by the layer after the handler has seen the request. */
  handedOver(trying: () => SipResponse): void;
}

/** Takes over what is left of a transaction whose work is done: the response for copies of the request, or none. */
export type Settled = (
  state: 'completed' | 'confirmed' | 'accepted',
  toTag: string,
  response: Uint8Array,
  sender: ReplySender,
) => void;

type State = 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated';

/** INVITE server transaction: RFC 3261 §17.2.1 as changed by RFC 6026 §7.1. */
export class InviteServer implements ServerMachine {
  readonly request: SipRequest;
  onCancel: (() => void) | undefined = undefined;
  onTransportError: (() => void) | undefined = undefined;
  cancelled = false;
  readonly #context: MachineContext;
  readonly #ended: () => void;
  readonly #settled: Settled;
  readonly #path: ReplyPath;
  #state: State = 'proceeding';
  #toTag: string | undefined = undefined;
  /** Latest provisional, then the final response. */
  #last: Uint8Array | undefined = undefined;
  #timerG: Timer | undefined = undefined;
  #intervalMs: number;
  /** The wait before a 100, then Timer H: one at a time. */
  #lifeTimer: Timer | undefined = undefined;
  /** End of Timer L. */
  #acceptedUntilMs = 0;

  constructor(
    context: MachineContext,
    request: SipRequest,
    flow: Flow,
    ended: () => void,
    settled: Settled,
  ) {
    this.request = request;
    this.#context = context;
    this.#ended = ended;
    this.#settled = settled;
    this.#intervalMs = context.values.t1Ms;
    this.#path = new ReplyPath(context, request.via, flow, () => this.onTransportError?.());
  }

  get flow(): Flow {
    return this.#path.flow;
  }

  get toTag(): string {
    return (this.#toTag ??= this.#context.newTag());
  }

  get finalSent(): boolean {
    return this.#state !== 'proceeding';
  }

  handedOver(trying: () => SipResponse): void {
    // "The server transaction MUST generate a 100 (Trying) response unless it knows that the TU will
    // generate a provisional or final response within 200 ms" (§17.2.1): most do, and when it has not
    // by then the 100 is still in time.
    if (this.#answered()) return;
    const { tryingMs } = this.#context.values;
    if (tryingMs === 0) {
      this.respond(trying());
      return;
    }
    this.#lifeTimer = this.#context.timers.after(tryingMs, () => {
      if (!this.#answered()) this.respond(trying());
    });
  }

  respond(response: SipResponse): void {
    const { status } = response;
    const isSuccess = status >= 200 && status < 300;
    if (this.#state !== 'proceeding' && !(this.#state === 'accepted' && isSuccess)) {
      this.#context.counters.responsesIgnored.add();
      return;
    }
    const bytes = response.toBytes();
    if (status < 200) this.#last = bytes;
    else if (!isSuccess) this.#complete(bytes);
    this.#path.send(bytes);
    if (isSuccess) this.#accept();
  }

  furtherSuccess(): (response: SipResponse) => void {
    const untilMs = this.#state === 'accepted' ? this.#acceptedUntilMs : 0;
    return successSender(this.#context, this.#path.sender, untilMs);
  }

  respondOnce(make: (toTag: string) => SipResponse): void {
    if (this.#state !== 'proceeding') {
      this.#context.counters.responsesIgnored.add();
      return;
    }
    this.#path.send(make(this.#context.statelessTag(this.request)).toBytes());
    this.#terminate();
  }

  retransmitted(flow: Flow): void {
    this.#context.counters.retransmitsReceived.add();
    this.#path.follow(flow);
    const repeats = this.#state === 'proceeding' || this.#state === 'completed';
    if (repeats && this.#last !== undefined) this.#path.send(this.#last);
  }

  cancelReceived(): void {
    if (this.#state !== 'proceeding' || this.cancelled) return;
    this.cancelled = true;
    this.onCancel?.();
  }

  ackReceived(): boolean {
    if (this.#state === 'completed') this.#confirm();
    return true;
  }

  #answered(): boolean {
    return this.#state !== 'proceeding' || this.#last !== undefined;
  }

  /**
   * Accepted (RFC 6026 §7.1): the layer absorbs repeated INVITEs for Timer L on every transport, and
   * passes on the ACK.
   */
  #accept(): void {
    if (this.#state === 'accepted') return;
    this.#state = 'accepted';
    this.#last = undefined;
    this.#lifeTimer?.cancel();
    this.#acceptedUntilMs = this.#context.nowMs() + this.#context.timeoutMs;
    this.#settled('accepted', this.toTag, emptyBytes, this.#path.sender);
  }

  #complete(bytes: Uint8Array): void {
    this.#state = 'completed';
    this.#last = bytes;
    this.#live(this.#context.timeoutMs);
    if (!this.flow.reliable) this.#startTimerG();
  }

  #startTimerG(): void {
    this.#timerG = this.#context.timers.after(this.#intervalMs, () => {
      this.#intervalMs = Math.min(this.#intervalMs * 2, this.#context.values.t2Ms);
      this.#context.counters.retransmitsSent.add();
      if (this.#last !== undefined) this.#path.send(this.#last);
      this.#startTimerG();
    });
  }

  #confirm(): void {
    if (this.flow.reliable) {
      this.#terminate();
      return;
    }
    this.#state = 'confirmed';
    this.#timerG?.cancel();
    this.#lifeTimer?.cancel();
    this.#last = undefined;
    this.#settled('confirmed', this.toTag, emptyBytes, this.#path.sender);
  }

  #live(delayMs: number): void {
    this.#lifeTimer?.cancel();
    this.#lifeTimer = this.#context.timers.after(delayMs, () => {
      if (this.#state === 'completed') this.#context.counters.timeouts.add();
      this.#terminate();
    });
  }

  #terminate(): void {
    this.#state = 'terminated';
    this.#timerG?.cancel();
    this.#lifeTimer?.cancel();
    this.#last = undefined;
    this.#ended();
  }
}

/** Apart, so that the function holds nothing else. */
function successSender(
  { counters, nowMs }: MachineContext,
  sender: ReplySender,
  untilMs: number,
): (response: SipResponse) => void {
  return (response) => {
    if (nowMs() < untilMs) sender.send(response.toBytes());
    else counters.responsesIgnored.add();
  };
}
