import type { Clock } from '../../ports/clock.ts';
import type { SipResponse } from '../message/types.ts';

/** What is left of a client transaction that has its final response. */
export interface SettledClient {
  /** sent-by of its Via: responses to another are not its own. */
  readonly host: string;
  readonly port: number | undefined;
  /** A further response, with our Via still on top. */
  readonly received: (response: SipResponse) => void;
}

/**
 * Client transactions that wait for nothing but copies of their final response (Timers D and K) or
 * for further 2xx (Timer M, RFC 6026 §7.2), all for the same time. A busy proxy holds tens of
 * thousands: request and response context of each would be copied by the garbage collector again and
 * again, so what is put here should hold on to little.
 */
export interface SettledClients {
  add(key: string, client: SettledClient): void;
  /** Undefined as well when its time is over. */
  find(key: string): SettledClient | undefined;
  readonly size: number;
}

interface Entry {
  readonly client: SettledClient;
  readonly dueMs: number;
}

export function createSettledClients(clock: Clock, lifetimeMs: number): SettledClients {
  /** In order of their end, since all live equally long. */
  const entries = new Map<string, Entry>();
  let armed = false;

  function arm(delayMs: number): void {
    armed = true;
    clock.after('sip-settled', delayMs, expire);
  }

  /** A sixteenth of the lifetime between two rounds at least, so that many end together. */
  function expire(): void {
    armed = false;
    const nowMs = clock.monotonicMs();
    for (const [key, { dueMs }] of entries) {
      if (dueMs > nowMs) {
        arm(Math.max(dueMs - nowMs, lifetimeMs / 16));
        return;
      }
      entries.delete(key);
    }
  }

  return {
    add(key, client) {
      // A key that comes again goes to the end, where its time belongs.
      entries.delete(key);
      entries.set(key, { client, dueMs: clock.monotonicMs() + lifetimeMs });
      if (!armed) arm(lifetimeMs);
    },
    find(key) {
      const entry = entries.get(key);
      return entry !== undefined && entry.dueMs > clock.monotonicMs() ? entry.client : undefined;
    },
    get size() {
      return entries.size;
    },
  };
}
