/** An overlay whose AppAttaches the test answers, and connections that the test is the far end of. */
import type { NodeId } from '../../../../../src/base/ids.ts';
import type { Outcome } from '../../../../../src/base/outcome.ts';
import { failure, success } from '../../../../../src/base/outcome.ts';
import { latin1Decode, latin1Encode } from '../../../../../src/base/text.ts';
import type { AppConnection, Overlay, OverlayError } from '../../../../../src/overlay/api.ts';
import type { ConnectionHandler, SecureConnection } from '../../../../../src/ports/connection.ts';
import { certificate } from '../../../adapter/support/world.ts';

export interface FarEnd {
  readonly connection: SecureConnection;
  readonly sent: string[];
  bufferedBytes: number;
  /** The reason this side closed with. */
  closedWith: string | undefined;
  says(text: string): void;
  /** The network lost the connection. */
  lost(reason: string): void;
}

export function createFarEnd(peer: NodeId, shown: readonly NodeId[] = [peer]): FarEnd {
  let handler: ConnectionHandler | undefined;
  const [first] = shown;
  const end: FarEnd = {
    sent: [],
    bufferedBytes: 0,
    closedWith: undefined,
    says: (text) => handler?.data(latin1Encode(text)),
    lost: (reason) => handler?.closed(reason),
    connection: {
      role: 'client',
      local: { address: '10.0.0.1', port: 1 },
      remote: { address: '10.0.0.2', port: 2 },
      peerChain: first === undefined ? [] : [{ ...certificate(first, undefined), nodeIds: shown }],
      get bufferedBytes() {
        return end.bufferedBytes;
      },
      setHandler: (given) => void (handler = given),
      send: (bytes) => void end.sent.push(latin1Decode(bytes)),
      close(reason) {
        end.closedWith ??= reason;
        handler?.closed(reason);
      },
    },
  };
  return end;
}

export interface AskedAttach {
  readonly application: number;
  /** The AppAttachAns came; the connection is being made. */
  answered(): void;
  connects(end: FarEnd, peer: NodeId): void;
  fails(reason: OverlayError['reason'], text?: string): void;
}

export interface ScriptedOverlay {
  readonly overlay: Pick<Overlay, 'nodeId' | 'appAttach' | 'onApplication'>;
  readonly attaches: AskedAttach[];
  /** A peer has connected to this node. */
  accepts(application: number, peer: NodeId, end: FarEnd): void;
}

export function createScriptedOverlay(nodeId: NodeId): ScriptedOverlay {
  const listeners = new Map<number, (app: AppConnection) => void>();
  const attaches: AskedAttach[] = [];
  return {
    attaches,
    accepts(application, peer, { connection }) {
      listeners.get(application)?.({ connection, peer, application });
    },
    overlay: {
      nodeId,
      onApplication: (application, accepted) => void listeners.set(application, accepted),
      appAttach(_destination, application, done, answered) {
        const settle = (outcome: Outcome<AppConnection, OverlayError>): void => done(outcome);
        attaches.push({
          application,
          answered: () => answered?.(),
          connects: ({ connection }, peer) => settle(success({ connection, peer, application })),
          fails: (reason, text = 'why') => settle(failure({ code: 0, reason, text })),
        });
      },
    },
  };
}
