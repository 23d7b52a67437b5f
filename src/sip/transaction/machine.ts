import type { Counter } from '../../ports/trace.ts';
import type { Flow } from '../../ports/flow.ts';
import type { SipRequest } from '../message/types.ts';
import type { Via } from '../message/via.ts';
import type { DelayQueues } from './delay-queues.ts';
import type { TimerValues } from './types.ts';

/** What the four machines share; made once by the layer. */
export interface MachineContext {
  readonly timers: DelayQueues;
  readonly nowMs: () => number;
  readonly values: TimerValues;
  /** 64 * T1. */
  readonly timeoutMs: number;
  readonly counters: TransactionCounters;
  newTag(): string;
  /** Tag of responses that leave no transaction behind. */
  statelessTag(request: SipRequest): string;
  readonly reopen:
    ((via: Via, lost: Flow, done: (flow: Flow | undefined) => void) => void) | undefined;
}

export interface TransactionCounters {
  readonly retransmitsSent: Counter;
  readonly retransmitsReceived: Counter;
  readonly timeouts: Counter;
  readonly transportErrors: Counter;
  /** Responses the roles may not send in that state, or that RFC 4320 forbids. */
  readonly responsesIgnored: Counter;
}

export const defaultTimers: TimerValues = {
  t1Ms: 500,
  t2Ms: 4000,
  t4Ms: 5000,
  timerDMs: 32_000,
  tryingMs: 0,
};
