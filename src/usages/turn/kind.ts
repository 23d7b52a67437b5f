/** The TURN-SERVICE Kind as storing peers check it. RFC 6940 §9, reading A-08. */
import { concatBytes } from '../../base/bytes.ts';
import { idBytes, resourceIdOfName, type NodeId, type ResourceId } from '../../base/ids.ts';
import { failure, success } from '../../base/outcome.ts';
import { kindIds, type KindDefinition } from '../../storage/kinds.ts';
import { tryDecode } from '../../wire/codec.ts';
import { turnServer } from '../../wire/reload/turn-server.ts';

/** The greatest d that storing peers accept. §9. */
export const largestIteration = 20;

/** A TurnServer with an IPv6 address has 21 bytes; addresses of types to come may be longer. */
const defaultMaxSizeBytes = 100;

/** Where the record with that d lies: the hash of Node-ID and d. `iteration` from 1 to 255. */
export function resourceOfTurnServer(nodeId: NodeId, iteration: number): ResourceId {
  return resourceIdOfName(concatBytes([idBytes(nodeId), Uint8Array.of(iteration)]));
}

/** One server per Resource-ID; NODE-MULTIPLE; the d in the value is the one of the Resource-ID. */
export function turnServiceKind(): KindDefinition {
  return {
    kind: kindIds.turnService,
    name: 'TURN-SERVICE',
    dataModel: 'SINGLE',
    accessControl: 'NODE-MULTIPLE',
    maxCount: 1,
    maxSizeBytes: defaultMaxSizeBytes,
    maxNodeMultiple: largestIteration,
    validate({ resource, value, signerNodeId }) {
      if (!value.exists) return success(undefined);
      const decoded = tryDecode(turnServer, value.value);
      if (!decoded.ok) return failure('no TurnServer');
      const { iteration } = decoded.value;
      const isHere =
        signerNodeId !== undefined && resourceOfTurnServer(signerNodeId, iteration) === resource;
      return isHere ? success(undefined) : failure('iteration does not match the Resource-ID');
    },
  };
}
