/** Ping, Probe, RouteQuery and Find as calls of the peer's API. RFC 6940 §6.4.2.4, §6.4.2.5, §6.5.3, §7.4.4. */
import { emptyBytes } from '../base/bytes.ts';
import type { KindId, NodeId, ResourceId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { findAns, findReq } from '../wire/reload/find.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { pingAns, pingReq } from '../wire/reload/ping.ts';
import { probeAns, probeReq } from '../wire/reload/probe.ts';
import { routeQueryReq } from '../wire/reload/route-query.ts';
import type { OverlayError } from './api.ts';
import type { Random } from '../ports/random.ts';
import type { FindResult, OverlayPeer, ProbeResult } from './peer-api.ts';
import { localError, publicError, type Transactions } from './transactions.ts';

export interface Queries extends Pick<OverlayPeer, 'ping' | 'probe' | 'find' | 'routeQuery'> {
  /** Whether a peer answers for the place of `self` in the ring, asked through a linked node. */
  probeRing(self: NodeId, via: NodeId, done: (found: boolean) => void): void;
}

export function createQueries({
  transactions,
  random,
}: {
  readonly transactions: Transactions;
  readonly random: Random;
}): Queries {
  /** Random in length and content, so that the size of a Ping tells nothing (§6.5.3.1). */
  const padding = (): Uint8Array => random.bytes(random.u32() % (maxPaddingBytes + 1));

  return {
    probeRing(self, via, done) {
      const place = following(self);
      transactions.request(
        {
          destinations: [
            { type: 'node', nodeId: via },
            { type: 'resource', resource: place },
          ],
          messageCode: messageCodes.pingReq,
          body: encodeToBytes(pingReq, { padding: emptyBytes }),
          anyResponder: true,
          transmissions: 1,
        },
        (outcome) => done(outcome.ok && outcome.value.signer.nodeId !== self),
      );
    },

    ping(destination, done) {
      const body = encodeToBytes(pingReq, { padding: padding() });
      const request = { destinations: destination, messageCode: messageCodes.pingReq, body };
      transactions.request(request, (outcome) => {
        if (!outcome.ok) {
          done(failure(publicError(outcome.error)));
          return;
        }
        const { signer, roundTripMs, body: answer } = outcome.value;
        const decoded = tryDecode(pingAns, answer);
        if (!decoded.ok) done(malformed());
        else {
          const timeMs = Number(decoded.value.time);
          done(success({ answeredBy: signer.nodeId, roundTripMs, timeMs }));
        }
      });
    },

    probe(nodeId, done) {
      const body = encodeToBytes(probeReq, {
        requestedInfo: ['responsibleSet', 'numResources', 'uptime'],
      });
      const destinations = [{ type: 'node' as const, nodeId }];
      const request = { destinations, messageCode: messageCodes.probeReq, body };
      transactions.request(request, (outcome) => {
        done(
          outcome.ok
            ? probeResult(outcome.value.signer.nodeId, outcome.value.body)
            : failure(publicError(outcome.error)),
        );
      });
    },

    routeQuery(nodeId, destination, done, { sendUpdate = false } = {}) {
      const overlaySpecificData = emptyBytes;
      const body = encodeToBytes(routeQueryReq, { sendUpdate, destination, overlaySpecificData });
      const destinations = [{ type: 'node' as const, nodeId }];
      const request = { destinations, messageCode: messageCodes.routeQueryReq, body };
      transactions.request(request, (outcome) => {
        if (!outcome.ok) done(failure(publicError(outcome.error)));
        else {
          const { signer, body: answer } = outcome.value;
          done(success({ answeredBy: signer.nodeId, answer }));
        }
      });
    },

    find(resource, kinds, done) {
      const body = encodeToBytes(findReq, { resource, kinds });
      const destinations = [{ type: 'resource' as const, resource }];
      const request = { destinations, messageCode: messageCodes.findReq, body };
      transactions.request(request, (outcome) => {
        done(
          outcome.ok
            ? findResult(outcome.value.signer.nodeId, outcome.value.body, kinds)
            : failure(publicError(outcome.error)),
        );
      });
    },
  };
}

/** The Resource-ID one above: a Resource-ID equal to a linked Node-ID would come straight back. */
export function following(nodeId: NodeId): ResourceId {
  const size = BigInt(nodeId.length * 4);
  const next = (BigInt(`0x${nodeId}`) + 1n) % (1n << size);
  return next.toString(16).padStart(nodeId.length, '0') as ResourceId;
}

function malformed(): Outcome<never, OverlayError> {
  return failure(publicError(localError('invalid', 'malformed answer')));
}

function probeResult(answeredBy: NodeId, body: Uint8Array): Outcome<ProbeResult, OverlayError> {
  const decoded = tryDecode(probeAns, body);
  if (!decoded.ok) return malformed();
  let responsiblePpb: number | undefined;
  let resources: number | undefined;
  let uptimeS: number | undefined;
  for (const item of decoded.value.probeInfo) {
    if (item.type === 'responsibleSet') responsiblePpb = item.responsiblePpb;
    else if (item.type === 'numResources') resources = item.numResources;
    else if (item.type === 'uptime') uptimeS = item.uptime;
  }
  return success({ answeredBy, responsiblePpb, resources, uptimeS });
}

/** A Resource-ID that is empty or all zero means that there is none. */
function findResult(
  answeredBy: NodeId,
  body: Uint8Array,
  kinds: readonly KindId[],
): Outcome<FindResult, OverlayError> {
  const decoded = tryDecode(findAns, body);
  if (!decoded.ok) return malformed();
  const closest: { readonly kind: KindId; readonly resource: ResourceId }[] = [];
  for (const { kind, closest: resource } of decoded.value.results) {
    if (kinds.includes(kind) && !/^0*$/.test(resource)) closest.push({ kind, resource });
  }
  return success({ answeredBy, closest });
}

const maxPaddingBytes = 64;
