import type { Clock } from '../../../src/ports/clock.ts';
import type { ConnectionHandler, SecureConnection } from '../../../src/ports/connection.ts';

export interface FakeClock extends Clock {
  /** Moves time on and fires what becomes due, in order. */
  advance(ms: number): void;
}

export function createFakeClock(): FakeClock {
  let now = 1000;
  const timers: { at: number; fire: () => void; live: boolean }[] = [];
  return {
    monotonicMs: () => now,
    wallMs: () => 1_700_000_000_000 + now,
    after(_name, delayMs, fire) {
      const timer = { at: now + delayMs, fire, live: true };
      timers.push(timer);
      return {
        cancel() {
          timer.live = false;
        },
      };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = timers.filter((t) => t.live && t.at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        due.live = false;
        now = Math.max(now, due.at);
        due.fire();
      }
      now = end;
    },
  };
}

export interface FakeConnection extends SecureConnection {
  readonly sent: Uint8Array[];
  bufferedBytes: number;
  closeReason: string | undefined;
  handler: ConnectionHandler;
}

export function createFakeConnection(): FakeConnection {
  const connection = {
    role: 'client' as const,
    local: { address: '127.0.0.1', port: 1 },
    remote: { address: '127.0.0.2', port: 2 },
    peerChain: [],
    bufferedBytes: 0,
    sent: [] as Uint8Array[],
    closeReason: undefined as string | undefined,
    handler: { data: () => undefined, closed: () => undefined } as ConnectionHandler,
    setHandler(handler: ConnectionHandler) {
      connection.handler = handler;
    },
    send(bytes: Uint8Array) {
      connection.sent.push(bytes);
    },
    close(reason: string) {
      connection.closeReason = reason;
      connection.handler.closed(reason);
    },
  };
  return connection;
}

export { type CountingTrace, createCountingTrace } from '../../support/counting-trace.ts';
