/**
 * AppAttach: a secured connection for an application with the node that a destination list ends at.
 * RFC 6940 §6.5.2; the Node-ID check is RFC 7904 §5.1.
 */
import { UsageError } from '../base/assert.ts';
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate } from '../ports/certificates.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { createDatagramStream } from '../link/datagram-stream.ts';
import type { IceConnector, PreparedPath } from '../link/ice-connector.ts';
import type { Dialer, SecureConnection, TransportAddress } from '../ports/connection.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import {
  appAttachReqAns,
  isUsableApplication,
  type AppAttachReqAns,
} from '../wire/reload/app-attach.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import type { AppConnection, OverlayError } from './api.ts';
import { dialInOrder, dialTargets, discard, iceOffer, makeOffer, offersIce } from './candidates.ts';
import type { Offer } from './candidates.ts';
import { labelledCounter } from './counters.ts';
import type { IncomingRequest } from './incoming.ts';
import type { NoIceLinkType } from './link-types.ts';
import { localError, publicError, type RequestOutcome, type Transactions } from './transactions.ts';

export interface AppAttacher {
  appAttach(
    destination: readonly Destination[],
    application: number,
    done: (outcome: Outcome<AppConnection, OverlayError>) => void,
    answered?: () => void,
  ): void;
  onApplication(application: number, accepted: (connection: AppConnection) => void): void;
  /** An inbound connection on the listener of the application. */
  accept(application: number, connection: SecureConnection): void;
  /** An AppAttachReq. */
  handle(request: IncomingRequest): void;
  /** Own AppAttach requests under way. */
  readonly size: number;
}

export interface AppAttachDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly dialer: Dialer;
  /** In overlays with ICE; `undefined` in those without. */
  readonly ice: () => IceConnector | undefined;
  /** What is offered and accepted without ICE. */
  readonly linkTypes: () => readonly NoIceLinkType[];
  readonly transactions: Transactions;
  readonly authenticate: (chain: readonly Certificate[]) => Outcome<readonly NodeId[]>;
  /** Addresses of the listener of an application; of the link listener where there is none. */
  readonly addresses: (application: number) => readonly TransportAddress[];
  readonly later: (run: () => void) => void;
}

interface Pending {
  readonly application: number;
  readonly done: (outcome: Outcome<AppConnection, OverlayError>) => void;
  readonly onAnswer: (() => void) | undefined;
  /** Who may connect; empty until the answer to a request for a Resource-ID tells. */
  expected: readonly NodeId[];
  /** Our end of the path, with ICE. */
  path: PreparedPath | undefined;
  /** A connection came whose certificate names somebody else. */
  mismatch: boolean;
  cancelRequest: () => void;
  timer: Timer | undefined;
}

/** A connection that may belong to an AppAttach whose answer is still on its way. */
interface Parked {
  readonly application: number;
  readonly connection: SecureConnection;
  readonly nodeIds: readonly NodeId[];
  readonly timer: Timer;
}

export function createAppAttacher(dependencies: AppAttachDependencies): AppAttacher {
  const { clock, trace, transactions, later } = dependencies;
  const pending = new Set<Pending>();
  const parked = new Set<Parked>();
  const listeners = new Map<number, (connection: AppConnection) => void>();
  let answering = 0;
  const results = labelledCounter(trace, 'overlay_app_attaches_total', 'result');

  function appAttach(
    destination: readonly Destination[],
    application: number,
    done: (outcome: Outcome<AppConnection, OverlayError>) => void,
    answered?: () => void,
  ): void {
    const ice = dependencies.ice();
    const offer = ice === undefined ? ownOffer(application, 'passive') : undefined;
    const problem =
      pending.size >= limits.overlay.applicationAttaches
        ? 'too many application attaches'
        : offer?.candidates.length === 0
          ? 'no address to offer'
          : destination.length === 0
            ? 'empty destination list'
            : undefined;
    if (problem !== undefined) {
      later(() => done(failure(publicError(localError('invalid', problem)))));
      return;
    }
    const attempt: Pending = {
      application,
      done,
      onAnswer: answered,
      expected: expectedPeers(destination),
      path: undefined,
      mismatch: false,
      cancelRequest: () => undefined,
      timer: undefined,
    };
    pending.add(attempt);
    if (offer !== undefined) ask(attempt, destination, offer);
    else if (ice !== undefined) {
      attempt.cancelRequest = ice.prepare('offerer', (prepared) => {
        if (!prepared.ok) {
          finish(attempt, failure(publicError(localError('invalid', prepared.error))));
          return;
        }
        attempt.path = prepared.value;
        ask(attempt, destination, iceOffer(prepared.value.parameters, 'passive'));
      });
    }
  }

  function ownOffer(application: number, role: Offer['role']): Offer {
    const { addresses, random, linkTypes } = dependencies;
    return makeOffer(addresses(application), role, random, linkTypes());
  }

  function ask(attempt: Pending, destination: readonly Destination[], offer: Offer): void {
    const { application } = attempt;
    attempt.cancelRequest = transactions.request(
      {
        destinations: destination,
        messageCode: messageCodes.appAttachReq,
        body: encodeToBytes(appAttachReqAns, { ...offer, application }),
      },
      (outcome) => answer(attempt, outcome),
    );
  }

  function answer(attempt: Pending, outcome: RequestOutcome): void {
    if (!pending.has(attempt)) return;
    if (!outcome.ok) {
      finish(attempt, failure(publicError(outcome.error)));
      return;
    }
    const decoded = tryDecode(appAttachReqAns, outcome.value.body);
    if (!decoded.ok || decoded.value.application !== attempt.application) {
      finish(attempt, failure(publicError(localError('invalid', 'malformed AppAttachAns'))));
      return;
    }
    attempt.onAnswer?.();
    if (attempt.expected.length === 0) attempt.expected = [outcome.value.signer.nodeId];
    for (const held of parked) {
      const peer = fits(attempt, held.application, held.nodeIds);
      if (peer === undefined) continue;
      unpark(held);
      connected(attempt, held.connection, peer);
      return;
    }
    attempt.timer = clock.after('app-attach', limits.overlay.connectionWaitMs, () => {
      const reason = attempt.mismatch ? 'wrong-peer' : 'timeout';
      finish(attempt, failure(publicError(localError(reason, 'no connection from the answerer'))));
    });
    attempt.path?.connect(decoded.value, (made) => {
      if (made.ok) take(attempt, made.value.connection);
      else finish(attempt, failure(publicError(localError('timeout', made.error))));
    });
  }

  /** The far end of our path must be the node that was asked for. */
  function take(attempt: Pending, connection: SecureConnection): void {
    const nodes = dependencies.authenticate(connection.peerChain);
    const peer = nodes.ok ? fits(attempt, attempt.application, nodes.value) : undefined;
    if (pending.has(attempt) && peer !== undefined) {
      connected(attempt, connection, peer);
      return;
    }
    discard(connection, 'certificate of another node');
    finish(attempt, failure(publicError(localError('wrong-peer', 'certificate of another node'))));
  }

  function finish(attempt: Pending, outcome: Outcome<AppConnection, OverlayError>): void {
    if (!pending.delete(attempt)) return;
    attempt.timer?.cancel();
    attempt.cancelRequest();
    attempt.path?.abandon();
    results(outcome.ok ? 'connected' : outcome.error.reason).add();
    attempt.done(outcome);
  }

  function connected(attempt: Pending, connection: SecureConnection, peer: NodeId): void {
    const { application } = attempt;
    finish(attempt, success({ connection: asStream(connection), peer, application }));
  }

  /** Applications see a stream, whatever the link type. */
  function asStream(connection: SecureConnection): SecureConnection {
    return connection.datagramBytes === undefined
      ? connection
      : createDatagramStream({ clock, trace, connection });
  }

  function accept(application: number, connection: SecureConnection): void {
    const nodes = dependencies.authenticate(connection.peerChain);
    if (!nodes.ok) {
      results('certificate-refused').add();
      discard(connection, 'certificate refused');
      return;
    }
    let asking = false;
    for (const attempt of pending) {
      const peer = fits(attempt, application, nodes.value);
      if (peer !== undefined) {
        connected(attempt, connection, peer);
        return;
      }
      if (attempt.application !== application) continue;
      if (attempt.expected.length === 0) asking = true;
      else attempt.mismatch = true;
    }
    if (asking && parked.size < limits.overlay.applicationAttaches) {
      park({ application, connection, nodeIds: nodes.value });
      return;
    }
    results('unexpected-peer').add();
    discard(connection, 'not expected');
  }

  function park(held: Omit<Parked, 'timer'>): void {
    const timer = clock.after('app-attach-parked', limits.overlay.connectionWaitMs, () => {
      parked.delete(entry);
      discard(entry.connection, 'not expected');
    });
    const entry: Parked = { ...held, timer };
    parked.add(entry);
  }

  function unpark(held: Parked): void {
    parked.delete(held);
    held.timer.cancel();
  }

  function handle(request: IncomingRequest): void {
    const decoded = tryDecode(appAttachReqAns, request.body);
    if (!decoded.ok || decoded.value.role !== 'passive') {
      request.refuse(errorCodes.invalidMessage, 'not an AppAttachReq');
      return;
    }
    const { application, candidates } = decoded.value;
    if (!listeners.has(application)) {
      request.refuse(errorCodes.notFound, `application ${application}`);
      return;
    }
    const ice = dependencies.ice();
    const targets = ice === undefined ? dialTargets(candidates, dependencies.linkTypes()) : [];
    if (ice === undefined ? targets.length === 0 : !offersIce(candidates)) {
      request.refuse(errorCodes.incompatibleWithOverlay, 'no candidate of a link type in use here');
      return;
    }
    const offer = ice === undefined ? ownOffer(application, 'active') : undefined;
    if (answering >= limits.overlay.applicationAttaches || offer?.candidates.length === 0) {
      request.refuse(errorCodes.requestTimeout, 'too many application attaches');
      return;
    }
    answering++;
    const requester = request.signer.nodeId;
    const completed = (outcome: Outcome<SecureConnection>): void => {
      answering--;
      serve(requester, application, outcome);
    };
    if (offer !== undefined) {
      request.answer(encodeToBytes(appAttachReqAns, { ...offer, application }));
      dialInOrder(dependencies.dialer, targets, completed);
    } else if (ice !== undefined) answerByIce(ice, request, decoded.value, completed);
  }

  function answerByIce(
    ice: IceConnector,
    request: IncomingRequest,
    offered: AppAttachReqAns,
    completed: (outcome: Outcome<SecureConnection>) => void,
  ): void {
    ice.prepare('answerer', (prepared) => {
      if (!prepared.ok) {
        request.refuse(errorCodes.requestTimeout, prepared.error);
        completed(prepared);
        return;
      }
      const offer = iceOffer(prepared.value.parameters, 'active');
      const { application } = offered;
      request.answer(encodeToBytes(appAttachReqAns, { ...offer, application }));
      prepared.value.connect(offered, (made) => {
        completed(made.ok ? success(made.value.connection) : made);
      });
    });
  }

  /** Hands a connection that we made to the application. */
  function serve(requester: NodeId, application: number, outcome: Outcome<SecureConnection>): void {
    if (!outcome.ok) {
      results('dial-failed').add();
      trace.log('info', 'app-attach-dial-failed', { node: requester, reason: outcome.error });
      return;
    }
    const connection = outcome.value;
    const nodes = dependencies.authenticate(connection.peerChain);
    const listener = listeners.get(application);
    if (!nodes.ok || !nodes.value.includes(requester) || listener === undefined) {
      results('wrong-peer').add();
      discard(connection, 'certificate of another node');
      return;
    }
    results('accepted').add();
    listener({ connection: asStream(connection), peer: requester, application });
  }

  return {
    appAttach,
    onApplication(application, accepted) {
      if (!isUsableApplication(application)) {
        throw new UsageError(`Application-ID ${application} is neither registered nor private`);
      }
      listeners.set(application, accepted);
    },
    accept,
    handle,
    get size() {
      return pending.size;
    },
  };
}

/** The certificate check is on the last entry of type node. Empty: whoever answers. */
function expectedPeers(destination: readonly Destination[]): readonly NodeId[] {
  if (destination[destination.length - 1]?.type === 'resource') return [];
  for (let i = destination.length - 1; i >= 0; i--) {
    const entry = destination[i] as Destination;
    if (entry.type === 'node') return [entry.nodeId];
  }
  return [];
}

function fits(
  attempt: Pending,
  application: number,
  nodeIds: readonly NodeId[],
): NodeId | undefined {
  if (attempt.application !== application) return undefined;
  return attempt.expected.find((nodeId) => nodeIds.includes(nodeId));
}
