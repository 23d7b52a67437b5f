/** The way of an arrived message, with signatures, transactions and handlers played by the test. */
import assert from 'node:assert/strict';
import { concatBytes } from '../../../../src/base/bytes.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import { failure, success } from '../../../../src/base/outcome.ts';
import type { Certificate } from '../../../../src/ports/certificates.ts';
import { createIncoming, type IncomingRequest } from '../../../../src/overlay/incoming.ts';
import type { RoutedMessage } from '../../../../src/overlay/routed-message.ts';
import { decodeExact, encodeToBytes } from '../../../../src/wire/codec.ts';
import { encodeContents, messageContents } from '../../../../src/wire/reload/contents.ts';
import { errorResponse } from '../../../../src/wire/reload/errors.ts';
import { unfragmented, type ForwardingHeader } from '../../../../src/wire/reload/header.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { emptySignature, securityBlock } from '../../../../src/wire/reload/security.ts';
import { createCountingTrace } from '../../link/fakes.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { createIdentity } from './fake-keys.ts';
import { idOf } from './parts.ts';
import { testConfig } from './world.ts';

export const [self, hosted, neighbor, far] = [idOf('5'), idOf('6'), idOf('8'), idOf('9')];
export const block = encodeToBytes(securityBlock, { certificates: [], signature: emptySignature });

interface SceneOptions {
  /** Signatures are judged only when the test says so. */
  readonly slow?: boolean;
  readonly signer?: NodeId;
  readonly handle?: (request: IncomingRequest) => void;
}

export function scene({ slow = false, signer = neighbor, handle }: SceneOptions = {}) {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const sent: RoutedMessage[] = [];
  const handled: IncomingRequest[] = [];
  const verifications: (() => void)[] = [];
  const responses: bigint[] = [];
  const oldConfigs: NodeId[] = [];
  const signedBy: NodeId[] = [];
  let isGood = true;
  const own = createIdentity(clock, [self], 'own');
  const user = createIdentity(clock, [hosted], 'user');
  const incoming = createIncoming({
    self,
    clock,
    trace,
    config: () => testConfig,
    security: {
      sign({ nodeId }, done) {
        signedBy.push(nodeId);
        clock.after('sign', 0, () => done(block));
      },
      verify(_message, done) {
        const judge = (): void => {
          const certificate = {} as Certificate;
          if (isGood) done(success({ signer: { nodeId: signer, certificate }, certificates: [] }));
          else done(failure('wrong signature'));
        };
        if (slow) verifications.push(judge);
        else judge();
      },
      authenticate: () => assert.fail('no connection'),
    },
    transactions: {
      awaits: (id: bigint) => id === 77n,
      handle: (id: bigint) => responses.push(id),
    } as never,
    send: (message) => sent.push(message),
    identityOf: (nodeId) => (nodeId === hosted ? user : own),
    handlers: new Map([
      [
        messageCodes.pingReq,
        (request: IncomingRequest) => {
          handled.push(request);
          handle?.(request);
        },
      ],
    ]),
    knownExtensions: new Set([5]),
    peerHasOldConfig: (nodeId) => oldConfigs.push(nodeId),
  });
  return {
    clock,
    sent,
    handled,
    verifications,
    responses,
    oldConfigs,
    signedBy,
    incoming,
    forge: () => (isGood = false),
    dropped: (reason: string) => trace.count('overlay_messages_dropped_total', reason),
    received: (code: string) => trace.count('overlay_messages_received_total', code),
    answered: (result: string) => trace.count('overlay_answers_sent_total', result),
    repeated: () => trace.count('overlay_requests_repeated_total'),
    deliver(message: RoutedMessage, at = self) {
      incoming.deliver(message, at);
      clock.advance(0);
    },
    errorCode: () => {
      const body = sent.at(-1)?.body ?? assert.fail('nothing was sent');
      const { messageBody } = decodeExact(messageContents, body.subarray(0, -block.length));
      return decodeExact(errorResponse, messageBody).errorCode;
    },
  };
}

export interface MessageOptions {
  readonly header?: Partial<ForwardingHeader>;
  readonly code?: number;
  readonly from?: NodeId | undefined;
  readonly extensions?: Parameters<typeof encodeContents>[2];
}

export function message(id: bigint, options: MessageOptions = {}): RoutedMessage {
  const contents = encodeContents(
    options.code ?? messageCodes.pingReq,
    Uint8Array.of(0, 0),
    options.extensions,
  );
  return {
    header: {
      overlay: 3,
      configurationSequence: testConfig.sequence,
      ttl: 9,
      fragment: unfragmented,
      transactionId: id,
      maxResponseLength: 0,
      viaList: [],
      destinationList: [{ type: 'node', nodeId: self }],
      options: [],
      ...options.header,
    },
    body: concatBytes([contents, block]),
    from: 'from' in options ? options.from : neighbor,
  };
}
