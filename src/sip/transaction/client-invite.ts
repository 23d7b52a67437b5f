import { limits } from '../../base/limits.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Timer } from '../../ports/clock.ts';
import type { SipRequest, SipResponse } from '../message/types.ts';
import { buildAck, buildCancel, withoutTopVia } from './derived-requests.ts';
import type { MachineContext } from './machine.ts';
import type { ClientCallbacks, ClientTransaction } from './types.ts';

/** What the layer needs of a client machine beyond what the roles see. */
export interface ClientMachine extends ClientTransaction {
  /** Sends the request the first time. */
  start(): void;
  /** A response with our Via still on top. */
  received(response: SipResponse): void;
  /** The connection was lost; this one leads to the same place. False when that happened too often. */
  moveTo(flow: Flow): boolean;
  /** The flow is gone. */
  flowLost(): void;
  /** The flow has lost what was under way: the request once more, while it waits for its end. */
  resend(): void;
}

/** How a machine reaches back into the layer. */
export interface ClientHooks {
  readonly ended: () => void;
  /** Instead of `ended`: further responses go to `received` for the time of Timer D, K or M. */
  readonly settled: (timer: SettledTimer, received: (response: SipResponse) => void) => void;
  /** Starts the transaction of a CANCEL. */
  readonly startCancel: (cancel: SipRequest) => void;
}

export type SettledTimer = 'D' | 'K' | 'M';

type State = 'calling' | 'proceeding' | 'completed' | 'accepted' | 'terminated';

/** INVITE client transaction: RFC 3261 §17.1.1 as changed by RFC 6026 §7.2. */
export class InviteClient implements ClientMachine {
  readonly branch: string;
  readonly request: SipRequest;
  readonly #context: MachineContext;
  readonly #callbacks: ClientCallbacks;
  readonly #hooks: ClientHooks;
  #flow: Flow;
  #moves = 0;
  #state: State = 'calling';
  #timerA: Timer | undefined = undefined;
  #intervalMs: number;
  /** Timers B and M and the wait after CANCEL: one at a time. */
  #lifeTimer: Timer | undefined = undefined;
  #cancelHeaders: readonly (readonly [string, string])[] | undefined = undefined;
  #cancelSent = false;

  constructor(
    context: MachineContext,
    branch: string,
    request: SipRequest,
    flow: Flow,
    callbacks: ClientCallbacks,
    hooks: ClientHooks,
  ) {
    this.branch = branch;
    this.request = request;
    this.#flow = flow;
    this.#context = context;
    this.#callbacks = callbacks;
    this.#hooks = hooks;
    this.#intervalMs = context.values.t1Ms;
  }

  get flow(): Flow {
    return this.#flow;
  }

  get pending(): boolean {
    return this.#state === 'calling' || this.#state === 'proceeding';
  }

  get proceeding(): boolean {
    return this.#state === 'proceeding';
  }

  start(): void {
    this.#live(this.#context.timeoutMs);
    if (!this.flow.reliable) this.#startTimerA();
    if (!this.flow.send(this.request.toBytes())) this.#failLater();
  }

  received(response: SipResponse): void {
    const { status } = response;
    if (status < 200) this.#provisional(response);
    else if (status < 300) this.#success(response);
    else this.#failure(response);
  }

  cancel(headers: readonly (readonly [string, string])[] = []): void {
    if (!this.pending || this.#cancelHeaders !== undefined) return;
    this.#cancelHeaders = headers;
    if (this.#state === 'proceeding') this.#sendCancel();
  }

  abandon(): void {
    this.#terminate();
  }

  settle(success: (response: SipResponse) => void): void {
    if (this.#state !== 'accepted') return;
    this.#state = 'terminated';
    this.#lifeTimer?.cancel();
    this.#hooks.settled('M', successOnly(success));
  }

  moveTo(flow: Flow): boolean {
    if (++this.#moves > limits.sipTransaction.moves) return false;
    this.#flow = flow;
    return true;
  }

  flowLost(): void {
    if (this.pending) this.#fail('transport');
    else if (this.#state !== 'accepted') this.#terminate();
  }

  resend(): void {
    if (!this.pending) return;
    this.#context.counters.retransmitsSent.add();
    this.flow.send(this.request.toBytes());
  }

  #startTimerA(): void {
    this.#timerA = this.#context.timers.after(this.#intervalMs, () => {
      this.#intervalMs *= 2;
      this.#context.counters.retransmitsSent.add();
      this.#startTimerA();
      this.flow.send(this.request.toBytes());
    });
  }

  #provisional(response: SipResponse): void {
    if (!this.pending) return;
    if (this.#state === 'calling') {
      this.#state = 'proceeding';
      this.#timerA?.cancel();
      this.#lifeTimer?.cancel();
      if (this.#cancelHeaders !== undefined) this.#sendCancel();
    }
    this.#callbacks.response(withoutTopVia(response));
  }

  /** Accepted (RFC 6026 §7.2): every further 2xx is passed up until Timer M; no ACK is made here. */
  #success(response: SipResponse): void {
    if (this.pending) {
      this.#state = 'accepted';
      this.#timerA?.cancel();
      this.#live(this.#context.timeoutMs);
    }
    if (this.#state === 'accepted') this.#callbacks.response(withoutTopVia(response));
  }

  #failure(response: SipResponse): void {
    if (!this.pending) return;
    this.#state = 'completed';
    this.#timerA?.cancel();
    const ack = buildAck(this.request, response).toBytes();
    this.flow.send(ack);
    if (this.flow.reliable) {
      this.#terminate();
    } else {
      this.#lifeTimer?.cancel();
      this.#hooks.settled('D', repeatAck(this.flow, new Uint8Array(ack)));
    }
    this.#callbacks.response(withoutTopVia(response));
  }

  #sendCancel(): void {
    if (this.#cancelSent) return;
    this.#cancelSent = true;
    this.#hooks.startCancel(buildCancel(this.request, this.#cancelHeaders ?? []));
    // "If there is no final response for the original request in 64*T1 seconds […], the client SHOULD
    // then consider the original transaction cancelled and SHOULD destroy" it (RFC 3261 §9.1).
    this.#live(this.#context.timeoutMs);
  }

  #live(delayMs: number): void {
    this.#lifeTimer?.cancel();
    this.#lifeTimer = this.#context.timers.after(delayMs, () => {
      if (this.pending) {
        this.#context.counters.timeouts.add();
        this.#fail('timeout');
      } else this.#terminate();
    });
  }

  #failLater(): void {
    this.#context.timers.after(0, () => {
      if (this.pending) this.#fail('transport');
    });
  }

  #fail(kind: 'timeout' | 'transport'): void {
    if (kind === 'transport') this.#context.counters.transportErrors.add();
    this.#terminate();
    this.#callbacks.failed(kind);
  }

  #terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timerA?.cancel();
    this.#lifeTimer?.cancel();
    this.#hooks.ended();
  }
}

// Apart, so that these functions hold nothing else of a transaction.

function successOnly(success: (response: SipResponse) => void): (response: SipResponse) => void {
  return (response) => {
    if (response.status >= 200 && response.status < 300) success(withoutTopVia(response));
  };
}

/** `ack` on its own, not a piece of a larger buffer. */
function repeatAck(flow: Flow, ack: Uint8Array): (response: SipResponse) => void {
  return ({ status }) => {
    if (status >= 300 && !flow.closed) flow.send(ack);
  };
}
