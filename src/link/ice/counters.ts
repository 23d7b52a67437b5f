import type { Counter, Trace } from '../../ports/trace.ts';

/** What happens to agents and what they refuse. */
export interface IceCounters {
  readonly connected: Counter;
  readonly failed: Counter;
  readonly lost: Counter;
  /** Checks without or with wrong credentials. */
  readonly unauthenticated: Counter;
  /** Datagrams that are neither STUN of ours nor from the far end. */
  readonly stray: Counter;
  /** More than a bound allows. */
  readonly full: Counter;
  readonly roleConflict: Counter;
}

export function iceCounters(trace: Trace): IceCounters {
  const agents = (result: string): Counter => trace.counter('ice_agents_total', { result });
  const refused = (reason: string): Counter => trace.counter('ice_refused_total', { reason });
  return {
    connected: agents('connected'),
    failed: agents('failed'),
    lost: agents('lost'),
    unauthenticated: refused('unauthenticated'),
    stray: refused('stray'),
    full: refused('full'),
    roleConflict: refused('role-conflict'),
  };
}
