/**
 * Attach: how two nodes come to a direct link. The requester offers its listening addresses and
 * waits, the answerer connects. RFC 6940 §6.5.1.
 */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Dialer, TransportAddress } from '../ports/connection.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import type { AttachTarget } from '../topology/plugin.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { attachReqAns } from '../wire/reload/attach.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { dialInOrder, dialTargets, makeOffer } from './candidates.ts';
import type { IncomingRequest } from './incoming.ts';
import type { LinkEntry, LinkTable } from './link-table.ts';
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
  readonly links: LinkTable;
  readonly transactions: Transactions;
  readonly candidates: () => readonly TransportAddress[];
  readonly sendUpdateTo: (nodeId: NodeId) => void;
  /** A node that we have a link with listens there. */
  readonly learned: (nodeId: NodeId, address: TransportAddress) => void;
  readonly later: (run: () => void) => void;
}

interface OwnAttach {
  readonly target: AttachTarget;
  readonly done: (outcome: Outcome<NodeId>) => void;
  /**
   * `asking`: no answer yet; `connecting`: `expected` answered, its connection is awaited; `yielded`:
   * gave way to the Attach of `expected`, which is on its way or answered already.
   */
  phase: 'asking' | 'connecting' | 'yielded';
  expected: NodeId | undefined;
  /** Where the answerer listens, as it says. */
  listening: TransportAddress | undefined;
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
    const offer = makeOffer(dependencies.candidates(), 'passive', dependencies.random);
    if (own.size >= limits.overlay.attaches || offer.candidates.length === 0) {
      failed.add();
      later(() => done(failure(own.size > 0 ? 'too many attaches' : 'no address to offer')));
      return;
    }
    const attempt: OwnAttach = {
      target,
      done,
      phase: 'asking',
      expected: target.kind === 'node' ? target.nodeId : undefined,
      listening: undefined,
      cancelRequest: () => undefined,
      timer: undefined,
    };
    own.add(attempt);
    attempt.cancelRequest = transactions.request(
      {
        destinations: destinationsTo(target, options.via),
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
        attempt.listening = dialTargets(answer.value.candidates)[0];
        awaitLink(attempt, outcome.value.signer.nodeId);
      } else finish(attempt, failure('malformed answer'));
      return;
    }
    const { code, signer, text } = outcome.error;
    if (code === errorCodes.inProgress && signer !== undefined) {
      awaitLink(attempt, signer, 'yielded');
    } else finish(attempt, failure(text));
  }

  function awaitLink(
    attempt: OwnAttach,
    nodeId: NodeId,
    phase: 'connecting' | 'yielded' = 'connecting',
  ): void {
    attempt.phase = phase;
    attempt.expected = nodeId;
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
    attempt.cancelRequest();
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
    const targets = dialTargets(decoded.value.candidates);
    if (targets.length === 0) {
      request.refuse(errorCodes.incompatibleWithOverlay, 'no TLS-TCP-FH-NO-ICE candidate');
      return;
    }
    const dialing = answering.get(requester);
    if (collides(requester) || dialing !== undefined) {
      if (dialing === false) answering.set(requester, decoded.value.sendUpdate);
      collided.add();
      request.refuse(errorCodes.inProgress, '');
      return;
    }
    const offer = makeOffer(dependencies.candidates(), 'active', dependencies.random);
    if (answering.size >= limits.overlay.attaches || offer.candidates.length === 0) {
      request.refuse(errorCodes.requestTimeout, 'too many attaches');
      return;
    }
    request.answer(encodeToBytes(attachReqAns, { ...offer, sendUpdate: false }));
    connect(requester, targets, decoded.value.sendUpdate);
  }

  /** The four cases of §6.5.1.2; true when the request gives way to an Attach of ours. */
  function collides(requester: NodeId): boolean {
    for (const attempt of own) {
      if (attempt.expected !== requester || attempt.phase === 'yielded') continue;
      if (attempt.phase === 'connecting' || self > requester) return true;
      attempt.cancelRequest();
      awaitLink(attempt, requester, 'yielded');
    }
    return false;
  }

  function connect(
    requester: NodeId,
    targets: readonly TransportAddress[],
    sendUpdate: boolean,
  ): void {
    const held = usableLink(requester);
    if (held !== undefined) {
      held.attached = true;
      const [listening] = targets;
      if (listening !== undefined) dependencies.learned(requester, listening);
      if (sendUpdate) later(() => dependencies.sendUpdateTo(requester));
      return;
    }
    answering.set(requester, sendUpdate);
    dialInOrder(dependencies.dialer, targets, (outcome) => {
      const owed = answering.get(requester) === true;
      answering.delete(requester);
      const added = outcome.ok ? links.add(outcome.value, requester) : outcome;
      if (!added.ok) {
        trace.log('info', 'attach-dial-failed', { node: requester, reason: added.error });
        failed.add();
        return;
      }
      if (owed) dependencies.sendUpdateTo(requester);
    });
  }

  return {
    attach,
    handle,
    linkUp(entry) {
      for (const attempt of [...own]) {
        if (attempt.phase === 'asking' || attempt.expected !== entry.nodeId) continue;
        entry.attached = true;
        finish(attempt, success(entry.nodeId));
      }
    },
    awaited(nodeIds) {
      for (const { phase, expected } of own) {
        if (phase !== 'asking' && expected !== undefined && nodeIds.includes(expected)) {
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

function destinationsTo(target: AttachTarget, via: NodeId | undefined): readonly Destination[] {
  const last: Destination =
    target.kind === 'node'
      ? { type: 'node', nodeId: target.nodeId }
      : { type: 'resource', resource: target.resource };
  if (via === undefined || (target.kind === 'node' && target.nodeId === via)) return [last];
  return [{ type: 'node', nodeId: via }, last];
}
