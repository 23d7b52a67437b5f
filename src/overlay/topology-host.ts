/**
 * What the overlay does for the topology algorithm, on top of its own means. RFC 6940 §6.4.2.
 */
import type { NodeId, ResourceId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import type { TopologyHost } from '../topology/plugin.ts';
import { encodeToBytes } from '../wire/codec.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { pingReq } from '../wire/reload/ping.ts';
import { emptyBytes } from '../base/bytes.ts';
import type { Attacher } from './attach.ts';
import type { Bootstrap } from './bootstrap.ts';
import type { LinkTable } from './link-table.ts';
import type { Transactions } from './transactions.ts';

export interface TopologyHostDependencies {
  readonly self: NodeId;
  readonly config: () => OverlayConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly links: LinkTable;
  readonly transactions: Transactions;
  readonly attacher: Attacher;
  readonly bootstrap: () => Bootstrap;
  readonly copyRange: TopologyHost['copyRange'];
  readonly dropResources: TopologyHost['dropResources'];
  readonly changed: TopologyHost['changed'];
}

export function createTopologyHost(dependencies: TopologyHostDependencies): TopologyHost {
  const { self, links, transactions } = dependencies;
  return {
    self,
    config: dependencies.config,
    clock: dependencies.clock,
    random: dependencies.random,
    trace: dependencies.trace,
    *linkedNodes() {
      for (const entry of links.entries()) yield entry.nodeId;
    },
    isLinked: (nodeId) => links.get(nodeId) !== undefined,
    closeLink: (nodeId, reason) => links.close(nodeId, reason),
    attach: (target, options, done) => dependencies.attacher.attach(target, options, done),
    request(nodeId, messageCode, body, done) {
      const destinations: readonly Destination[] = [{ type: 'node', nodeId }];
      transactions.request({ destinations, messageCode, body }, (outcome) => {
        done(outcome.ok ? success(outcome.value.body) : failure(outcome.error.text));
      });
    },
    pingResource: ping,
    bootstrapPeer: () => dependencies.bootstrap().peer(),
    discoverBootstrap: (done) => dependencies.bootstrap().discover(done),
    copyRange: dependencies.copyRange,
    dropResources: dependencies.dropResources,
    changed: dependencies.changed,
  };

  /** Through `via` the question is who answers there, so the closeness rule (§6.3.4) does not apply. */
  function ping(
    resource: ResourceId,
    via: NodeId | undefined,
    done: (outcome: Outcome<NodeId>) => void,
  ): void {
    const target: Destination = { type: 'resource', resource };
    transactions.request(
      {
        destinations: via === undefined ? [target] : [{ type: 'node', nodeId: via }, target],
        messageCode: messageCodes.pingReq,
        body: encodeToBytes(pingReq, { padding: emptyBytes }),
        anyResponder: via !== undefined,
      },
      (outcome) => {
        done(outcome.ok ? success(outcome.value.signer.nodeId) : failure(outcome.error.text));
      },
    );
  }
}
