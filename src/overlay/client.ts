/**
 * A node that uses the overlay without a place in the ring: it links with the peer responsible for
 * its Node-ID, or with any peer and is then reached through it. RFC 6940 §4.2.1.
 */
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Trace } from '../ports/trace.ts';
import { encodeToBytes } from '../wire/codec.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { pingReq } from '../wire/reload/ping.ts';
import { emptyBytes } from '../base/bytes.ts';
import type { Attacher } from './attach.ts';
import { following } from './queries.ts';
import type { Transactions } from './transactions.ts';

/** `responsible-peer`: found by Node-ID alone. `any-peer`: found by a list that names the peer first. */
export type ClientRouting = 'responsible-peer' | 'any-peer';

export interface Client {
  /** A first link is there. */
  linked(): void;
  /** An Update came: responsibility for our Node-ID may have moved. */
  updated(): void;
  linkDown(nodeId: NodeId): void;
  /** The peer to go through; `undefined` while there is none that was chosen. */
  peer(): NodeId | undefined;
  /** What others write into a Destination List to reach this node. */
  address(): readonly Destination[];
  stop(): void;
}

export function createClient(dependencies: {
  readonly self: NodeId;
  readonly routing: ClientRouting;
  /** Whether our certificate names several Node-IDs, so that an Attach must say which one is meant. */
  readonly severalNodeIds: boolean;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly attacher: Pick<Attacher, 'attach'>;
  readonly transactions: Pick<Transactions, 'request'>;
  /** Some linked peer. */
  readonly anyPeer: () => NodeId | undefined;
  /** There is a peer to go through, after there was none. */
  readonly ready: () => void;
}): Client {
  const { self, routing, clock, trace } = dependencies;
  /** The peer attached to. */
  let responsible: NodeId | undefined;
  let looking = false;
  let again: Timer | undefined;
  let keeping: Timer | undefined;
  let stopped = false;

  function look(): void {
    again = undefined;
    const via = dependencies.anyPeer();
    if (stopped || looking || via === undefined) return;
    if (routing === 'any-peer' && (!dependencies.severalNodeIds || responsible === via)) return;
    looking = true;
    dependencies.attacher.attach(
      routing === 'any-peer'
        ? { kind: 'node', nodeId: via }
        : { kind: 'resource', resource: following(self) },
      { sendUpdate: false, via, settlesNodeId: dependencies.severalNodeIds },
      (outcome) => {
        looking = false;
        if (stopped) return;
        if (!outcome.ok) {
          lookSoon(limits.overlay.clientRetryMs);
          return;
        }
        const isNew = responsible !== outcome.value;
        responsible = outcome.value;
        if (!isNew) return;
        trace.log('info', 'client-attached', { node: outcome.value });
        dependencies.ready();
      },
    );
  }

  function lookSoon(delayMs: number): void {
    again ??= clock.after('client-look', delayMs, look);
  }

  /** Links that carry nothing are closed by either side after a while. */
  function keepAlive(): void {
    keeping = clock.after('client-keep', limits.overlay.idleLinkMs / 3, keepAlive);
    const nodeId = peer();
    if (nodeId === undefined) return;
    dependencies.transactions.request(
      {
        destinations: [{ type: 'node', nodeId }],
        messageCode: messageCodes.pingReq,
        body: encodeToBytes(pingReq, { padding: emptyBytes }),
      },
      () => undefined,
    );
  }

  function peer(): NodeId | undefined {
    return responsible ?? (routing === 'any-peer' ? dependencies.anyPeer() : undefined);
  }

  return {
    linked() {
      if (stopped) return;
      if (keeping === undefined) keepAlive();
      if (peer() !== undefined) dependencies.ready();
      look();
    },
    updated: () => lookSoon(limits.overlay.clientSettleMs),
    linkDown(nodeId) {
      if (nodeId !== responsible) return;
      responsible = undefined;
      lookSoon(limits.overlay.clientSettleMs);
    },
    peer,
    address() {
      const own: Destination = { type: 'node', nodeId: self };
      const first = routing === 'any-peer' ? peer() : undefined;
      return first === undefined ? [own] : [{ type: 'node', nodeId: first }, own];
    },
    stop() {
      stopped = true;
      again?.cancel();
      keeping?.cancel();
    },
  };
}
