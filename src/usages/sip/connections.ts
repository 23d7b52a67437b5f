/**
 * SIP connections between overlay members, made by AppAttach (RFC 7904 §5). One connection per
 * (Node-ID, application) carries all calls; when both sides connect at once both stay until one is idle.
 */
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import { failure, success } from '../../base/outcome.ts';
import type { AppConnection, Overlay, OverlayError } from '../../overlay/api.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Trace } from '../../ports/trace.ts';
import type { Destination } from '../../wire/reload/destination.ts';
import { createAvoidance } from './avoidance.ts';
import { defaultSipConnectionSettings, openSipConnection } from './connection.ts';
import type {
  PooledConnection,
  SipConnection,
  SipConnectionHandler,
  SipConnectionSettings,
  SipConnectionSnapshot,
} from './connection.ts';
import { terminalNode } from './gruu.ts';

/** Application-IDs of RFC 6940 §14.5. */
export const sipApplication = 5060;
export const sipsApplication = 5061;

export interface SipConnections {
  /** An open connection to the node, at once. Nothing is sent. */
  find(nodeId: NodeId, application: number): SipConnection | undefined;
  /**
   * An open connection, or a new one by AppAttach along `destinations`. `done` is called later, exactly
   * once, unless the returned function gave the attempt up; the attempt itself goes on and fills the pool.
   */
  connect(
    destinations: readonly Destination[],
    application: number,
    done: (outcome: Outcome<SipConnection, SipConnectError>) => void,
  ): () => void;
  /** The node gave a sign of life some other way, such as a new overlay link. */
  heardFrom(nodeId: NodeId): void;
  /** True while the node is left out because it did not answer. */
  isAvoided(nodeId: NodeId): boolean;
  /** Closes everything. */
  stop(reason: string): void;
  snapshot(): SipConnectionsSnapshot;
}

export interface SipConnectError {
  readonly reason: 'avoided' | 'timeout' | 'refused' | 'wrong-peer' | 'invalid' | 'overload';
  readonly text: string;
}

export interface SipConnectionsSnapshot {
  readonly open: readonly SipConnectionSnapshot[];
  readonly connecting: number;
  readonly avoided: readonly { readonly nodeId: NodeId; readonly remainingMs: number }[];
}

export interface SipConnectionsDeps {
  readonly overlay: Pick<Overlay, 'nodeId' | 'appAttach' | 'onApplication'>;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly settings?: Partial<SipConnectionSettings>;
  /** Called for every new connection, of either side. */
  onOpen(connection: SipConnection): SipConnectionHandler;
}

interface Attempt {
  readonly waiting: Set<(outcome: Outcome<SipConnection, SipConnectError>) => void>;
  timer: Timer;
  givenUp: boolean;
}

export function createSipConnections(deps: SipConnectionsDeps): SipConnections {
  const { overlay, clock, trace } = deps;
  const settings = { ...defaultSipConnectionSettings, ...deps.settings };
  const pool = new Map<string, PooledConnection[]>();
  const attempts = new Map<string, Attempt>();
  const avoidance = createAvoidance(clock, settings.avoidMs);
  const opened = trace.counter('sip_overlay_connections_opened_total');
  const refused = trace.counter('sip_overlay_connections_refused_total');
  let openCount = 0;
  let lastId = 0;
  let stopped = false;

  function keyOf(nodeId: NodeId, application: number): string {
    return `${nodeId}/${application}`;
  }

  function find(nodeId: NodeId, application: number): PooledConnection | undefined {
    const open = pool.get(keyOf(nodeId, application));
    if (open === undefined || open.length < 2) return open?.[0];
    // Both sides prefer the one that the lower Node-ID asked for, so the other falls idle.
    const lowerIsHere = overlay.nodeId < nodeId;
    return open.find((connection) => connection.initiatedHere === lowerIsHere) ?? open[0];
  }

  function adopt(app: AppConnection, initiatedHere: boolean): PooledConnection | undefined {
    const key = keyOf(app.peer, app.application);
    const siblings = pool.get(key) ?? [];
    if (
      stopped ||
      openCount >= limits.usagesSip.connections ||
      siblings.length >= limits.usagesSip.connectionsPerPeer
    ) {
      refused.add();
      app.connection.close('too many SIP connections');
      return undefined;
    }
    const connection = openSipConnection({
      app,
      id: `overlay-${++lastId}`,
      initiatedHere,
      clock,
      settings,
      isSpare: (self) => find(app.peer, app.application) !== self,
      heard: () => avoidance.clear(app.peer),
      broken: () => avoidance.avoid(app.peer),
      gone(self) {
        openCount--;
        const left = (pool.get(key) ?? []).filter((other) => other !== self);
        if (left.length === 0) pool.delete(key);
        else pool.set(key, left);
      },
    });
    openCount++;
    pool.set(key, [...siblings, connection]);
    avoidance.clear(app.peer);
    opened.add();
    trace.log('debug', 'sip-connection-open', { peer: app.peer, application: app.application });
    connection.start(deps.onOpen(connection));
    return connection;
  }

  function begin(
    target: NodeId,
    destinations: readonly Destination[],
    application: number,
  ): Attempt {
    const key = keyOf(target, application);
    const givenUpAfter = (ms: number, text: string): Timer =>
      clock.after('sip-app-attach', ms, () => {
        attempt.givenUp = true;
        avoidance.avoid(target);
        trace.counter('sip_app_attach_failures_total', { reason: 'timeout' }).add();
        settle(key, attempt, failure(connectError('timeout', text)));
      });
    const attempt: Attempt = {
      waiting: new Set(),
      givenUp: false,
      timer: givenUpAfter(settings.answerTimeoutMs, 'no answer to AppAttach'),
    };
    attempts.set(key, attempt);
    const connected = (outcome: Outcome<AppConnection, OverlayError>): void => {
      attempt.timer.cancel();
      const result = outcome.ok ? check(outcome.value, target) : failure(refusal(outcome.error));
      if (!result.ok && !attempt.givenUp) {
        if (outcome.ok || outcome.error.reason !== 'error-response') {
          if (result.error.reason !== 'overload') avoidance.avoid(target);
        }
        trace.counter('sip_app_attach_failures_total', { reason: result.error.reason }).add();
      }
      settle(key, attempt, result);
    };
    overlay.appAttach(destinations, application, connected, () => {
      if (attempt.givenUp) return;
      attempt.timer.cancel();
      attempt.timer = givenUpAfter(settings.connectTimeoutMs, 'no connection after AppAttach');
    });
    return attempt;
  }

  /** RFC 7904 §5.1: a connection whose certificate lacks the expected Node-ID is closed unused. */
  function check(app: AppConnection, target: NodeId): Outcome<PooledConnection, SipConnectError> {
    const leaf = app.connection.peerChain[0];
    if (app.peer !== target || leaf?.nodeIds.includes(target) !== true) {
      app.connection.close('wrong Node-ID');
      return failure(connectError('wrong-peer', 'certificate names another node'));
    }
    const connection = adopt(app, true);
    return connection === undefined
      ? failure(connectError('overload', 'too many SIP connections'))
      : success(connection);
  }

  function settle(
    key: string,
    attempt: Attempt,
    outcome: Outcome<SipConnection, SipConnectError>,
  ): void {
    if (attempts.get(key) === attempt) attempts.delete(key);
    const waiting = [...attempt.waiting];
    attempt.waiting.clear();
    for (const done of waiting) done(outcome);
  }

  function later(
    outcome: Outcome<SipConnection, SipConnectError>,
    done: (outcome: Outcome<SipConnection, SipConnectError>) => void,
  ): () => void {
    const timer = clock.after('sip-connection-ready', 0, () => done(outcome));
    return () => timer.cancel();
  }

  function accept(app: AppConnection): void {
    adopt(app, false);
  }
  overlay.onApplication(sipApplication, accept);
  overlay.onApplication(sipsApplication, accept);

  return {
    find,
    connect(destinations, application, done) {
      const target = terminalNode(destinations);
      if (target === undefined || target === overlay.nodeId || stopped) {
        return later(failure(connectError('invalid', 'no node to connect to')), done);
      }
      const open = find(target, application);
      if (open !== undefined) return later(success(open), done);
      if (avoidance.isAvoided(target)) {
        return later(failure(connectError('avoided', 'node did not answer lately')), done);
      }
      let attempt = attempts.get(keyOf(target, application));
      if (attempt === undefined && attempts.size < limits.usagesSip.connecting) {
        attempt = begin(target, destinations, application);
      }
      if (attempt === undefined || attempt.waiting.size >= limits.usagesSip.waitingPerConnect) {
        refused.add();
        return later(failure(connectError('overload', 'too many attempts')), done);
      }
      const joined = attempt;
      const waiter = (outcome: Outcome<SipConnection, SipConnectError>): void => done(outcome);
      joined.waiting.add(waiter);
      return () => {
        joined.waiting.delete(waiter);
      };
    },
    isAvoided: (nodeId) => avoidance.isAvoided(nodeId),
    heardFrom: (nodeId) => avoidance.clear(nodeId),
    stop(reason) {
      stopped = true;
      for (const attempt of attempts.values()) attempt.timer.cancel();
      for (const open of [...pool.values()].flat()) open.close(reason);
    },
    snapshot() {
      return {
        open: [...pool.values()].flat().map((connection) => connection.describe()),
        connecting: attempts.size,
        avoided: avoidance.list(),
      };
    },
  };
}

function connectError(reason: SipConnectError['reason'], text: string): SipConnectError {
  return { reason, text };
}

function refusal(error: OverlayError): SipConnectError {
  switch (error.reason) {
    case 'timeout':
    case 'unreachable':
      return connectError('timeout', error.text);
    case 'wrong-peer':
      return connectError('wrong-peer', error.text);
    case 'not-joined':
      return connectError('overload', error.text);
    case 'invalid':
      return connectError('invalid', error.text);
    case 'error-response':
      return connectError('refused', error.text);
  }
}
