/**
 * Own requests: transaction ids, end-to-end retransmission, matching of responses.
 * RFC 6940 §6.2.1, §6.3.4, A-04, A-39.
 */
import { concatBytes } from '../base/bytes.ts';
import { createChurnMap } from '../base/churn-map.ts';
import { limits } from '../base/limits.ts';
import type { KindId, NodeId, ResourceId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import { randomU64, type Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import { tryDecode } from '../wire/codec.ts';
import { encodeContents, type MessageExtension, type Payload } from '../wire/reload/contents.ts';
import type { Destination } from '../wire/reload/destination.ts';
import {
  errorCodeName,
  errorCodes,
  errorResponse,
  errorText,
  unknownKinds,
  type ErrorResponse,
} from '../wire/reload/errors.ts';
import {
  anyConfigurationSequence,
  fixedHeaderLength,
  unfragmented,
} from '../wire/reload/header.ts';
import { maxNodeIdLength } from '../wire/reload/ids.ts';
import { messageCodeName, messageCodes } from '../wire/reload/message-codes.ts';
import type { OverlayError } from './api.ts';
import { codeLabel, labelledCounter } from './counters.ts';
import type { HandleLocally } from './local-requests.ts';
import type { MessageSecurity, MessageSigner, VerifiedMessage } from './message-security.ts';
import type { RoutedMessage } from './routed-message.ts';

export interface OutgoingRequest {
  readonly destinations: readonly Destination[];
  readonly messageCode: number;
  readonly body: Uint8Array;
  readonly extensions?: readonly MessageExtension[];
  /** Signs the message; this node when absent. */
  readonly identity?: Identity;
  readonly certificates?: readonly Certificate[];
  /** Whoever answers, the answer is taken (wildcard Ping, partition check through an informant). */
  readonly anyResponder?: boolean;
  /** Fewer transmissions than the five of §6.2.1. */
  readonly transmissions?: number;
}

export interface Response {
  readonly signer: MessageSigner;
  readonly body: Uint8Array;
  readonly extensions: readonly MessageExtension[];
  readonly certificates: readonly Certificate[];
  readonly roundTripMs: number;
}

/** An {@link OverlayError} with the bytes of error_info. */
export interface RequestError extends OverlayError {
  readonly info: Uint8Array;
  readonly signer: NodeId | undefined;
}

export type RequestOutcome = Outcome<Response, RequestError>;

export interface Transactions {
  /**
   * Signs and sends; `done` is called later, once, with the first acceptable response or after the
   * last transmission's time. The returned function gives up silently.
   */
  request(request: OutgoingRequest, done: (outcome: RequestOutcome) => void): () => void;
  readonly size: number;
  /** True when a response with that id is awaited, so that its signature is worth checking. */
  awaits(transactionId: bigint): boolean;
  /** A response whose signature was found good. */
  handle(transactionId: bigint, payload: Payload, verified: VerifiedMessage): void;
  /** The configuration is another one: repeats requests that were refused for its sequence. */
  configChanged(): void;
  /** Fails everything outstanding. */
  close(): void;
}

export interface TransactionDependencies {
  readonly identity: Identity;
  readonly nodeId: NodeId;
  readonly overlay: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly config: () => OverlayConfig;
  readonly security: MessageSecurity;
  readonly send: (message: RoutedMessage) => void;
  /** §6.3.4 rule 2; true when this node cannot judge. */
  readonly isCloseEnough: (signer: NodeId, resource: ResourceId) => boolean;
  readonly later: (run: () => void) => void;
  /** True when the list leads to this very node, which then answers itself. */
  readonly endsHere: (destinations: readonly Destination[]) => boolean;
  readonly handleLocally: HandleLocally;
  /** A destination answered with Error_Config_Too_New: it needs our document. */
  readonly peerHasOldConfig: (nodeId: NodeId) => void;
  /** A destination answered with Error_Unknown_Kind: it needs what our document says of these (§7.4.1.2). */
  readonly peerLacksKinds: (nodeId: NodeId, kinds: readonly KindId[]) => void;
}

interface Transaction {
  readonly id: bigint;
  readonly request: OutgoingRequest;
  readonly done: (outcome: RequestOutcome) => void;
  readonly startedMs: number;
  tail: Uint8Array | undefined;
  sent: number;
  timer: Timer | undefined;
  /** Kept until the end, because a later transmission may fare better. */
  configError: RequestError | undefined;
}

/** End to end, one per overlay-reliability-timer (§6.2.1). */
export const maxTransmissions = 5;

/** Errors that any member on the path may send. */
const transitErrors: ReadonlySet<number> = new Set([
  errorCodes.incompatibleWithOverlay,
  errorCodes.unsupportedForwardingOption,
  errorCodes.ttlExceeded,
  errorCodes.messageTooLarge,
  errorCodes.invalidMessage,
  errorCodes.underlayDestinationUnreachable,
  errorCodes.underlayTimeExceeded,
  errorCodes.messageExpired,
  errorCodes.upstreamMisrouting,
  errorCodes.loopDetected,
  errorCodes.ttlHopsExceeded,
]);

export function createTransactions(dependencies: TransactionDependencies): Transactions {
  const { clock, trace, config } = dependencies;
  const table = createChurnMap<bigint, Transaction>();
  const started = labelledCounter(trace, 'overlay_requests_total', 'method');
  const failed = labelledCounter(trace, 'overlay_requests_failed_total', 'reason');
  const ignored = labelledCounter(trace, 'overlay_responses_ignored_total', 'reason');
  const retransmitted = trace.counter('overlay_retransmissions_total');
  trace.gauge('overlay_requests_pending', () => table.size);

  function request(wanted: OutgoingRequest, done: (outcome: RequestOutcome) => void): () => void {
    if (table.size >= limits.overlay.requests) {
      failed('too-many').add();
      dependencies.later(() => done(failure(localError('unreachable', 'too many requests'))));
      return () => undefined;
    }
    let id = randomU64(dependencies.random);
    while (table.has(id)) id = randomU64(dependencies.random);
    const transaction: Transaction = {
      id,
      request: wanted,
      done,
      startedMs: clock.monotonicMs(),
      tail: undefined,
      sent: 0,
      timer: undefined,
      configError: undefined,
    };
    table.set(id, transaction);
    started(messageCodeName(wanted.messageCode)).add();
    if (dependencies.endsHere(wanted.destinations)) handleHere(transaction);
    else sign(transaction);
    return () => {
      if (table.delete(id)) transaction.timer?.cancel();
    };
  }

  function handleHere(transaction: Transaction): void {
    transaction.timer = clock.after('request', maxTransmissions * config().reliabilityTimerMs, () =>
      giveUp(transaction),
    );
    dependencies.handleLocally(transaction.request, transaction.id, (answer) => {
      if (table.get(transaction.id) !== transaction) return;
      if (answer.kind === 'error') {
        finish(transaction, failure(remoteError(answer.error, answer.signer)));
        return;
      }
      const { signer, body, extensions, certificates } = answer;
      const roundTripMs = clock.monotonicMs() - transaction.startedMs;
      finish(transaction, success({ signer, body, extensions, certificates, roundTripMs }));
    });
  }

  function sign(transaction: Transaction): void {
    const { request: wanted } = transaction;
    const contents = encodeContents(wanted.messageCode, wanted.body, wanted.extensions);
    const identity = wanted.identity ?? dependencies.identity;
    dependencies.security.sign(
      {
        overlay: dependencies.overlay(),
        transactionId: transaction.id,
        contents,
        identity,
        nodeId: identity.certificate.nodeIds[0] ?? dependencies.nodeId,
        certificates: wanted.certificates ?? [],
      },
      (securityBlock) => {
        if (table.get(transaction.id) !== transaction) return;
        transaction.tail = concatBytes([contents, securityBlock]);
        if (transaction.tail.length + headerBytes(wanted) > config().maxMessageSize) {
          finish(transaction, failure(localError('invalid', 'above max-message-size')));
        } else transmit(transaction);
      },
    );
  }

  function transmit(transaction: Transaction): void {
    if (transaction.tail === undefined) return;
    transaction.sent++;
    const { request: wanted } = transaction;
    const current = config();
    transaction.timer?.cancel();
    transaction.timer = clock.after('request', current.reliabilityTimerMs, () => {
      if (transaction.sent < (wanted.transmissions ?? maxTransmissions)) {
        retransmitted.add();
        transmit(transaction);
      } else giveUp(transaction);
    });
    dependencies.send({
      header: {
        overlay: dependencies.overlay(),
        configurationSequence:
          wanted.messageCode === messageCodes.configUpdateReq
            ? anyConfigurationSequence
            : current.sequence,
        ttl: current.initialTtl,
        fragment: unfragmented,
        transactionId: transaction.id,
        maxResponseLength: 0,
        viaList: [],
        destinationList: wanted.destinations,
        options: [],
      },
      body: transaction.tail,
      from: undefined,
    });
  }

  function giveUp(transaction: Transaction): void {
    finish(transaction, failure(transaction.configError ?? localError('timeout', 'no answer')));
  }

  function finish(transaction: Transaction, outcome: RequestOutcome): void {
    if (!table.delete(transaction.id)) return;
    transaction.timer?.cancel();
    if (!outcome.ok) {
      const { reason, code } = outcome.error;
      failed(reason === 'error-response' ? codeLabel(errorCodeName(code)) : reason).add();
    }
    transaction.done(outcome);
  }

  function handle(transactionId: bigint, payload: Payload, verified: VerifiedMessage): void {
    const transaction = table.get(transactionId);
    if (transaction === undefined) {
      ignored('late').add();
      return;
    }
    const { messageCode, messageBody, extensions } = payload.contents;
    const isError = messageCode === messageCodes.error;
    if (!isError && messageCode !== transaction.request.messageCode + 1) {
      ignored('wrong-code').add();
      return;
    }
    const entitled = mayAnswer(transaction.request, verified.signer.nodeId);
    if (isError) {
      handleError(transaction, messageBody, verified.signer.nodeId, entitled);
    } else if (entitled) {
      const roundTripMs = clock.monotonicMs() - transaction.startedMs;
      const { signer, certificates } = verified;
      finish(
        transaction,
        success({ signer, body: messageBody, extensions, certificates, roundTripMs }),
      );
    } else ignored('wrong-signer').add();
  }

  function handleError(
    transaction: Transaction,
    body: Uint8Array,
    signer: NodeId,
    entitled: boolean,
  ): void {
    const decoded = tryDecode(errorResponse, body);
    if (!decoded.ok) {
      ignored('malformed').add();
      return;
    }
    const { errorCode } = decoded.value;
    if (!entitled && !transitErrors.has(errorCode)) {
      ignored('wrong-signer').add();
      return;
    }
    const error = remoteError(decoded.value, signer);
    if (errorCode === errorCodes.configTooOld || errorCode === errorCodes.configTooNew) {
      // Answered again once either side has the other's document.
      transaction.configError = error;
      if (errorCode === errorCodes.configTooNew) dependencies.peerHasOldConfig(signer);
    } else {
      const lacking =
        errorCode === errorCodes.unknownKind ? tryDecode(unknownKinds, error.info) : undefined;
      if (lacking?.ok === true) dependencies.peerLacksKinds(signer, lacking.value);
      finish(transaction, failure(error));
    }
  }

  /** §6.3.4 rules 1 and 2, on the last entry that names something. */
  function mayAnswer(wanted: OutgoingRequest, signer: NodeId): boolean {
    if (wanted.anyResponder === true) return true;
    for (let i = wanted.destinations.length - 1; i >= 0; i--) {
      const last = wanted.destinations[i] as Destination;
      if (last.type === 'node') {
        return last.nodeId === signer || /^f+$/.test(last.nodeId);
      }
      if (last.type === 'resource') return dependencies.isCloseEnough(signer, last.resource);
    }
    return true;
  }

  return {
    request,
    get size() {
      return table.size;
    },
    awaits: (transactionId) => table.has(transactionId),
    handle,
    configChanged() {
      for (const transaction of table.values()) {
        if (transaction.configError === undefined || transaction.sent >= maxTransmissions) continue;
        transaction.configError = undefined;
        transmit(transaction);
      }
    },
    close() {
      for (const transaction of table.values()) {
        finish(transaction, failure(localError('unreachable', 'the peer has stopped')));
      }
    },
  };
}

/** Upper bound of the forwarding header without opaque ids. */
function headerBytes({ destinations }: OutgoingRequest): number {
  return fixedHeaderLength + destinations.length * (2 + maxNodeIdLength);
}

const noInfo = new Uint8Array(0);

/** A failure that no other node reported. */
export function localError(reason: OverlayError['reason'], text: string): RequestError {
  return { code: 0, reason, text, info: noInfo, signer: undefined };
}

function remoteError(error: ErrorResponse, signer: NodeId): RequestError {
  const text = errorText(error);
  return {
    code: error.errorCode,
    reason: 'error-response',
    text: text === '' ? errorCodeName(error.errorCode) : text,
    info: error.errorInfo,
    signer,
  };
}

/** Without the fields that usages have no use for. */
export function publicError(error: RequestError): OverlayError {
  return { code: error.code, reason: error.reason, text: error.text };
}
