/**
 * Signing and checking of messages as the peer needs them; the work is done by `trust/`.
 * RFC 6940 §6.3.4.
 */
import type { NodeId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { Trust } from '../trust/trust.ts';
import type { Payload } from '../wire/reload/contents.ts';

export interface MessageToSign {
  readonly overlay: number;
  readonly transactionId: bigint;
  /** MessageContents as on the wire. */
  readonly contents: Uint8Array;
  readonly identity: Identity;
  /** Of the identity; the one that the message speaks for. */
  readonly nodeId: NodeId;
  /** Further certificates that the message refers to; repeated ones are sent once. */
  readonly certificates: readonly Certificate[];
}

export interface MessageSigner {
  readonly nodeId: NodeId;
  readonly certificate: Certificate;
}

export interface VerifiedMessage {
  readonly signer: MessageSigner;
  /** All certificates of the SecurityBlock that could be parsed; none of them is proved by being here. */
  readonly certificates: readonly Certificate[];
}

export interface MessageSecurity {
  /** Yields the whole SecurityBlock; `done` is called later. */
  sign(message: MessageToSign, done: (securityBlock: Uint8Array) => void): void;
  /** Checks certificate path and signature; `done` is called later. */
  verify(
    message: {
      readonly overlay: number;
      readonly transactionId: bigint;
      readonly payload: Payload;
    },
    done: (outcome: Outcome<VerifiedMessage>) => void,
  ): void;
  /** Path, dates, overlay name and bad-nodes of the certificate at the other end of a connection; its Node-IDs. */
  authenticate(chain: readonly Certificate[]): Outcome<readonly NodeId[]>;
}

export function createMessageSecurity(trust: Trust): MessageSecurity {
  return {
    sign(message, done) {
      const { transactionId, contents, identity, nodeId, certificates } = message;
      const signed = { overlayHash: message.overlay, transactionId, contents };
      trust.signMessage(signed, identity, done, { nodeId, certificates });
    },
    verify({ overlay, transactionId, payload }, done) {
      const signed = { overlayHash: overlay, transactionId, contents: payload.contentsBytes };
      trust.verifyMessage(signed, payload.security, (outcome) => {
        if (!outcome.ok) {
          done(outcome);
          return;
        }
        const { signer, signerNodeId, certificates } = outcome.value;
        if (signerNodeId === undefined) done(failure('which Node-ID signed is not said'));
        else done(success({ signer: { nodeId: signerNodeId, certificate: signer }, certificates }));
      });
    },
    authenticate(chain) {
      const leaf = chain[0];
      if (leaf === undefined) return failure('no certificate');
      const checked = trust.checkMember(leaf, chain.slice(1));
      return checked.ok ? success(leaf.nodeIds) : checked;
    },
  };
}
