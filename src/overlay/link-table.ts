/**
 * The Connection Table: one authenticated link per Node-ID. RFC 6940 §6.5.1, §6.6.
 */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { createDatagramLink } from '../link/datagram-link.ts';
import { createLink, type Link } from '../link/link.ts';
import type { Certificate } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecureConnection } from '../ports/connection.ts';
import type { Trace } from '../ports/trace.ts';
import type { LinkSnapshot } from './peer-api.ts';
import { createRateLimit } from './rate-limit.ts';

/** A live link and what is known about it. */
export interface LinkEntry {
  readonly link: Link;
  readonly nodeId: NodeId;
  /** True when the certificate names several Node-IDs, so that only an Attach tells which one is meant (§6.1.2). */
  readonly ambiguous: boolean;
  /** True once an Attach between the two nodes has settled which Node-ID is meant. */
  attached: boolean;
  readonly connectedAtMs: number;
  /** Monotonic time of the last message in either direction. */
  usedAtMs: number;
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
}

export interface LinkTable {
  get(nodeId: NodeId): LinkEntry | undefined;
  readonly size: number;
  /** In the order of their creation. */
  entries(): Iterable<LinkEntry>;
  /**
   * Takes over a connection whose certificate path is good; a bad or superfluous one is closed and
   * refused. `expected`: the Node-ID that this connection was made for; another one is refused.
   */
  add(connection: SecureConnection, expected?: NodeId): Outcome<LinkEntry>;
  close(nodeId: NodeId, reason: string): void;
  closeAll(reason: string): void;
  snapshot(): LinkSnapshot[];
}

export interface LinkTableEvents {
  message(entry: LinkEntry, bytes: Uint8Array): void;
  /** §6.6: answer with Error_Message_Too_Large; the link closes itself soon after. */
  oversized(entry: LinkEntry, prefix: Uint8Array): void;
  up(entry: LinkEntry): void;
  down(nodeId: NodeId, reason: string): void;
  suspect(nodeId: NodeId, suspect: boolean): void;
}

export interface LinkTableDependencies {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly maxMessageBytes: () => number;
  /** Path, dates, overlay name and bad-node check of the certificate at the other end. */
  readonly authenticate: (chain: readonly Certificate[]) => Outcome<readonly NodeId[]>;
  /** Messages that one neighbor may send; more are dropped and counted. */
  readonly neighborRate: { readonly perSecond: number; readonly burst: number };
  /** True for nodes that the topology works with; their links are never closed to make room. */
  readonly isNeeded: (nodeId: NodeId) => boolean;
  readonly events: LinkTableEvents;
}

export function createLinkTable(dependencies: LinkTableDependencies): LinkTable {
  const { self, clock, trace, events } = dependencies;
  const table = new Map<NodeId, LinkEntry>();
  const refused = (reason: string): { readonly ok: false; readonly error: string } => {
    trace.counter('overlay_links_refused_total', { reason }).add();
    return failure(reason);
  };
  const shed = trace.counter('overlay_messages_dropped_total', { reason: 'neighbor-rate' });
  trace.gauge('overlay_links', () => table.size);

  function add(connection: SecureConnection, expected?: NodeId): Outcome<LinkEntry> {
    const nodes = dependencies.authenticate(connection.peerChain);
    if (!nodes.ok) {
      connection.setHandler(ignoring);
      connection.close('certificate refused');
      trace.log('info', 'link-refused', { remote: connection.remote, reason: nodes.error });
      return refused('certificate');
    }
    const nodeId =
      expected !== undefined && nodes.value.includes(expected) ? expected : nodes.value[0];
    const reason =
      nodeId === undefined
        ? 'no-node-id'
        : nodes.value.includes(self)
          ? 'self'
          : expected !== undefined && nodeId !== expected
            ? 'wrong-peer'
            : undefined;
    if (nodeId === undefined || reason !== undefined) {
      connection.setHandler(ignoring);
      connection.close(reason ?? 'no-node-id');
      return refused(reason ?? 'no-node-id');
    }
    const held = table.get(nodeId);
    if (held !== undefined && !supersedes(connection, held, self)) {
      connection.setHandler(ignoring);
      connection.close('already linked');
      return success(held);
    }
    if (held === undefined && table.size >= limits.overlay.links && !makeRoom()) {
      connection.setHandler(ignoring);
      connection.close('too many links');
      return refused('too-many');
    }
    const entry = open(connection, nodeId, nodes.value.length > 1, held);
    if (expected !== undefined) entry.attached = true;
    return success(entry);
  }

  function open(
    connection: SecureConnection,
    nodeId: NodeId,
    ambiguous: boolean,
    held: LinkEntry | undefined,
  ): LinkEntry {
    const rate = createRateLimit(dependencies.neighborRate);
    const create = connection.datagramBytes === undefined ? createLink : createDatagramLink;
    const link = create({
      clock,
      trace,
      connection,
      nodeId,
      ...(connection.stunRttMs === undefined ? {} : { stunRttMs: connection.stunRttMs }),
      maxMessageBytes: dependencies.maxMessageBytes,
      events: {
        message(bytes) {
          const now = clock.monotonicMs();
          entry.messagesIn++;
          entry.bytesIn += bytes.length;
          entry.usedAtMs = now;
          if (rate.take(now)) events.message(entry, bytes);
          else shed.add();
        },
        oversized: (prefix) => events.oversized(entry, prefix),
        suspect(suspect) {
          if (table.get(nodeId) === entry) events.suspect(nodeId, suspect);
        },
        closed(reason) {
          if (table.get(nodeId) !== entry) return;
          table.delete(nodeId);
          trace.log('info', 'link-down', { node: nodeId, reason });
          events.down(nodeId, reason);
        },
      },
    });
    const now = clock.monotonicMs();
    const entry: LinkEntry = {
      link,
      nodeId,
      ambiguous,
      attached: false,
      connectedAtMs: now,
      usedAtMs: now,
      messagesIn: 0,
      messagesOut: 0,
      bytesIn: 0,
      bytesOut: 0,
    };
    table.set(nodeId, entry);
    if (held === undefined) {
      trace.log('info', 'link-up', { node: nodeId, remote: connection.remote });
    } else {
      held.link.close('replaced');
      if (held.link.suspect) events.suspect(nodeId, false);
    }
    events.up(entry);
    return entry;
  }

  /** Closes the least recently used link that the topology does not work with. */
  function makeRoom(): boolean {
    let oldest: LinkEntry | undefined;
    for (const entry of table.values()) {
      if (dependencies.isNeeded(entry.nodeId)) continue;
      if (oldest === undefined || entry.usedAtMs < oldest.usedAtMs) oldest = entry;
    }
    if (oldest === undefined) return false;
    close(oldest.nodeId, 'making room');
    return true;
  }

  function close(nodeId: NodeId, reason: string): void {
    table.get(nodeId)?.link.close(reason);
  }

  return {
    get: (nodeId) => table.get(nodeId),
    get size() {
      return table.size;
    },
    entries: () => table.values(),
    add,
    close,
    closeAll(reason) {
      for (const entry of [...table.values()]) entry.link.close(reason);
    },
    snapshot: () => [...table.values()].map((entry) => snapshotOf(entry, clock.monotonicMs())),
  };
}

/**
 * Both ends of two simultaneous connections must keep the same one: that of the smaller Node-ID as
 * TLS client; of two with the same client the newer, because its maker has lost the other.
 */
function supersedes(connection: SecureConnection, held: LinkEntry, self: NodeId): boolean {
  if (held.link.closed || connection.role === held.link.connection.role) return true;
  const client = connection.role === 'client' ? self : held.nodeId;
  const heldClient = connection.role === 'client' ? held.nodeId : self;
  return held.link.suspect || client < heldClient;
}

const ignoring = { data: () => undefined, closed: () => undefined };

function snapshotOf(entry: LinkEntry, nowMs: number): LinkSnapshot {
  const { connection } = entry.link;
  return {
    nodeId: entry.nodeId,
    remote: connection.remote,
    role: connection.role,
    suspect: entry.link.suspect,
    rttMs: entry.link.rttMs,
    unacknowledged: entry.link.unacknowledged,
    ageS: Math.floor((nowMs - entry.connectedAtMs) / 1000),
    messagesIn: entry.messagesIn,
    messagesOut: entry.messagesOut,
    bytesIn: entry.bytesIn,
    bytesOut: entry.bytesOut,
  };
}
