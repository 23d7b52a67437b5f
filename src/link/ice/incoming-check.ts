/** What a Binding request on a candidate is: a check of the far end, or something else. RFC 8445 §7.3. */
import { answerBinding, bindingError } from '../../wire/stun/binding-answer.ts';
import { encodeStun, isAuthentic, type ReceivedStun } from '../../wire/stun/message.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { IceRole } from './types.ts';

export interface IncomingCheck {
  /** Of the candidate it came from, in case we do not know that yet. */
  readonly priority: number;
  readonly useCandidate: boolean;
  readonly senderRole: IceRole;
  readonly tieBreaker: bigint;
}

export type Examined =
  | { readonly kind: 'check'; readonly check: IncomingCheck }
  /** Someone asks us as a STUN server (RFC 6940 §6.5.1.4). */
  | { readonly kind: 'plain'; readonly answer: Uint8Array | undefined }
  | { readonly kind: 'refused'; readonly answer: Uint8Array };

/**
 * Nothing counts as a check without MESSAGE-INTEGRITY made with our own password. The refusals for
 * lack of credentials are themselves unsigned (RFC 8489 §9.1.3).
 */
export function examineBinding(
  request: ReceivedStun,
  from: TransportAddress,
  own: { readonly ufrag: string; readonly key: Uint8Array },
): Examined {
  const { username, priority, iceControlling, iceControlled, useCandidate } = request.attributes;
  if (username === undefined && !request.hasIntegrity) {
    return { kind: 'plain', answer: answerBinding(request, from) };
  }
  if (username === undefined || !request.hasIntegrity) {
    return refused(bindingError(request, 400, 'Bad Request'));
  }
  if (!username.startsWith(`${own.ufrag}:`) || !isAuthentic(request, own.key)) {
    return refused(bindingError(request, 401, 'Unauthenticated'));
  }
  if (request.unknownRequired.length > 0) {
    const error = bindingError(request, 420, 'Unknown Attribute', request.unknownRequired);
    return refused(error, own.key);
  }
  const tieBreaker = iceControlling ?? iceControlled;
  if (priority === undefined || tieBreaker === undefined) {
    return refused(bindingError(request, 400, 'Bad Request'), own.key);
  }
  return {
    kind: 'check',
    check: {
      priority,
      useCandidate: useCandidate === true,
      senderRole: iceControlling === undefined ? 'controlled' : 'controlling',
      tieBreaker,
    },
  };
}

function refused(error: Parameters<typeof encodeStun>[0], key?: Uint8Array): Examined {
  return { kind: 'refused', answer: encodeStun(error, key) };
}
