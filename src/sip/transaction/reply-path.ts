import type { Flow } from '../../ports/flow.ts';
import type { Via } from '../message/via.ts';
import type { MachineContext } from './machine.ts';

/** A flow, or the search for one. */
export interface ReplySender {
  readonly closed: boolean;
  send(bytes: Uint8Array): unknown;
}

/**
 * Where the responses of one request go: back on the flow it came by; when that is gone, or for a UDP
 * sender that did not ask for rport and sends from another port than it listens on, on a flow the
 * host finds. RFC 3261 §18.2.2, RFC 3581 §4.
 */
export class ReplyPath implements ReplySender {
  readonly #context: MachineContext;
  readonly #via: Via;
  readonly #failed: () => void;
  #flow: Flow;
  #detour: boolean;
  #opening = false;
  /** Sent when the flow is found; a later response supersedes an earlier one. */
  #waiting: Uint8Array | undefined = undefined;

  constructor(context: MachineContext, via: Via, flow: Flow, failed: () => void) {
    this.#context = context;
    this.#via = via;
    this.#flow = flow;
    this.#failed = failed;
    this.#detour = needsDetour(via, flow);
  }

  get flow(): Flow {
    return this.#flow;
  }

  /** Never closed for good: it looks for another flow. */
  readonly closed = false;

  /** What sends further copies with the least that must be kept: the flow, once that is settled. */
  get sender(): ReplySender {
    return this.#opening || this.#detour ? this : this.#flow;
  }

  /** A retransmission came, perhaps by another connection. */
  follow(flow: Flow): void {
    if (flow === this.#flow || this.#detour) return;
    if (flow.reliable || this.#flow.closed) this.#flow = flow;
  }

  send(bytes: Uint8Array): void {
    if (this.#opening) {
      this.#waiting = bytes;
      return;
    }
    if (!this.#detour && !this.#flow.closed && this.#flow.send(bytes)) return;
    this.#open(bytes);
  }

  #open(bytes: Uint8Array): void {
    const { reopen } = this.#context;
    if (reopen === undefined) {
      this.#sendOrFail(this.#flow, bytes);
      return;
    }
    this.#opening = true;
    this.#waiting = bytes;
    reopen(this.#via, this.#flow, (found) => {
      this.#opening = false;
      if (found !== undefined) {
        this.#flow = found;
        this.#detour = false;
      }
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting !== undefined) this.#sendOrFail(found ?? this.#flow, waiting);
    });
  }

  #sendOrFail(flow: Flow, bytes: Uint8Array): void {
    if (!flow.closed && flow.send(bytes)) return;
    this.#context.counters.transportErrors.add();
    this.#failed();
  }
}

function needsDetour(via: Via, flow: Flow): boolean {
  if (flow.reliable) return false;
  if (/maddr/i.test(via.raw) && via.params.has('maddr')) return true;
  return via.rport === undefined && (via.port ?? 5060) !== flow.remote.port;
}
