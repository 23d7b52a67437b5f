/**
 * Via, Record-Route and Route between adapters: they name nodes, so whatever must come back finds its
 * way by a new AppAttach when the connection was lost in between (DESIGN §5.4). Hops towards phones are
 * left to the addressing of the SIP core.
 */
import type { NodeId } from '../base/ids.ts';
import { failure, success } from '../base/outcome.ts';
import type { Flow } from '../ports/flow.ts';
import type { Via } from '../sip/message/via.ts';
import { parseUri } from '../sip/message/uri.ts';
import { sipFailure } from '../sip/core/failure.ts';
import type { SipFailure } from '../sip/core/failure.ts';
import type { ReplyHops } from '../sip/proxy/reply-hop.ts';
import type { HopAddressing } from '../sip/proxy/targets.ts';
import type { SipConnectError } from '../usages/sip/connections.ts';
import { sipApplication, sipsApplication } from '../usages/sip/connections.ts';
import { hostOfNode, nodeOfHost } from './node-host.ts';
import type { OverlayFlows } from './overlay-flows.ts';
import { overlayListener } from './overlay-flows.ts';

export interface OverlayHops extends HopAddressing {
  /** A flow for responses to a request that came from `via` over a flow now lost; `undefined`: none. */
  reopen(via: Via, lost: Flow, done: (flow: Flow | undefined) => void): void;
}

export interface OverlayHopsDeps {
  readonly nodeId: NodeId;
  readonly phones: HopAddressing;
  readonly flows: Pick<OverlayFlows, 'open'>;
  /** Absent: responses to phones have the flow of their request only. */
  readonly replies?: ReplyHops;
}

export function createOverlayHops(deps: OverlayHopsDeps): OverlayHops {
  const { nodeId: self, phones, flows } = deps;
  const ownHost = hostOfNode(self);
  const viaSip = { host: ownHost, port: sipApplication };
  const viaSips = { host: ownHost, port: sipsApplication };

  return {
    via(flow) {
      if (flow.listener !== overlayListener) return phones.via(flow);
      return isSips(flow) ? viaSips : viaSip;
    },
    recordRoute(flow, secure) {
      if (flow.listener !== overlayListener) return phones.recordRoute(flow, secure);
      const port = isSips(flow) ? sipsApplication : sipApplication;
      return `${secure ? 'sips' : 'sip'}:${ownHost}:${port};lr`;
    },
    ownRoute(uri) {
      // The text of the own host cannot stand in a Route of anybody else's making by chance.
      if (!uri.includes(ownHost)) return phones.ownRoute(uri);
      const parsed = parseUri(uri);
      if (!parsed.ok || nodeOfHost(parsed.value.host) !== self) return phones.ownRoute(uri);
      return { kind: 'plain' };
    },
    openRoute(uri, context, done) {
      const parsed = uri.includes('.invalid') ? parseUri(uri) : undefined;
      const peer = parsed?.ok === true ? nodeOfHost(parsed.value.host) : undefined;
      if (peer === undefined || parsed?.ok !== true) return phones.openRoute(uri, context, done);
      if (context.flow.listener === overlayListener) {
        // Members must not use us as a relay to other members.
        done(failure(sipFailure(403, 'No Relay Between Nodes')));
        return () => undefined;
      }
      const application = parsed.value.port === sipsApplication ? sipsApplication : sipApplication;
      return flows.open([{ type: 'node', nodeId: peer }], application, (outcome) => {
        done(outcome.ok ? success(outcome.value) : failure(unreachableNode(outcome.error)));
      });
    },
    reopen(via, lost, done) {
      const peer = nodeOfHost(via.host);
      if (lost.listener !== overlayListener && deps.replies !== undefined) {
        deps.replies.reopen(via, lost, done);
        return;
      }
      // A response goes back only to the node that asked.
      if (peer === undefined || peer !== lost.peer) {
        done(undefined);
        return;
      }
      const application = isSips(lost) ? sipsApplication : sipApplication;
      flows.open([{ type: 'node', nodeId: peer }], application, (outcome) => {
        done(outcome.ok ? outcome.value : undefined);
      });
    },
  };
}

/** The answer of a branch whose node cannot be reached (DESIGN §5.2). */
export function unreachableNode(error: SipConnectError): SipFailure {
  if (error.reason === 'overload') {
    return sipFailure(503, 'Service Unavailable', [['Retry-After', '5']]);
  }
  return sipFailure(480, 'Temporarily Unavailable');
}

function isSips(flow: Flow): boolean {
  return flow.id.endsWith(`/${sipsApplication}`);
}
