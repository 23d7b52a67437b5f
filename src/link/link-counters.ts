/** What links count. */
import type { Counter, Trace } from '../ports/trace.ts';

export type LinkCounters = Readonly<Record<LinkCount, Counter>>;

const known = new WeakMap<Trace, LinkCounters>();

/** The same for all links of one peer. */
export function linkCounters(trace: Trace): LinkCounters {
  let counters = known.get(trace);
  if (counters === undefined) known.set(trace, (counters = createCounters(trace)));
  return counters;
}

function createCounters(trace: Trace): LinkCounters {
  const event = (name: string): Counter => trace.counter('link_events_total', { event: name });
  return {
    sent: trace.counter('link_messages_total', { direction: 'out' }),
    received: trace.counter('link_messages_total', { direction: 'in' }),
    suspected: event('suspected'),
    resumed: event('resumed'),
    failed: event('failed'),
    full: event('refused-queue-full'),
    oversized: event('refused-oversized'),
    badFrame: event('refused-bad-frame'),
    strayAck: event('refused-stray-ack'),
    empty: event('refused-empty'),
    retransmitted: event('retransmitted'),
  };
}

type LinkCount =
  | 'sent'
  | 'received'
  | 'suspected'
  | 'resumed'
  | 'failed'
  | 'full'
  | 'oversized'
  | 'badFrame'
  | 'strayAck'
  | 'empty'
  | 'retransmitted';
