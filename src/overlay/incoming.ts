/**
 * Messages that have arrived: reassembly, signature check, configuration check, repeated requests,
 * then the method's handler or the waiting transaction; and the way back for answers.
 * RFC 6940 §6.1.1, §6.2.1, §6.3.2.1, §6.3.3, §6.3.4.
 */
import { concatBytes, emptyBytes } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import { utf8Encode } from '../base/text.ts';
import { isNewerSequence } from '../overlay-config/sequence.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Trace } from '../ports/trace.ts';
import { attempt, encodeToBytes } from '../wire/codec.ts';
import {
  decodePayload,
  encodeContents,
  type MessageExtension,
  type Payload,
} from '../wire/reload/contents.ts';
import { destinationKey, type Destination } from '../wire/reload/destination.ts';
import { errorCodeName, errorCodes, errorResponse } from '../wire/reload/errors.ts';
import {
  anyConfigurationSequence,
  forwardingOptionFlags,
  unfragmented,
  type ForwardingHeader,
} from '../wire/reload/header.ts';
import { messageClass, messageCodeName, messageCodes } from '../wire/reload/message-codes.ts';
import { codeLabel, labelledCounter } from './counters.ts';
import type { MessageSecurity, MessageSigner } from './message-security.ts';
import { createReassembly } from './reassembly.ts';
import { createRequestMemory, type RememberedRequest } from './request-memory.ts';
import { peekMessageCode, returnPath, type RoutedMessage } from './routed-message.ts';
import type { Transactions } from './transactions.ts';

/** A verified request and the means to answer it, once. */
export interface IncomingRequest {
  readonly messageCode: number;
  readonly body: Uint8Array;
  readonly extensions: readonly MessageExtension[];
  readonly signer: MessageSigner;
  /** From the SecurityBlock; only the signer's is proved. */
  readonly certificates: readonly Certificate[];
  readonly transactionId: bigint;
  /** What the Destination List ended at: a resource, or this node or an identity it hosts. */
  readonly destination: Destination | undefined;
  /** True when the signer is the neighbor whose link the request came on (§6.4.2.1). */
  readonly direct: boolean;
  /** True for a request of this very node. */
  readonly local: boolean;
  /** `certificates`: those that the body refers to. */
  answer(
    body: Uint8Array,
    options?: {
      readonly certificates?: readonly Certificate[];
      readonly extensions?: readonly MessageExtension[];
    },
  ): void;
  refuse(code: number, info: string | Uint8Array): void;
}

export type RequestHandler = (request: IncomingRequest) => void;

export interface Incoming {
  /** A message (or fragment) whose Destination List ended at `at`. */
  deliver(message: RoutedMessage, at: NodeId): void;
  /** An error for a request in transit, within the allowed rate. */
  refuseInTransit(message: RoutedMessage, code: number, text: string): void;
}

export interface IncomingDependencies {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly config: () => OverlayConfig;
  readonly security: MessageSecurity;
  readonly transactions: Transactions;
  readonly send: (message: RoutedMessage) => void;
  /** The identity that answers for a Node-ID of ours. */
  readonly identityOf: (nodeId: NodeId) => Identity;
  readonly handlers: ReadonlyMap<number, RequestHandler>;
  /** Message extensions that are understood although critical. */
  readonly knownExtensions: ReadonlySet<number>;
  /** The requester works with an older configuration. */
  readonly peerHasOldConfig: (nodeId: NodeId, path: readonly Destination[]) => void;
}

export function createIncoming(dependencies: IncomingDependencies): Incoming {
  const { self, clock, trace, config, security, transactions } = dependencies;
  const lifetimeMs = (): number => 5 * config().reliabilityTimerMs;
  const reassembly = createReassembly({
    clock,
    lifetimeMs,
    maxBytes: () => config().maxMessageSize,
  });
  const memory = createRequestMemory({ clock, lifetimeMs });
  const dropped = labelledCounter(trace, 'overlay_messages_dropped_total', 'reason');
  const received = labelledCounter(trace, 'overlay_messages_received_total', 'code');
  const answered = labelledCounter(trace, 'overlay_answers_sent_total', 'result');
  const repeated = trace.counter('overlay_requests_repeated_total');
  let verifying = 0;
  let errorWindowMs = -Infinity;
  let errorsInWindow = 0;

  function deliver(message: RoutedMessage, at: NodeId): void {
    const { fragment, transactionId, destinationList } = message.header;
    if (fragment.last && fragment.offset === 0) {
      accept(message, at);
      return;
    }
    const last = destinationList[destinationList.length - 1];
    const result = reassembly.add({
      key: `${transactionId}/${last === undefined ? '' : destinationKey(last)}`,
      offset: fragment.offset,
      last: fragment.last,
      body: message.body,
    });
    if (result.kind === 'refused') dropped(result.reason).add();
    if (result.kind !== 'complete') return;
    const header = { ...message.header, fragment: unfragmented };
    accept({ ...message, header, body: result.body }, at);
  }

  function accept(message: RoutedMessage, at: NodeId): void {
    const { header, body } = message;
    const code = peekMessageCode(message) ?? 0;
    const kind = messageClass(code);
    if (kind === 'invalid') {
      dropped('message-code').add();
      return;
    }
    if (kind !== 'request' && !transactions.awaits(header.transactionId)) {
      dropped('unexpected-response').add();
      return;
    }
    const decoded = attempt(() => decodePayload(body));
    if (!decoded.ok) {
      dropped('malformed').add();
      return;
    }
    const payload = decoded.value;
    if (kind === 'request' && answerAgain(message, payload)) return;
    if (verifying >= limits.overlay.verifications) {
      dropped('overload').add();
      return;
    }
    verifying++;
    const { overlay, transactionId } = header;
    security.verify({ overlay, transactionId, payload }, (outcome) => {
      verifying--;
      if (!outcome.ok) {
        dropped('signature').add();
        trace.log('debug', 'message-refused', {
          from: message.from,
          code: messageCodeName(code),
          reason: outcome.error,
        });
        return;
      }
      received(codeLabel(messageCodeName(code))).add();
      if (kind === 'request') {
        handleRequest(message, payload, outcome.value.signer, outcome.value.certificates, at);
      } else transactions.handle(transactionId, payload, outcome.value);
    });
  }

  /** A retransmission gets the answer made before; while that is being made it is dropped. */
  function answerAgain(message: RoutedMessage, payload: Payload): boolean {
    const held = memory.find(
      message.header.transactionId,
      payload.security.signature.signatureValue,
    );
    if (held === undefined) return false;
    repeated.add();
    if (held.answer !== undefined) sendTail(message, held.answer);
    return true;
  }

  function handleRequest(
    message: RoutedMessage,
    payload: Payload,
    signer: MessageSigner,
    certificates: readonly Certificate[],
    at: NodeId,
  ): void {
    const { header } = message;
    if (memory.find(header.transactionId, payload.security.signature.signatureValue)) {
      // The same request was verified twice at once.
      repeated.add();
      return;
    }
    const remembered: { slot?: RememberedRequest } = {};
    const request = incomingRequest(message, payload, signer, certificates, at, remembered);
    const unfit = configMismatch(header, payload.contents.messageCode);
    if (unfit !== undefined) {
      request.refuse(unfit, '');
      if (unfit === errorCodes.configTooOld)
        dependencies.peerHasOldConfig(signer.nodeId, returnPath(self, message));
      return;
    }
    remembered.slot = memory.note(header.transactionId, payload.security.signature.signatureValue);
    dispatch(request, header);
  }

  function dispatch(request: IncomingRequest, header: ForwardingHeader): void {
    const critical = request.extensions.find(
      (extension) => extension.critical && !dependencies.knownExtensions.has(extension.type),
    );
    const handler = dependencies.handlers.get(request.messageCode);
    if (header.options.some(isDestinationCritical)) {
      request.refuse(errorCodes.unsupportedForwardingOption, '');
    } else if (critical !== undefined) {
      request.refuse(errorCodes.unknownExtension, `extension ${critical.type}`);
    } else if (handler === undefined) {
      request.refuse(errorCodes.invalidMessage, `unknown method ${request.messageCode}`);
    } else handler(request);
  }

  /** The error for a request whose sequence is older or newer than ours. */
  function configMismatch(header: ForwardingHeader, messageCode: number): number | undefined {
    const theirs = header.configurationSequence;
    if (theirs === anyConfigurationSequence) {
      return messageCode === messageCodes.configUpdateReq ? undefined : errorCodes.configTooNew;
    }
    const ours = config().sequence;
    if (theirs === ours) return undefined;
    return isNewerSequence(theirs, ours) ? errorCodes.configTooNew : errorCodes.configTooOld;
  }

  function incomingRequest(
    message: RoutedMessage,
    payload: Payload,
    signer: MessageSigner,
    certificates: readonly Certificate[],
    at: NodeId,
    remembered: { slot?: RememberedRequest },
  ): IncomingRequest {
    const { messageCode, messageBody, extensions } = payload.contents;
    const { destinationList, transactionId, viaList } = message.header;
    let open = true;
    const respond = (
      contents: Uint8Array,
      carried: readonly Certificate[],
      result: string,
    ): void => {
      if (!open) return;
      open = false;
      answered(result).add();
      signAndSend(message, contents, carried, at, remembered.slot);
    };
    return {
      messageCode,
      body: messageBody,
      extensions,
      signer,
      certificates,
      transactionId,
      destination: destinationList[destinationList.length - 1],
      direct: message.from === signer.nodeId && viaList.length === 0,
      local: message.from === undefined,
      answer(body, options = {}) {
        const contents = encodeContents(messageCode + 1, body, options.extensions);
        respond(contents, options.certificates ?? [], 'success');
      },
      refuse(code, info) {
        respond(errorContents(code, info), [], errorCodeName(code));
      },
    };
  }

  function signAndSend(
    request: RoutedMessage,
    contents: Uint8Array,
    certificates: readonly Certificate[],
    at: NodeId,
    slot: RememberedRequest | undefined,
  ): void {
    const { overlay, transactionId } = request.header;
    const identity = dependencies.identityOf(at);
    // An identity that is no longer hosted cannot sign; the node itself does.
    const nodeId = identity.certificate.nodeIds.includes(at) ? at : self;
    const message = { overlay, transactionId, contents, identity, nodeId, certificates };
    security.sign(message, (block) => {
      const tail = concatBytes([contents, block]);
      const header = responseHeader(request);
      const most = request.header.maxResponseLength;
      const length = headerBytes(header) + tail.length;
      const tooLarge = (most !== 0 && length > most) || length > config().maxMessageSize;
      if (tooLarge && !isErrorContents(contents)) {
        const error = errorContents(errorCodes.responseTooLarge, `${length} bytes`);
        answered(errorCodeName(errorCodes.responseTooLarge)).add();
        signAndSend(request, error, [], at, slot);
        return;
      }
      if (slot !== undefined) memory.answered(slot, tail);
      sendTail(request, tail);
    });
  }

  function sendTail(request: RoutedMessage, tail: Uint8Array): void {
    dependencies.send({ header: responseHeader(request), body: tail, from: undefined });
  }

  function responseHeader(request: RoutedMessage): ForwardingHeader {
    const { header } = request;
    const current = config();
    return {
      overlay: header.overlay,
      configurationSequence: current.sequence,
      ttl: current.initialTtl,
      fragment: unfragmented,
      transactionId: header.transactionId,
      maxResponseLength: 0,
      viaList: [],
      destinationList: returnPath(self, request),
      options: header.options
        .filter((option) => (option.flags & forwardingOptionFlags.responseCopy) !== 0)
        .map((option) => ({ ...option, flags: option.flags & ~knownFlags })),
    };
  }

  return {
    deliver,
    refuseInTransit(message, code, text) {
      const kind = messageClass(peekMessageCode(message) ?? 0);
      if (kind !== 'request' || message.from === undefined) return;
      const now = clock.monotonicMs();
      if (now - errorWindowMs >= 1000) {
        errorWindowMs = now;
        errorsInWindow = 0;
      }
      if (++errorsInWindow > limits.overlay.transitErrorsPerSecond) {
        dropped('error-rate').add();
        return;
      }
      answered(errorCodeName(code)).add();
      signAndSend(message, errorContents(code, text), [], self, undefined);
    },
  };
}

const knownFlags =
  forwardingOptionFlags.forwardCritical |
  forwardingOptionFlags.destinationCritical |
  forwardingOptionFlags.responseCopy;

function isDestinationCritical(option: { readonly flags: number }): boolean {
  return (option.flags & forwardingOptionFlags.destinationCritical) !== 0;
}

const longestErrorInfo = 1000;

function errorContents(errorCode: number, info: string | Uint8Array): Uint8Array {
  const errorInfo = typeof info === 'string' ? utf8Encode(info.slice(0, longestErrorInfo)) : info;
  return encodeContents(
    messageCodes.error,
    encodeToBytes(errorResponse, {
      errorCode,
      errorInfo: errorInfo.length > 0xffff ? emptyBytes : errorInfo,
    }),
  );
}

function isErrorContents(contents: Uint8Array): boolean {
  return contents[0] === 0xff && contents[1] === 0xff;
}

/** Upper bound of the encoded header; a Destination takes 22 bytes at most but for opaque ids. */
function headerBytes(header: ForwardingHeader): number {
  let bytes = 38;
  for (const entry of header.destinationList) {
    bytes +=
      entry.type === 'node'
        ? 2 + entry.nodeId.length / 2
        : entry.type === 'opaque'
          ? 3 + entry.id.length
          : 2;
  }
  for (const option of header.options) bytes += 4 + option.value.length;
  return bytes;
}
