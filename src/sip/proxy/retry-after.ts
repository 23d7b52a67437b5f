/**
 * Servers that asked for a pause: after a 503 with Retry-After no new request goes there until the time
 * has passed. RFC 3261 §21.5.4.
 */
import { limits } from '../../base/limits.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Flow } from '../../ports/flow.ts';
import type { SipResponse } from '../message/message.ts';

export interface PausedServers {
  /** Takes note of a 503; other responses and 503 without Retry-After mean no pause. */
  note(flow: Flow, response: SipResponse): void;
  isPaused(flow: Flow): boolean;
  readonly size: number;
}

export function createPausedServers(clock: Clock): PausedServers {
  const until = new Map<string, number>();
  return {
    note(flow, response) {
      if (response.status !== 503) return;
      const text = response.header('Retry-After');
      const seconds = text === undefined ? undefined : /^\d{1,9}/.exec(text)?.[0];
      if (seconds === undefined || Number(seconds) === 0) return;
      const key = keyOf(flow);
      until.delete(key);
      if (until.size >= limits.sipRoles.pausedServers) {
        const [oldest] = until.keys();
        if (oldest !== undefined) until.delete(oldest);
      }
      const pauseS = Math.min(Number(seconds), limits.sipRoles.longestPauseS);
      until.set(key, clock.monotonicMs() + pauseS * 1000);
    },
    isPaused(flow) {
      if (until.size === 0) return false;
      const key = keyOf(flow);
      const endMs = until.get(key);
      if (endMs === undefined) return false;
      if (clock.monotonicMs() < endMs) return true;
      until.delete(key);
      return false;
    },
    get size() {
      return until.size;
    },
  };
}

/** A server is where it listens; the port of a connection it made says nothing, so that is its own key. */
function keyOf(flow: Flow): string {
  const { address, port } = flow.remote;
  return flow.peer ?? `${flow.transport}:${address}:${String(port)}`;
}
