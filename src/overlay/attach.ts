/**
 * Attach: how two nodes come to a direct link. With ICE both exchange candidates and look for a path;
 * without, the requester offers its listening addresses and waits, the answerer connects. RFC 6940 §6.5.1.
 */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { IceConnection, IceConnector, PreparedPath } from '../link/ice-connector.ts';
import type { IcePath } from '../link/ice/types.ts';
import type {
  Dialer,
  DialTarget,
  SecureConnection,
  TransportAddress,
} from '../ports/connection.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import type { AttachTarget } from '../topology/plugin.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { attachReqAns, type AttachReqAns } from '../wire/reload/attach.ts';
import type { IceCandidate } from '../wire/reload/ice-candidate.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import {
  dialInOrder,
  dialTargets,
  discard,
  iceOffer,
  isHostCandidate,
  makeOffer,
  offersIce,
} from './candidates.ts';
import type { Offer } from './candidates.ts';
import type { IncomingRequest } from './incoming.ts';
import type { LinkEntry, LinkTable } from './link-table.ts';
import type { NoIceLinkType } from './link-types.ts';
import type { RequestOutcome, Transactions } from './transactions.ts';

export interface AttachOptions {
  readonly via?: NodeId;
  readonly sendUpdate: boolean;
  /** Asks a node that there is a link with, too: so it learns which of several Node-IDs we use (§6.1.2). */
  readonly settlesNodeId?: boolean;
}

export interface Attacher {
  /** See TopologyHost.attach. */
  attach(
    target: AttachTarget,
    options: AttachOptions,
    done: (outcome: Outcome<NodeId>) => void,
  ): void;
  /** An AttachReq. */
  handle(request: IncomingRequest): void;
  /** A link came up, by whatever cause. */
  linkUp(entry: LinkEntry): void;
  /** The first of these Node-IDs whose connection an Attach of ours waits for. */
  awaited(nodeIds: readonly NodeId[]): NodeId | undefined;
  /** Own Attach requests under way. */
  readonly size: number;
}

export interface AttachDependencies {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly dialer: Dialer;
  /** In overlays with ICE; `undefined` in those without. */
  readonly ice: () => IceConnector | undefined;
  /** What is offered and accepted without ICE. */
  readonly linkTypes: () => readonly NoIceLinkType[];
  readonly links: LinkTable;
  readonly transactions: Transactions;
  readonly candidates: () => readonly TransportAddress[];
  readonly sendUpdateTo: (nodeId: NodeId) => void;
  /** A node that we have a link with listens there. */
  readonly learned: (nodeId: NodeId, address: TransportAddress) => void;
  /** ICE has found a way to an address of its own of a node that we have a link with now. */
  readonly pathFound: (nodeId: NodeId, path: IcePath) => void;
  readonly later: (run: () => void) => void;
}

interface OwnAttach {
  readonly target: AttachTarget;
  readonly done: (outcome: Outcome<NodeId>) => void;
  /**
   * `gathering`: nothing sent yet; `asking`: no answer yet; `connecting`: `expected` answered, its
   * connection is awaited; `yielded`: gave way to the Attach of `expected`, which is on its way or
   * answered already.
   */
  phase: 'gathering' | 'asking' | 'connecting' | 'yielded';
  expected: NodeId | undefined;
  /** Where the answerer listens, as it says. */
  listening: TransportAddress | undefined;
  /** Our end of the path, with ICE. */
  path: PreparedPath | undefined;
  cancelRequest: () => void;
  timer: Timer | undefined;
}

export function createAttacher(dependencies: AttachDependencies): Attacher {
  const { self, clock, links, transactions, trace, later } = dependencies;
  const own = new Set<OwnAttach>();
  /** Requesters being dialed, and whether an Update is owed to them then. */
  const answering = new Map<NodeId, boolean>();
  const failed = trace.counter('overlay_attaches_total', { result: 'failed' });
  const succeeded = trace.counter('overlay_attaches_total', { result: 'linked' });
  const collided = trace.counter('overlay_attaches_total', { result: 'collision' });

  function attach(
    target: AttachTarget,
    options: AttachOptions,
    done: (outcome: Outcome<NodeId>) => void,
  ): void {
    const known = target.kind === 'node' ? usableLink(target.nodeId) : undefined;
    if (known !== undefined && !options.sendUpdate && options.settlesNodeId !== true) {
      later(() => done(success(known.nodeId)));
      return;
    }
    const ice = dependencies.ice();
    const offer = ice === undefined ? ownOffer('passive') : undefined;
    if (own.size >= limits.overlay.attaches || offer?.candidates.length === 0) {
      failed.add();
      later(() => done(failure(own.size > 0 ? 'too many attaches' : 'no address to offer')));
      return;
    }
    const attempt: OwnAttach = {
      target,
      done,
      phase: 'gathering',
      expected: target.kind === 'node' ? target.nodeId : undefined,
      listening: undefined,
      path: undefined,
      cancelRequest: () => undefined,
      timer: undefined,
    };
    own.add(attempt);
    if (offer !== undefined) ask(attempt, offer, options);
    else if (ice !== undefined) {
      attempt.cancelRequest = ice.prepare('offerer', (prepared) => {
        if (!prepared.ok) {
          finish(attempt, prepared);
          return;
        }
        attempt.path = prepared.value;
        ask(attempt, iceOffer(prepared.value.parameters, 'passive'), options);
      });
    }
  }

  function ownOffer(role: Offer['role']): Offer {
    const { candidates, random, linkTypes } = dependencies;
    return makeOffer(candidates(), role, random, linkTypes());
  }

  function ask(attempt: OwnAttach, offer: Offer, options: AttachOptions): void {
    attempt.phase = 'asking';
    attempt.cancelRequest = transactions.request(
      {
        destinations: destinationsTo(attempt.target, options.via),
        messageCode: messageCodes.attachReq,
        body: encodeToBytes(attachReqAns, { ...offer, sendUpdate: options.sendUpdate }),
      },
      (outcome) => answered(attempt, outcome),
    );
  }

  function answered(attempt: OwnAttach, outcome: RequestOutcome): void {
    if (!own.has(attempt) || attempt.phase !== 'asking') return;
    if (outcome.ok) {
      const answer = tryDecode(attachReqAns, outcome.value.body);
      if (answer.ok && outcome.value.signer.nodeId !== self) {
        proceed(attempt, outcome.value.signer.nodeId, answer.value);
      } else finish(attempt, failure('malformed answer'));
      return;
    }
    const { code, signer, text } = outcome.error;
    if (code === errorCodes.inProgress && signer !== undefined) {
      awaitLink(attempt, signer, 'yielded');
    } else finish(attempt, failure(text));
  }

  function proceed(attempt: OwnAttach, answerer: NodeId, answer: AttachReqAns): void {
    const { path } = attempt;
    if (path === undefined) {
      [attempt.listening] = dialTargets(answer.candidates, dependencies.linkTypes());
    }
    awaitLink(attempt, answerer);
    if (!own.has(attempt)) return;
    path?.connect(answer, (made) => connected(attempt, answerer, answer.candidates, made));
  }

  /** Our path is there, or there is none. */
  function connected(
    attempt: OwnAttach,
    answerer: NodeId,
    candidates: readonly IceCandidate[],
    made: Outcome<IceConnection>,
  ): void {
    if (!own.has(attempt)) {
      if (made.ok) discard(made.value.connection, 'no longer needed');
      return;
    }
    const added = made.ok ? links.add(made.value.connection, answerer) : made;
    if (added.ok && made.ok) tellPath(answerer, made.value.path, candidates);
    finish(attempt, added.ok ? success(answerer) : added);
  }

  function awaitLink(
    attempt: OwnAttach,
    nodeId: NodeId,
    phase: 'connecting' | 'yielded' = 'connecting',
  ): void {
    attempt.phase = phase;
    attempt.expected = nodeId;
    if (phase === 'yielded') attempt.path?.abandon();
    const entry = usableLink(nodeId);
    if (entry !== undefined) {
      entry.attached = true;
      finish(attempt, success(nodeId));
      return;
    }
    attempt.timer = clock.after('attach-link', limits.overlay.connectionWaitMs, () => {
      finish(attempt, failure('no connection came'));
    });
  }

  function finish(attempt: OwnAttach, outcome: Outcome<NodeId>): void {
    if (!own.delete(attempt)) return;
    attempt.timer?.cancel();
    attempt.path?.abandon();
    (outcome.ok ? succeeded : failed).add();
    if (outcome.ok && attempt.listening !== undefined) {
      dependencies.learned(outcome.value, attempt.listening);
    }
    attempt.done(outcome);
  }

  function usableLink(nodeId: NodeId): LinkEntry | undefined {
    const entry = links.get(nodeId);
    return entry === undefined || entry.link.suspect ? undefined : entry;
  }

  function handle(request: IncomingRequest): void {
    const requester = request.signer.nodeId;
    const decoded = tryDecode(attachReqAns, request.body);
    if (!decoded.ok || decoded.value.role !== 'passive') {
      request.refuse(errorCodes.invalidMessage, 'not an AttachReq');
      return;
    }
    if (requester === self) {
      request.refuse(errorCodes.notFound, 'the requester itself is responsible');
      return;
    }
    const { candidates, sendUpdate } = decoded.value;
    const ice = dependencies.ice();
    const targets = ice === undefined ? dialTargets(candidates, dependencies.linkTypes()) : [];
    if (ice === undefined ? targets.length === 0 : !offersIce(candidates)) {
      request.refuse(errorCodes.incompatibleWithOverlay, 'no candidate of a link type in use here');
      return;
    }
    const busy = answering.get(requester);
    if (collides(requester) || busy !== undefined) {
      if (busy === false) answering.set(requester, sendUpdate);
      collided.add();
      request.refuse(errorCodes.inProgress, '');
      return;
    }
    const offer = ice === undefined ? ownOffer('active') : undefined;
    if (answering.size >= limits.overlay.attaches || offer?.candidates.length === 0) {
      request.refuse(errorCodes.requestTimeout, 'too many attaches');
      return;
    }
    if (offer !== undefined) {
      request.answer(encodeToBytes(attachReqAns, { ...offer, sendUpdate: false }));
      connect(requester, targets, sendUpdate);
    } else if (ice !== undefined) answerByIce(ice, request, decoded.value);
  }

  function answerByIce(ice: IceConnector, request: IncomingRequest, offered: AttachReqAns): void {
    const requester = request.signer.nodeId;
    answering.set(requester, offered.sendUpdate);
    ice.prepare('answerer', (prepared) => {
      if (!prepared.ok) {
        answering.delete(requester);
        request.refuse(errorCodes.requestTimeout, prepared.error);
        return;
      }
      const path = prepared.value;
      const offer = iceOffer(path.parameters, 'active');
      request.answer(encodeToBytes(attachReqAns, { ...offer, sendUpdate: false }));
      if (isLinked(requester, answering.get(requester) === true)) {
        answering.delete(requester);
        path.abandon();
        return;
      }
      path.connect(offered, (made) => {
        completed(requester, made.ok ? success(made.value.connection) : made);
        if (made.ok && links.get(requester) !== undefined) {
          tellPath(requester, made.value.path, offered.candidates);
        }
      });
    });
  }

  /** Peers behind a NAT answer on this path only, so they are of no use to later connections. */
  function tellPath(nodeId: NodeId, path: IcePath, candidates: readonly IceCandidate[]): void {
    if (isHostCandidate(path.remote, candidates)) dependencies.pathFound(nodeId, path);
  }

  /** The four cases of §6.5.1.2; true when the request gives way to an Attach of ours. */
  function collides(requester: NodeId): boolean {
    for (const attempt of own) {
      if (attempt.expected !== requester || attempt.phase === 'yielded') continue;
      const sent = attempt.phase !== 'gathering';
      if (attempt.phase === 'connecting' || (sent && self > requester)) return true;
      attempt.cancelRequest();
      awaitLink(attempt, requester, 'yielded');
    }
    return false;
  }

  /** The link that is there already serves the requester, too. */
  function isLinked(requester: NodeId, sendUpdate: boolean): boolean {
    const held = usableLink(requester);
    if (held === undefined) return false;
    held.attached = true;
    if (sendUpdate) later(() => dependencies.sendUpdateTo(requester));
    return true;
  }

  function connect(requester: NodeId, targets: readonly DialTarget[], sendUpdate: boolean): void {
    if (isLinked(requester, sendUpdate)) {
      const [listening] = targets;
      if (listening !== undefined) dependencies.learned(requester, listening);
      return;
    }
    answering.set(requester, sendUpdate);
    dialInOrder(dependencies.dialer, targets, (outcome) => completed(requester, outcome));
  }

  /** What came of answering an Attach. */
  function completed(requester: NodeId, outcome: Outcome<SecureConnection>): void {
    const owed = answering.get(requester) === true;
    answering.delete(requester);
    const added = outcome.ok ? links.add(outcome.value, requester) : outcome;
    if (!added.ok) {
      trace.log('info', 'attach-dial-failed', { node: requester, reason: added.error });
      failed.add();
      return;
    }
    if (owed) dependencies.sendUpdateTo(requester);
  }

  return {
    attach,
    handle,
    linkUp(entry) {
      for (const attempt of [...own]) {
        if (!isAwaiting(attempt) || attempt.expected !== entry.nodeId) continue;
        entry.attached = true;
        finish(attempt, success(entry.nodeId));
      }
    },
    awaited(nodeIds) {
      for (const attempt of own) {
        const { expected } = attempt;
        if (isAwaiting(attempt) && expected !== undefined && nodeIds.includes(expected)) {
          return expected;
        }
      }
      return undefined;
    },
    get size() {
      return own.size;
    },
  };
}

function isAwaiting({ phase }: OwnAttach): boolean {
  return phase === 'connecting' || phase === 'yielded';
}

function destinationsTo(target: AttachTarget, via: NodeId | undefined): readonly Destination[] {
  const last: Destination =
    target.kind === 'node'
      ? { type: 'node', nodeId: target.nodeId }
      : { type: 'resource', resource: target.resource };
  if (via === undefined || (target.kind === 'node' && target.nodeId === via)) return [last];
  return [{ type: 'node', nodeId: via }, last];
}
