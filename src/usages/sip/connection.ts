/** One SIP connection made by AppAttach: its keep-alive, its liveness, its idle end. RFC 7904 §5.2. */
import { limits } from '../../base/limits.ts';
import { latin1Encode } from '../../base/text.ts';
import type { AppConnection } from '../../overlay/api.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { NodeId } from '../../base/ids.ts';

export interface SipConnection {
  /** Unique for the life of the process. */
  readonly id: string;
  /** Proved by certificate. */
  readonly peer: NodeId;
  readonly application: number;
  readonly local: TransportAddress;
  readonly remote: TransportAddress;
  readonly closed: boolean;
  /** Queues SIP bytes; false when closed or too much is waiting. */
  send(bytes: Uint8Array): boolean;
  /** Answers a keep-alive (RFC 5626 §4.4.1) without counting as use. */
  pong(): void;
  close(reason: string): void;
}

export interface SipConnectionHandler {
  /** Stream bytes in order. */
  data(bytes: Uint8Array): void;
  closed(reason: string): void;
}

export interface SipConnectionSettings {
  /** From AppAttach to its answer; then the branch is given up. */
  readonly answerTimeoutMs: number;
  /** From the answer to the connection: with ICE a way has to be found first. */
  readonly connectTimeoutMs: number;
  readonly avoidMs: number;
  /** An unused connection is closed after this long; a spare one (simultaneous connects) sooner. */
  readonly idleMs: number;
  readonly spareIdleMs: number;
  readonly keepAliveMs: number;
  /** How long the answer to a keep-alive may take: in idle times, and when a message waits behind it. */
  readonly keepAliveAnswerMs: number;
  readonly probeAnswerMs: number;
  /** A connection silent for longer than this is probed when it is used. */
  readonly probeAfterMs: number;
}

/** DESIGN §5.2; spare connections outlive Timer C. */
export const defaultSipConnectionSettings: SipConnectionSettings = {
  answerTimeoutMs: 2000,
  connectTimeoutMs: 8000,
  avoidMs: 30_000,
  idleMs: 600_000,
  spareIdleMs: 200_000,
  keepAliveMs: 25_000,
  keepAliveAnswerMs: 10_000,
  probeAnswerMs: 2000,
  probeAfterMs: 5000,
};

export interface SipConnectionSnapshot {
  readonly peer: NodeId;
  readonly application: number;
  readonly initiatedHere: boolean;
  readonly ageS: number;
  readonly idleS: number;
  readonly remote: TransportAddress;
}

export interface PooledConnection extends SipConnection {
  readonly initiatedHere: boolean;
  /** Begins delivery. Call once. */
  start(handler: SipConnectionHandler): void;
  describe(): SipConnectionSnapshot;
}

export interface PooledConnectionDeps {
  readonly app: AppConnection;
  readonly id: string;
  readonly initiatedHere: boolean;
  readonly clock: Clock;
  readonly settings: SipConnectionSettings;
  /** Another connection to the same peer and application is preferred. */
  isSpare(self: PooledConnection): boolean;
  /** Bytes came from the peer. */
  heard(): void;
  /** The peer stopped answering. */
  broken(): void;
  gone(self: PooledConnection): void;
}

const ping = latin1Encode('\r\n\r\n');
const pong = latin1Encode('\r\n');

export function openSipConnection(deps: PooledConnectionDeps): PooledConnection {
  const { app, clock, settings } = deps;
  const { connection } = app;
  const openedAtMs = clock.monotonicMs();
  let handler: SipConnectionHandler | undefined;
  let closed = false;
  let lastUsedMs = openedAtMs;
  let lastHeardMs = openedAtMs;
  /** The peer has answered a ping, so silence after the next one means that it is gone. */
  let answersPings = false;
  let probe: { readonly timer: Timer; readonly deadlineMs: number } | undefined;
  let tick = clock.after('sip-connection-tick', settings.keepAliveMs, onTick);

  function onTick(): void {
    const now = clock.monotonicMs();
    const idleMs = deps.isSpare(self) ? settings.spareIdleMs : settings.idleMs;
    if (now - lastUsedMs >= idleMs) {
      finish('idle');
      return;
    }
    tick = clock.after('sip-connection-tick', settings.keepAliveMs, onTick);
    if (deps.initiatedHere) sendProbe(settings.keepAliveAnswerMs);
  }

  /** Asks for a sign of life; the peer that is known to answer is given up when none comes. */
  function sendProbe(answerMs: number): void {
    const deadlineMs = clock.monotonicMs() + answerMs;
    if (probe !== undefined) {
      if (probe.deadlineMs <= deadlineMs) return;
      probe.timer.cancel();
    } else {
      connection.send(ping);
    }
    const timer = clock.after('sip-connection-probe', answerMs, () => {
      probe = undefined;
      if (!answersPings) return;
      deps.broken();
      finish('no answer to keep-alive');
    });
    probe = { timer, deadlineMs };
  }

  function receive(bytes: Uint8Array): void {
    if (closed) return;
    lastHeardMs = clock.monotonicMs();
    deps.heard();
    const keepAlive = isKeepAlive(bytes);
    if (!keepAlive) lastUsedMs = lastHeardMs;
    if (probe !== undefined) {
      probe.timer.cancel();
      probe = undefined;
      if (keepAlive && bytes.length === pong.length) {
        answersPings = true;
        return;
      }
    }
    handler?.data(bytes);
  }

  function finish(reason: string): void {
    if (closed) return;
    closed = true;
    tick.cancel();
    probe?.timer.cancel();
    probe = undefined;
    connection.close(reason);
    deps.gone(self);
    handler?.closed(reason);
  }

  const self: PooledConnection = {
    id: deps.id,
    peer: app.peer,
    application: app.application,
    local: connection.local,
    remote: connection.remote,
    initiatedHere: deps.initiatedHere,
    get closed() {
      return closed;
    },
    send(bytes) {
      if (closed || connection.bufferedBytes + bytes.length > limits.usagesSip.bufferedBytes) {
        return false;
      }
      connection.send(bytes);
      const now = clock.monotonicMs();
      lastUsedMs = now;
      if (now - lastHeardMs > settings.probeAfterMs) sendProbe(settings.probeAnswerMs);
      return true;
    },
    pong() {
      if (!closed) connection.send(pong);
    },
    close: finish,
    start(given) {
      handler = given;
      connection.setHandler({ data: receive, closed: finish });
      if (deps.initiatedHere && !closed) sendProbe(settings.keepAliveAnswerMs);
    },
    describe() {
      const now = clock.monotonicMs();
      return {
        peer: app.peer,
        application: app.application,
        initiatedHere: deps.initiatedHere,
        ageS: Math.floor((now - openedAtMs) / 1000),
        idleS: Math.floor((now - lastUsedMs) / 1000),
        remote: connection.remote,
      };
    },
  };
  return self;
}

function isKeepAlive(bytes: Uint8Array): boolean {
  if (bytes.length > ping.length) return false;
  for (const byte of bytes) if (byte !== 13 && byte !== 10) return false;
  return true;
}
