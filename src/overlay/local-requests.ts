/**
 * Requests of this node that end at this node: the same handlers, without the message signatures
 * that nobody else would check. Certificates, responsibility, policies and limits are checked as ever.
 */
import { emptyBytes } from '../base/bytes.ts';
import type { NodeId } from '../base/ids.ts';
import { utf8Encode } from '../base/text.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { MessageExtension } from '../wire/reload/contents.ts';
import { errorCodes, type ErrorResponse } from '../wire/reload/errors.ts';
import type { RequestHandler } from './incoming.ts';
import type { MessageSecurity, MessageSigner } from './message-security.ts';
import type { OutgoingRequest } from './transactions.ts';

export type LocalAnswer =
  | {
      readonly kind: 'answer';
      readonly signer: MessageSigner;
      readonly body: Uint8Array;
      readonly extensions: readonly MessageExtension[];
      readonly certificates: readonly Certificate[];
    }
  | { readonly kind: 'error'; readonly signer: NodeId; readonly error: ErrorResponse };

/** Handles the request as if it had come from the network; `done` is called later, at most once. */
export type HandleLocally = (
  request: OutgoingRequest,
  transactionId: bigint,
  done: (answer: LocalAnswer) => void,
) => void;

export function createLocalRequests(dependencies: {
  readonly self: NodeId;
  readonly identity: Identity;
  readonly security: MessageSecurity;
  readonly handlers: () => ReadonlyMap<number, RequestHandler>;
  readonly later: (run: () => void) => void;
}): HandleLocally {
  const { self, later } = dependencies;
  return (request, transactionId, done) => {
    const identity = request.identity ?? dependencies.identity;
    const { certificate, chain } = identity;
    const refuse = (code: number, info: string | Uint8Array): void => {
      const errorInfo = typeof info === 'string' ? utf8Encode(info) : info;
      later(() => done({ kind: 'error', signer: self, error: { errorCode: code, errorInfo } }));
    };
    const member = dependencies.security.authenticate([certificate, ...chain]);
    const handler = dependencies.handlers().get(request.messageCode);
    if (!member.ok || handler === undefined) {
      refuse(errorCodes.forbidden, member.ok ? 'unknown method' : member.error);
      return;
    }
    later(() =>
      handler({
        messageCode: request.messageCode,
        body: request.body,
        extensions: request.extensions ?? [],
        signer: { nodeId: member.value[0] ?? self, certificate },
        certificates: [certificate, ...chain, ...(request.certificates ?? [])],
        transactionId,
        destination: request.destinations[request.destinations.length - 1],
        direct: false,
        local: true,
        answer(body, options = {}) {
          const signer = { nodeId: self, certificate: dependencies.identity.certificate };
          const extensions = options.extensions ?? [];
          const certificates = options.certificates ?? [];
          later(() => done({ kind: 'answer', signer, body, extensions, certificates }));
        },
        refuse: (code, info) => refuse(code, info.length > 0xffff ? emptyBytes : info),
      }),
    );
  };
}
