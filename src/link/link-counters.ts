/** What links count. */
import type { Counter, Trace } from '../ports/trace.ts';

export function linkCounters(trace: Trace): Record<LinkCount, Counter> {
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
