/** Who may write what where. RFC 6940 §7.3, RFC 7374 §5; readings. */
import { concatBytes } from '../base/bytes.ts';
import { idBytes, resourceIdOfName, type NodeId, type ResourceId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { unreachable } from '../base/assert.ts';
import { hexEncode } from '../base/text.ts';
import type { Signer } from '../trust/trust.ts';
import type { Place } from '../wire/reload/storage.ts';
import type { KindDefinition } from './kinds.ts';

/** The i of NODE-MULTIPLE is one byte. */
const largestMultiple = 255;

/**
 * Whether the signer (of a value, or of an original StoreReq) may write that place of the Kind at the
 * Resource-ID. The error is text for an Error_Forbidden.
 */
export function mayWrite(
  kind: Pick<KindDefinition, 'accessControl' | 'maxNodeMultiple'>,
  resource: ResourceId,
  place: Place,
  signer: Signer,
): Outcome<void> {
  const policy = kind.accessControl;
  switch (policy) {
    case 'USER-MATCH':
      return userMatch(resource, signer);
    case 'NODE-MATCH':
      return withNode(signer, (nodeId) =>
        resourceIdOfName(idBytes(nodeId)) === resource
          ? success(undefined)
          : failure('Node-ID does not match the Resource-ID'),
      );
    case 'USER-NODE-MATCH': {
      const user = userMatch(resource, signer);
      return user.ok ? keyMatch(place, signer) : user;
    }
    case 'NODE-MULTIPLE':
      return withNode(signer, (nodeId) =>
        multipleMatch(nodeId, resource, kind.maxNodeMultiple ?? 0),
      );
    // The tree node is in the value: the usage's check does that part (RFC 7374 §5).
    case 'NODE-ID-MATCH':
      return keyMatch(place, signer);
    default:
      return unreachable(policy);
  }
}

function userMatch(resource: ResourceId, { signer }: Signer): Outcome<void> {
  if (signer.userName !== undefined && resourceIdOfName(signer.userName) === resource) {
    return success(undefined);
  }
  return failure('user name does not match the Resource-ID');
}

function keyMatch(place: Place, signer: Signer): Outcome<void> {
  return withNode(signer, (nodeId) =>
    place.key !== undefined && hexEncode(place.key) === nodeId
      ? success(undefined)
      : failure('dictionary key is not the Node-ID of the signer'),
  );
}

function multipleMatch(nodeId: NodeId, resource: ResourceId, maximum: number): Outcome<void> {
  const bytes = idBytes(nodeId);
  for (let i = 1; i <= Math.min(maximum, largestMultiple); i++) {
    const name = concatBytes([bytes, Uint8Array.of(i)]);
    if (resourceIdOfName(name) === resource) return success(undefined);
  }
  return failure('no allowed multiple of the Node-ID matches the Resource-ID');
}

/** A signature that does not say which of several Node-IDs signed proves none of them. */
function withNode(signer: Signer, check: (nodeId: NodeId) => Outcome<void>): Outcome<void> {
  if (signer.signerNodeId === undefined) return failure('signature names no single Node-ID');
  return check(signer.signerNodeId);
}
