import { limits } from '../../base/limits.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Timer } from '../../ports/clock.ts';
import type { SipRequest, SipResponse } from '../message/types.ts';
import type { ClientHooks, ClientMachine } from './client-invite.ts';
import { withoutTopVia } from './derived-requests.ts';
import type { MachineContext } from './machine.ts';
import type { ClientCallbacks } from './types.ts';

type State = 'trying' | 'proceeding' | 'completed' | 'terminated';

/** Non-INVITE client transaction: RFC 3261 §17.1.2. */
export class NonInviteClient implements ClientMachine {
  readonly branch: string;
  readonly request: SipRequest;
  readonly #context: MachineContext;
  readonly #callbacks: ClientCallbacks;
  readonly #hooks: ClientHooks;
  #flow: Flow;
  #moves = 0;
  #state: State = 'trying';
  #timerE: Timer | undefined = undefined;
  #intervalMs: number;
  /** Timer F. */
  #lifeTimer: Timer | undefined = undefined;

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
    return this.#state === 'trying' || this.#state === 'proceeding';
  }

  get proceeding(): boolean {
    return this.#state === 'proceeding';
  }

  start(): void {
    this.#lifeTimer = this.#context.timers.after(this.#context.timeoutMs, () => {
      this.#context.counters.timeouts.add();
      this.#fail('timeout');
    });
    if (!this.flow.reliable) this.#startTimerE();
    if (!this.flow.send(this.request.toBytes())) {
      this.#context.timers.after(0, () => {
        if (this.pending) this.#fail('transport');
      });
    }
  }

  received(response: SipResponse): void {
    if (!this.pending) return;
    if (response.status < 200) this.#state = 'proceeding';
    else {
      this.#state = 'completed';
      this.#timerE?.cancel();
      this.#lifeTimer?.cancel();
      if (this.flow.reliable) this.#terminate();
      else this.#hooks.settled('K', absorb);
    }
    this.#callbacks.response(withoutTopVia(response));
  }

  /** Only an INVITE can be cancelled (RFC 3261 §9.1). */
  cancel(): void {
    return;
  }

  abandon(): void {
    this.#terminate();
  }

  settle(): void {
    return;
  }

  moveTo(flow: Flow): boolean {
    if (++this.#moves > limits.sipTransaction.moves) return false;
    this.#flow = flow;
    return true;
  }

  flowLost(): void {
    if (this.pending) this.#fail('transport');
    else this.#terminate();
  }

  resend(): void {
    if (!this.pending) return;
    this.#context.counters.retransmitsSent.add();
    this.flow.send(this.request.toBytes());
  }

  /** T1 doubling to T2; every T2 once a provisional response came (§17.1.2.2). */
  #startTimerE(): void {
    this.#timerE = this.#context.timers.after(this.#intervalMs, () => {
      const { t2Ms } = this.#context.values;
      this.#intervalMs = this.#state === 'proceeding' ? t2Ms : Math.min(this.#intervalMs * 2, t2Ms);
      this.#context.counters.retransmitsSent.add();
      this.#startTimerE();
      this.flow.send(this.request.toBytes());
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
    this.#timerE?.cancel();
    this.#lifeTimer?.cancel();
    this.#hooks.ended();
  }
}

const absorb = (): void => undefined;
