/**
 * A STUN server without state: tells whoever asks which address the question came from. Peers are
 * STUN servers of each other (RFC 6940 §6.5.1.4); SIP ports answer keep-alives (RFC 5626 §4.4.2).
 */
import { decodeStun, encodeStun, type ReceivedStun, type StunMessage } from './message.ts';
import type { StunAddress } from './address.ts';
import { stunAttributes } from './attributes.ts';

/** The answer to a datagram from that address; `undefined` when it is no Binding request. */
export function bindingAnswer(datagram: Uint8Array, from: StunAddress): Uint8Array | undefined {
  const decoded = decodeStun(datagram);
  return decoded.ok ? answerBinding(decoded.value, from) : undefined;
}

/** {@link bindingAnswer} for a message already decoded. */
export function answerBinding(request: ReceivedStun, from: StunAddress): Uint8Array | undefined {
  if (request.class !== 'request' || request.method !== 'binding') return undefined;
  const refused = notUnderstood(request);
  return encodeStun(
    refused.length === 0
      ? bindingSuccess(request, from)
      : bindingError(request, 420, 'Unknown Attribute', refused),
  );
}

/** RFC 8489 §6.3.1.1. */
export function bindingSuccess(request: StunMessage, from: StunAddress): StunMessage {
  return {
    class: 'success',
    method: 'binding',
    transactionId: request.transactionId,
    attributes: { xorMappedAddress: { address: from.address, port: from.port } },
  };
}

/** RFC 8489 §6.3.1.2. */
export function bindingError(
  request: StunMessage,
  code: number,
  reason: string,
  unknownAttributes?: readonly number[],
): StunMessage {
  return {
    class: 'error',
    method: 'binding',
    transactionId: request.transactionId,
    attributes: {
      errorCode: { code, reason },
      ...(unknownAttributes === undefined ? {} : { unknownAttributes }),
    },
  };
}

/** A server that is no ICE agent does not understand checks: it must not look like one that agrees. */
function notUnderstood(request: ReceivedStun): readonly number[] {
  const types = [...request.unknownRequired];
  if (request.attributes.priority !== undefined) types.push(stunAttributes.priority.type);
  if (request.attributes.useCandidate !== undefined) types.push(stunAttributes.useCandidate.type);
  return types;
}
