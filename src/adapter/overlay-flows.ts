/**
 * Overlay neighbours as SIP flows. A flow stands for (Node-ID, application), not for one connection:
 * when the connection is lost while messages may still have to pass, the flow makes a new one by
 * AppAttach and sends what waited. So responses, CANCEL, ACK and BYE find their way.
 */
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Outcome } from '../base/outcome.ts';
import { failure, success } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { TransportAddress } from '../ports/connection.ts';
import type { Flow, StreamFramerEvents } from '../ports/flow.ts';
import type { Trace } from '../ports/trace.ts';
import { createStreamFramer } from '../sip/message/stream-framer.ts';
import type { SipConnection, SipConnectionHandler } from '../usages/sip/connection.ts';
import type { SipConnectError, SipConnections } from '../usages/sip/connections.ts';
import { terminalNode } from '../usages/sip/gruu.ts';
import type { Destination } from '../wire/reload/destination.ts';

/** `Flow.listener` of every overlay flow. */
export const overlayListener = 'overlay';

export interface OverlayFlow extends Flow {
  readonly peer: NodeId;
  readonly application: number;
}

export interface OverlayFlows {
  /** Reuses or makes the connection. `done` exactly once, maybe inside the call; the result gives up. */
  open(
    destinations: readonly Destination[],
    application: number,
    done: (outcome: Outcome<OverlayFlow, SipConnectError>) => void,
  ): () => void;
  find(id: string): OverlayFlow | undefined;
  /** For {@link createSipConnections}: binds a new connection to its flow. */
  adopt(connection: SipConnection): SipConnectionHandler;
  /** Gives up all flows; nothing is reconnected any more. */
  stop(): void;
  readonly size: number;
}

export interface OverlayFlowsDeps {
  connections(): SipConnections;
  readonly clock: Clock;
  readonly trace: Trace;
  message(flow: OverlayFlow, bytes: Uint8Array): void;
  closed(flow: OverlayFlow, reason: string): void;
  /** A connection broke, the flow looks for another: what was sent of late may not have arrived. */
  interrupted(flow: OverlayFlow): void;
}

/** A lost connection is made again at once when it was used this recently: beyond Timer C nothing waits. */
const reconnectWithinMs = 190_000;
/** A connection that lives no longer than this is not worth another one. */
const shortLifeMs = 1000;

interface FlowState {
  readonly flow: OverlayFlow;
  connection: SipConnection | undefined;
  local: TransportAddress;
  remote: TransportAddress;
  lastUsedMs: number;
  /** When a connection was last made again; 0 before. */
  reconnectedMs: number;
  /** Messages that wait for the new connection. */
  waiting: Uint8Array[];
  waitingBytes: number;
  giveUp: (() => void) | undefined;
  closed: boolean;
}

const closedAtOnce = { reason: 'refused', text: 'connection closed at once' } as const;
const nowhere: TransportAddress = { address: '0.0.0.0', port: 0 };

export function createOverlayFlows(deps: OverlayFlowsDeps): OverlayFlows {
  const { clock, trace } = deps;
  const states = new Map<string, FlowState>();
  const reconnects = trace.counter('sip_overlay_reconnects_total');
  const broken = trace.counter('sip_overlay_streams_broken_total');
  const dropped = trace.counter('sip_overlay_sends_refused_total');
  let stopped = false;

  function stateOf(peer: NodeId, application: number): FlowState {
    const id = `overlay:${peer}/${application}`;
    const known = states.get(id);
    if (known !== undefined) return known;
    makeRoom();
    const state: FlowState = {
      flow: {
        id,
        peer,
        application,
        transport: 'tls',
        reliable: true,
        secure: true,
        listener: overlayListener,
        get local() {
          return state.local;
        },
        get remote() {
          return state.remote;
        },
        get closed() {
          return state.closed;
        },
        send: (bytes) => send(state, bytes),
        close(reason) {
          state.connection?.close(reason);
          end(state, reason);
        },
      },
      connection: undefined,
      local: nowhere,
      remote: nowhere,
      lastUsedMs: clock.monotonicMs(),
      reconnectedMs: 0,
      waiting: [],
      waitingBytes: 0,
      giveUp: undefined,
      closed: false,
    };
    states.set(id, state);
    return state;
  }

  /** Flows without a connection are only memory; the one unused for longest goes. */
  function makeRoom(): void {
    if (states.size < limits.adapter.overlayFlows) return;
    let oldest: FlowState | undefined;
    for (const state of states.values()) {
      if (state.connection !== undefined || state.giveUp !== undefined) continue;
      if (oldest === undefined || state.lastUsedMs < oldest.lastUsedMs) oldest = state;
    }
    if (oldest !== undefined) end(oldest, 'unused');
  }

  function send(state: FlowState, bytes: Uint8Array): boolean {
    if (state.closed || stopped) return false;
    state.lastUsedMs = clock.monotonicMs();
    const connection = liveConnection(state);
    if (connection !== undefined) return connection.send(bytes);
    if (
      state.waiting.length >= limits.adapter.waitingMessages ||
      state.waitingBytes + bytes.length > limits.adapter.waitingBytes
    ) {
      dropped.add();
      return false;
    }
    state.waiting.push(bytes);
    state.waitingBytes += bytes.length;
    reconnect(state);
    return true;
  }

  function liveConnection(state: FlowState): SipConnection | undefined {
    if (state.connection?.closed !== false) {
      const { peer, application } = state.flow;
      state.connection = deps.connections().find(peer, application);
    }
    return state.connection;
  }

  function reconnect(state: FlowState): void {
    if (state.giveUp !== undefined || stopped) return;
    reconnects.add();
    const { peer, application } = state.flow;
    const destinations: readonly Destination[] = [{ type: 'node', nodeId: peer }];
    state.giveUp = deps.connections().connect(destinations, application, (outcome) => {
      state.giveUp = undefined;
      if (state.closed) return;
      // The other side may have connected meanwhile.
      const connection = outcome.ok ? outcome.value : liveConnection(state);
      state.reconnectedMs = clock.monotonicMs();
      if (connection !== undefined) use(state, connection);
      else end(state, outcome.ok ? '' : outcome.error.text);
    });
  }

  function use(state: FlowState, connection: SipConnection): void {
    state.connection = connection;
    state.local = connection.local;
    state.remote = connection.remote;
    const { waiting } = state;
    state.waiting = [];
    state.waitingBytes = 0;
    for (const bytes of waiting) if (!connection.send(bytes)) dropped.add();
  }

  function end(state: FlowState, reason: string): void {
    if (state.closed) return;
    state.closed = true;
    states.delete(state.flow.id);
    state.giveUp?.();
    state.giveUp = undefined;
    state.waiting = [];
    deps.closed(state.flow, reason);
  }

  function lost(state: FlowState, connection: SipConnection, reason: string): void {
    if (state.connection !== connection) return;
    state.connection = undefined;
    if (state.closed || stopped) return;
    const nowMs = clock.monotonicMs();
    const unusedMs = nowMs - state.lastUsedMs;
    if (reason === 'idle' || unusedMs > reconnectWithinMs) return;
    if (state.reconnectedMs > 0 && nowMs - state.reconnectedMs < shortLifeMs) {
      end(state, reason);
      return;
    }
    // Transactions may wait on this flow: either it works again soon, or they must be told.
    deps.interrupted(state.flow);
    if (liveConnection(state) === undefined) reconnect(state);
  }

  return {
    open(destinations, application, done) {
      const target = terminalNode(destinations);
      const open = target === undefined ? undefined : deps.connections().find(target, application);
      if (open !== undefined) {
        done(success(stateOf(open.peer, application).flow));
        return () => undefined;
      }
      return deps.connections().connect(destinations, application, (outcome) => {
        if (!outcome.ok) done(outcome);
        else if (outcome.value.closed) done(failure(closedAtOnce));
        else done(success(stateOf(outcome.value.peer, application).flow));
      });
    },
    find: (id) => states.get(id)?.flow,
    adopt(connection) {
      const state = stateOf(connection.peer, connection.application);
      const framer = createStreamFramer();
      const events: StreamFramerEvents = {
        message(bytes) {
          state.lastUsedMs = clock.monotonicMs();
          deps.message(state.flow, bytes);
        },
        ping: () => connection.pong(),
        pong: () => undefined,
      };
      const preferred =
        deps.connections().find(connection.peer, connection.application) ?? connection;
      if (state.connection !== preferred) use(state, preferred);
      return {
        data(bytes) {
          const reason = framer.push(bytes, events);
          if (reason === undefined) return;
          broken.add();
          trace.log('warn', 'sip-overlay-stream-broken', { peer: connection.peer, reason });
          connection.close(reason);
        },
        closed: (reason) => lost(state, connection, reason),
      };
    },
    stop() {
      stopped = true;
      for (const state of [...states.values()]) end(state, 'stopping');
    },
    get size() {
      return states.size;
    },
  };
}
