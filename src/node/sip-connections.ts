import { limits } from '../base/limits.ts';
import type { Flow, FlowEvents } from '../ports/flow.ts';
import type { Trace } from '../ports/trace.ts';

export interface ConnectionLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly outputBytes: number;
  readonly idleMs: number;
  readonly firstMessageMs: number;
}

/** All connections of all listeners: their ids, their number, their targets. */
export interface ConnectionTable {
  readonly limits: ConnectionLimits;
  readonly events: FlowEvents;
  readonly trace: Trace;
  /** An id never used before, not even by an earlier process. */
  newId(transport: string, listener: string): string;
  /** False (and counted) when the bounds are reached; call before taking a connection. */
  mayAccept(address: string): boolean;
  /** `target` names what requests may reuse it for. */
  add(flow: Flow, target: string | undefined): void;
  /** Reports the end of a flow, once. */
  remove(flow: Flow, reason: string): void;
  byId(id: string): Flow | undefined;
  byTarget(target: string): Flow | undefined;
  closeAll(): void;
}

export function createConnectionTable(
  events: FlowEvents,
  trace: Trace,
  overrides: Partial<ConnectionLimits>,
): ConnectionTable {
  const bounds: ConnectionLimits = { ...limits.sipSockets, ...overrides };
  const startedAt = Date.now().toString(36);
  const flows = new Map<string, { readonly flow: Flow; readonly target: string | undefined }>();
  const targets = new Map<string, Flow>();
  const perAddress = new Map<string, number>();
  const refused = trace.counter('sip_connections_refused_total');
  let count = 0;
  trace.gauge('sip_connections', () => flows.size);

  return {
    limits: bounds,
    events,
    trace,
    newId: (transport, listener) =>
      `${transport}:${listener}:${startedAt}.${(++count).toString(36)}`,
    mayAccept(address) {
      const ofAddress = perAddress.get(address) ?? 0;
      const may = flows.size < bounds.connections && ofAddress < bounds.connectionsPerAddress;
      if (!may) refused.add();
      return may;
    },
    add(flow, target) {
      flows.set(flow.id, { flow, target });
      const { address } = flow.remote;
      perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
      if (target !== undefined) targets.set(target, flow);
    },
    remove(flow, reason) {
      const entry = flows.get(flow.id);
      if (entry === undefined) return;
      flows.delete(flow.id);
      const { address } = flow.remote;
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
      if (entry.target !== undefined && targets.get(entry.target) === flow) {
        targets.delete(entry.target);
      }
      events.closed(flow, reason);
    },
    byId: (id) => flows.get(id)?.flow,
    byTarget: (target) => targets.get(target),
    closeAll() {
      for (const { flow } of [...flows.values()]) flow.close('shutdown');
    },
  };
}
