import type { Flow } from '../../ports/flow.ts';
import type { Timer } from '../../ports/clock.ts';
import type { SipRequest, SipResponse } from '../message/types.ts';
import type { MachineContext } from './machine.ts';
import { ReplyPath } from './reply-path.ts';
import type { ServerMachine, Settled } from './server-invite.ts';

type State = 'trying' | 'proceeding' | 'completed' | 'terminated';

/** Non-INVITE server transaction: RFC 3261 §17.2.2 with the rules of RFC 4320 §4. */
export class NonInviteServer implements ServerMachine {
  readonly request: SipRequest;
  onCancel: (() => void) | undefined = undefined;
  onTransportError: (() => void) | undefined = undefined;
  readonly cancelled = false;
  readonly #context: MachineContext;
  readonly #ended: () => void;
  readonly #settled: Settled;
  readonly #path: ReplyPath;
  #state: State = 'trying';
  #toTag: string | undefined = undefined;
  #last: Uint8Array | undefined = undefined;
  #tryingTimer: Timer | undefined = undefined;
  /** The time after which nobody waits for a final response any more. */
  #lifeTimer: Timer | undefined = undefined;

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
    this.#path = new ReplyPath(context, request.via, flow, () => this.onTransportError?.());
  }

  get flow(): Flow {
    return this.#path.flow;
  }

  get toTag(): string {
    return (this.#toTag ??= this.#context.newTag());
  }

  get finalSent(): boolean {
    return this.#state === 'completed' || this.#state === 'terminated';
  }

  /**
   * RFC 4320 §4.1: no 100 before the client's Timer E would have reached T2 (T1 + 2 T1 + 4 T1), one
   * then. §4.2: without a final response within 64*T1 the transaction just ends.
   */
  handedOver(trying: () => SipResponse): void {
    if (this.#state !== 'trying') return;
    this.#tryingTimer = this.#context.timers.after(7 * this.#context.values.t1Ms, () => {
      this.#state = 'proceeding';
      this.#last = trying().toBytes();
      this.#path.send(this.#last);
    });
    this.#live();
  }

  respond(response: SipResponse): void {
    const { status } = response;
    if (this.finalSent || status < 200) {
      this.#context.counters.responsesIgnored.add();
      return;
    }
    this.#tryingTimer?.cancel();
    this.#tryingTimer = undefined;
    if (status === 408) {
      this.#context.counters.responsesIgnored.add();
      this.#terminate();
      return;
    }
    this.#state = 'completed';
    const bytes = response.toBytes();
    this.#path.send(bytes);
    if (this.flow.reliable) {
      this.#terminate();
      return;
    }
    this.#lifeTimer?.cancel();
    this.#last = undefined;
    this.#settled('completed', this.toTag, bytes, this.#path.sender);
  }

  furtherSuccess(): (response: SipResponse) => void {
    const { responsesIgnored } = this.#context.counters;
    return () => {
      responsesIgnored.add();
    };
  }

  respondOnce(make: (toTag: string) => SipResponse): void {
    if (this.finalSent) {
      this.#context.counters.responsesIgnored.add();
      return;
    }
    this.#path.send(make(this.#context.statelessTag(this.request)).toBytes());
    this.#terminate();
  }

  retransmitted(flow: Flow): void {
    this.#context.counters.retransmitsReceived.add();
    this.#path.follow(flow);
    if (this.#last !== undefined) this.#path.send(this.#last);
  }

  /** RFC 3261 §9.2: CANCEL has no effect on a non-INVITE. */
  cancelReceived(): void {
    return;
  }

  ackReceived(): boolean {
    return true;
  }

  #live(): void {
    this.#lifeTimer?.cancel();
    this.#lifeTimer = this.#context.timers.after(this.#context.timeoutMs, () => {
      this.#context.counters.timeouts.add();
      this.#terminate();
    });
  }

  #terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#tryingTimer?.cancel();
    this.#lifeTimer?.cancel();
    this.#last = undefined;
    this.#ended();
  }
}
