import type { Clock } from '../../ports/clock.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import type { SipRequest, SipResponse } from '../message/types.ts';
import type { Via } from '../message/via.ts';

/** What the roles (registrar, proxy …) give the transaction layer. */
export interface TransactionHandler {
  /** A new request other than ACK and CANCEL (the layer answers CANCEL itself). */
  request(transaction: ServerTransaction): void;
  /** An ACK that belongs to no transaction: for a 2xx, to be forwarded statelessly. RFC 3261 §16.6, §17. */
  ack(ack: SipRequest, flow: Flow): void;
  /**
   * A CANCEL that matches no transaction; true when it was taken care of (forwarded statelessly, RFC
   * 3261 §16.10), else the layer answers 481.
   */
  strayCancel?(cancel: SipRequest, flow: Flow): boolean;
  /** A response that matches no client transaction; its Via is still complete. RFC 6026 §8.4: to be dropped unless policy says else. */
  strayResponse(response: SipResponse, flow: Flow): void;
}

/** The server side of one request. RFC 3261 §17.2, RFC 6026. */
export interface ServerTransaction {
  /** Topmost Via completed with `received` and `rport`. */
  readonly request: SipRequest;
  /** The flow of the request (of its latest retransmission). */
  readonly flow: Flow;
  /** Tag for the responses this server makes itself; the same for all of them. RFC 3261 §8.2.6.2. */
  readonly toTag: string;
  /** True once a final response was handed over. */
  readonly finalSent: boolean;
  /** True once a matching CANCEL came before the final response. */
  readonly cancelled: boolean;
  /**
   * Sends a response (Via of this request on top). After a 2xx to an INVITE further 2xx are sent too;
   * anything else after the final response is ignored and counted.
   */
  respond(response: SipResponse): void;
  /**
   * Sends the final response once and forgets the request (RFC 3261 §8.2.7): for challenges, so that
   * strangers occupy nothing (§26.3.2.4), and for answers that can be made again. A copy of the request is a
   * new one; an ACK is known by the tag.
   */
  respondOnce(make: (toTag: string) => SipResponse): void;
  /**
   * After a 2xx to an INVITE: sends further 2xx on the same way while they count (Timer L, RFC 6026
   * §7.1), and holds on to nothing else of the transaction. Else what it is given is ignored and counted.
   */
  furtherSuccess(): (response: SipResponse) => void;
  /** Set by the handler; called at most once, when a CANCEL arrives before the final response. */
  onCancel: (() => void) | undefined;
  /** Set by the handler; called when a response could not be handed to any flow. */
  onTransportError: (() => void) | undefined;
}

/** The client side of one request. RFC 3261 §17.1, RFC 6026. */
export interface ClientTransaction {
  readonly branch: string;
  /** As sent, with our Via on top. */
  readonly request: SipRequest;
  readonly flow: Flow;
  /** True until a final response, a time-out or a transport error. */
  readonly pending: boolean;
  /** True once a provisional response came. */
  readonly proceeding: boolean;
  /**
   * INVITE only: sends CANCEL, as soon as a provisional response has come; nothing after a final one.
   * `headers` are added to the CANCEL (such as Reason). RFC 3261 §9.1.
   */
  cancel(headers?: readonly (readonly [string, string])[]): void;
  /** Ends it without any callback (Timer C ran out and nothing more is expected). */
  abandon(): void;
  /**
   * After a 2xx to an INVITE: only further 2xx matter from now on, and they go to `success` (without our
   * Via). Request and callbacks are forgotten. RFC 6026 §7.2.
   */
  settle(success: (response: SipResponse) => void): void;
}

export interface ClientCallbacks {
  /** Every response but retransmitted non-2xx finals; our Via is removed. Several 2xx are possible for INVITE. */
  response(response: SipResponse): void;
  /** No final response will come (called at most once, never after a final one). RFC 3261 §8.1.3.1: like 408 and 503. */
  failed(kind: 'timeout' | 'transport'): void;
}

export interface ClientRequest {
  /** Without a Via of ours. */
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly via: ViaParts;
  readonly callbacks: ClientCallbacks;
}

/** What the layer puts into the Via it adds; `rport` is added on UDP (RFC 3581 §3). */
export interface ViaParts {
  /** sent-by host; an IPv6 address in brackets. */
  readonly host: string;
  readonly port?: number | undefined;
  /** Appended as is, beginning with `;`. */
  readonly extraParams?: string | undefined;
  /** Second part of the branch, token characters; for loop detection (RFC 5393 §4.2.1). */
  readonly branchSuffix?: string | undefined;
}

export interface TransactionLayer {
  /** Bytes of one message from a flow. Never throws, whatever the bytes. */
  receive(flow: Flow, bytes: Uint8Array): void;
  /**
   * Sends a request in a new client transaction. Callbacks come later, never inside this call.
   * Not for ACK.
   */
  request(options: ClientRequest): ClientTransaction;
  /** Sends an ACK (or any request) statelessly with a fresh Via; false when the flow refuses. */
  sendStateless(request: SipRequest, flow: Flow, via: ViaParts): boolean;
  /** Answers without a transaction; the To tag is derived from the request. RFC 3261 §8.2.7. */
  respondStateless(
    request: SipRequest,
    flow: Flow,
    status: number,
    headers?: readonly (readonly [string, string])[],
  ): void;
  /** A flow is gone: its client transactions fail, its server transactions look for another way. */
  flowClosed(flow: Flow): void;
  /**
   * The flow goes on, but what was under way may be lost. Requests without a final response are sent
   * again, which their servers take for retransmissions.
   */
  flowInterrupted(flow: Flow): void;
  /** Transactions alive, both sides. */
  readonly size: number;
}

export interface TransactionDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly handler: TransactionHandler;
  /** RFC 3261 §17.1.1.1; defaults 500, 4000, 5000 and 32000 ms. */
  readonly timers?: Partial<TimerValues>;
  /** Most server transactions alive; default `limits.sipTransaction.transactions`. */
  readonly capacity?: number;
  /**
   * True for requests that get 482 when another transaction has the same From tag, Call-ID and CSeq
   * (RFC 3261 §8.2.2.2). For user agent servers only: a proxy must forward such requests.
   */
  readonly rejectMerged?: (request: SipRequest) => boolean;
  /** False for a new request that is to be dropped without an answer, before anything is kept of it. */
  readonly admits?: (request: SipRequest, flow: Flow) => boolean;
  /** Finds a new flow for responses to `via` after the old one was lost (RFC 3261 §18.2.2); `undefined` when there is none. */
  readonly reopen?: (via: Via, lost: Flow, done: (flow: Flow | undefined) => void) => void;
  /**
   * Opens again a connection that this server had opened: its client transactions go on over the new
   * one (RFC 5923 §8.1). False when there is no such way, and `done` is not called; else it is called
   * later, exactly once.
   */
  readonly replace?: (lost: Flow, done: (flow: Flow | undefined) => void) => boolean;
}

export interface TimerValues {
  readonly t1Ms: number;
  readonly t2Ms: number;
  readonly t4Ms: number;
  /** Timer D on unreliable transports; at least 32 s. */
  readonly timerDMs: number;
  /** How long the 100 to an INVITE waits for a better answer; 0: not at all. Well below 200 ms (§17.2.1). */
  readonly tryingMs: number;
}
