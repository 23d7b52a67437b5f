/**
 * Ping, Probe and ConfigUpdate at their destination, and the methods of the topology algorithm.
 * RFC 6940 §6.4.2, §6.5.3, §6.5.4.
 */
import type { NodeId } from '../base/ids.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import { randomU64, type Random } from '../ports/random.ts';
import type { Topology, TopologyError } from '../topology/plugin.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { configUpdateReq } from '../wire/reload/config-update.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { pingAns, pingReq } from '../wire/reload/ping.ts';
import { probeAns, probeReq, type ProbeInformation } from '../wire/reload/probe.ts';
import { emptyBytes } from '../base/bytes.ts';
import type { IncomingRequest, RequestHandler } from './incoming.ts';
import type { OverlayDependencies } from './peer-api.ts';

export interface BasicMethodDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly topology: () => Topology;
  readonly uptimeS: () => number;
  readonly storedResources: () => number;
  readonly onConfigUpdate: OverlayDependencies['onConfigUpdate'];
  /** Called after an Update was handled. */
  readonly updated: () => void;
}

/** Handlers by message code. */
export function basicMethods(
  dependencies: BasicMethodDependencies,
): ReadonlyMap<number, RequestHandler> {
  const { topology } = dependencies;
  return new Map<number, RequestHandler>([
    [messageCodes.pingReq, ping],
    [messageCodes.probeReq, probe],
    [messageCodes.configUpdateReq, configUpdate],
    [messageCodes.joinReq, onOwnLink((from, body) => topology().handleJoin(from, body))],
    [messageCodes.leaveReq, onOwnLink((from, body) => topology().handleLeave(from, body))],
    [messageCodes.updateReq, handled(update)],
    [messageCodes.routeQueryReq, handled((from, body) => topology().handleRouteQuery(from, body))],
  ]);

  function update(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError> {
    const outcome = topology().handleUpdate(from, body);
    dependencies.updated();
    return outcome;
  }

  function ping(request: IncomingRequest): void {
    if (!tryDecode(pingReq, request.body).ok) {
      request.refuse(errorCodes.invalidMessage, 'not a PingReq');
      return;
    }
    const responseId = randomU64(dependencies.random);
    const time = BigInt(Math.floor(dependencies.clock.wallMs()));
    request.answer(encodeToBytes(pingAns, { responseId, time }));
  }

  /** Every requested item that is known, in the order asked, each once. */
  function probe(request: IncomingRequest): void {
    const decoded = tryDecode(probeReq, request.body);
    if (!decoded.ok) {
      request.refuse(errorCodes.invalidMessage, 'not a ProbeReq');
      return;
    }
    const probeInfo: ProbeInformation[] = [];
    for (const wanted of new Set(decoded.value.requestedInfo)) {
      if (wanted === 'responsibleSet') {
        const responsiblePpb = Math.min(topology().responsiblePpb(), 1_000_000_000);
        probeInfo.push({ type: 'responsibleSet', responsiblePpb });
      } else if (wanted === 'numResources') {
        probeInfo.push({ type: 'numResources', numResources: dependencies.storedResources() });
      } else if (wanted === 'uptime') {
        probeInfo.push({ type: 'uptime', uptime: dependencies.uptimeS() });
      }
    }
    request.answer(encodeToBytes(probeAns, { probeInfo }));
  }

  function configUpdate(request: IncomingRequest): void {
    const decoded = tryDecode(configUpdateReq, request.body);
    if (!decoded.ok || decoded.value.type === 'unknown') {
      request.refuse(errorCodes.invalidMessage, 'not a ConfigUpdateReq');
      return;
    }
    const update = decoded.value;
    const offer =
      update.type === 'config'
        ? { type: 'config' as const, document: update.configData }
        : { type: 'kind' as const, kindBlocks: update.kinds };
    if (dependencies.onConfigUpdate === undefined) {
      request.refuse(errorCodes.forbidden, 'configuration updates are not taken');
      return;
    }
    dependencies.onConfigUpdate(offer, (outcome) => {
      if (outcome.ok) request.answer(emptyBytes);
      else request.refuse(outcome.error.code, outcome.error.text);
    });
  }
}

type TopologyMethod = (from: NodeId, body: Uint8Array) => Outcome<Uint8Array, TopologyError>;

function handled(method: TopologyMethod): RequestHandler {
  return (request) => {
    const outcome = method(request.signer.nodeId, request.body);
    if (outcome.ok) request.answer(outcome.value);
    else request.refuse(outcome.error.code, outcome.error.text);
  };
}

/** §6.4.2.1, §6.4.2.2: Join and Leave count only on the link of the node that they are about. */
function onOwnLink(method: TopologyMethod): RequestHandler {
  const handle = handled(method);
  return (request) => {
    if (request.direct) handle(request);
    else request.refuse(errorCodes.forbidden, 'not on the link of the signer');
  };
}
