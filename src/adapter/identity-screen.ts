/**
 * Proof of the caller (DESIGN §3 "Caller identity"). RFC 7904 proves the callee's box only. Here an
 * identity of our domains is believed on an overlay connection only if that user's own record, signed
 * by the user, names the node at the other end.
 */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import type { Outcome } from '../base/outcome.ts';
import { failure, success } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { Flow } from '../ports/flow.ts';
import type { Trace } from '../ports/trace.ts';
import { aorOf } from '../sip/core/aor.ts';
import type { Domains } from '../sip/core/domains.ts';
import { sipFailure } from '../sip/core/failure.ts';
import type { SipFailure } from '../sip/core/failure.ts';
import type { SipRequest } from '../sip/message/message.ts';
import { parseNameAddr } from '../sip/message/name-addr.ts';
import type { NameAddr } from '../sip/message/name-addr.ts';
import { anonymousValue } from '../sip/proxy/identity.ts';
import type { CallerScreen } from '../sip/proxy/targets.ts';
import type { SipLookup } from '../usages/sip/lookup.ts';

/** What becomes of a request whose caller cannot be proved. */
export type UnprovedCallerPolicy = 'refuse' | 'anonymise';

export interface IdentityScreenDeps {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly domains: Domains;
  readonly lookup: Pick<SipLookup, 'nodesOf'>;
  readonly policy: UnprovedCallerPolicy;
  /** How long a proof is believed; default 5000 ms. */
  readonly cacheMs?: number;
}

/** Headers that assert an identity (RFC 3325, and its ancestor). */
const assertions = ['P-Asserted-Identity', 'P-Preferred-Identity', 'Remote-Party-ID'] as const;

type Verdict = 'proved' | 'unproved' | 'unknown';

export function createIdentityScreen(deps: IdentityScreenDeps): CallerScreen {
  const { clock, trace, domains } = deps;
  const cacheMs = deps.cacheMs ?? 5000;
  /** Proofs by `aor node`, and until when they hold. */
  const proofs = new Map<string, number>();
  const pending = new Map<string, ((nodes: ReadonlySet<NodeId> | undefined) => void)[]>();
  const proved = trace.counter('sip_overlay_callers_total', { result: 'proved' });
  const forged = trace.counter('sip_overlay_callers_total', { result: 'unproved' });
  const unknown = trace.counter('sip_overlay_callers_total', { result: 'unknown' });
  const stripped = trace.counter('sip_overlay_assertions_removed_total');

  function prove(aor: string, peer: NodeId, done: (verdict: Verdict) => void): void {
    if (isProved(aor, peer)) {
      done('proved');
      return;
    }
    nodesOf(aor, (nodes) => {
      if (nodes === undefined) done('unknown');
      else if (!nodes.has(peer)) done('unproved');
      else {
        remember(`${aor} ${peer}`);
        done('proved');
      }
    });
  }

  function remember(key: string): void {
    proofs.delete(key);
    if (proofs.size >= limits.adapter.cachedCallers) {
      const [oldest] = proofs.keys();
      if (oldest !== undefined) proofs.delete(oldest);
    }
    proofs.set(key, clock.monotonicMs() + cacheMs);
  }

  /** One Fetch serves all requests of a caller that wait for it. */
  function nodesOf(aor: string, done: (nodes: ReadonlySet<NodeId> | undefined) => void): void {
    const waiting = pending.get(aor);
    if (waiting !== undefined && waiting.length < limits.adapter.callerCheckWaiting) {
      waiting.push(done);
    } else if (waiting !== undefined || pending.size >= limits.adapter.callerChecks) {
      done(undefined);
    } else {
      const waiters = [done];
      pending.set(aor, waiters);
      deps.lookup.nodesOf(aor, (nodes) => {
        pending.delete(aor);
        for (const waiter of waiters) waiter(nodes);
      });
    }
  }

  /** All must be proved; the first that is not decides. */
  function proveAll(
    aors: readonly string[],
    peer: NodeId,
    done: (verdict: Verdict) => void,
    from = 0,
  ): void {
    const aor = aors[from];
    if (aor === undefined) {
      done('proved');
      return;
    }
    prove(aor, peer, (verdict) => {
      if (verdict === 'proved') proveAll(aors, peer, done, from + 1);
      else done(verdict);
    });
  }

  function aorIn(address: NameAddr): string | undefined {
    return address.parsedUri.ok ? aorOf(address.parsedUri.value, domains) : undefined;
  }

  /** Identities of ours that the request claims; `undefined` when one cannot be read. */
  function claims(request: SipRequest): readonly string[] | undefined {
    const aors = new Set<string>();
    if (!request.from.parsedUri.ok) return undefined;
    const caller = aorIn(request.from);
    if (caller !== undefined) aors.add(caller);
    for (const name of assertions) {
      if (!request.has(name)) continue;
      for (const value of request.values(name)) {
        const address = parseNameAddr(value);
        if (!address.ok) return undefined;
        const aor = aorIn(address.value);
        if (aor !== undefined) aors.add(aor);
        if (aors.size > limits.adapter.claimedIdentities) return undefined;
      }
    }
    return [...aors];
  }

  /** Proved a moment ago, without asking anybody. */
  function isProved(aor: string, peer: NodeId): boolean {
    const untilMs = proofs.get(`${aor} ${peer}`);
    return untilMs !== undefined && clock.monotonicMs() < untilMs;
  }

  /** An assertion that would have to be proved; one that cannot be read counts as such. */
  function needsProof(value: string, peer: NodeId | undefined): boolean {
    const address = parseNameAddr(value);
    if (!address.ok) return true;
    const aor = aorIn(address.value);
    return aor !== undefined && (peer === undefined || !isProved(aor, peer));
  }

  function judge(
    request: SipRequest,
    verdict: Verdict,
    peer: NodeId,
  ): Outcome<SipRequest, SipFailure> {
    if (verdict === 'proved') {
      proved.add();
      return success(request);
    }
    (verdict === 'unknown' ? unknown : forged).add();
    trace.log('warn', 'sip-caller-unproved', {
      peer,
      from: request.from.uri,
      callId: request.callId,
      verdict,
    });
    if (deps.policy === 'anonymise') return success(anonymised(request));
    return failure(
      verdict === 'unknown'
        ? sipFailure(480, 'Caller Cannot Be Verified Now')
        : sipFailure(403, 'Caller Is Not Yours'),
    );
  }

  return {
    screen(request, flow: Flow, done) {
      const { peer } = flow;
      if (peer === undefined || request.method === 'REGISTER') {
        done(failure(sipFailure(403, 'Forbidden')));
        return;
      }
      const aors = claims(request);
      if (aors === undefined) {
        done(failure(sipFailure(400, 'Unreadable Identity')));
        return;
      }
      if (aors.length === 0) {
        done(success(request));
        return;
      }
      proveAll(aors, peer, (verdict) => done(judge(request, verdict, peer)));
    },
    withoutAssertions(request, flow) {
      let shown = request;
      for (const name of assertions) {
        if (!request.has(name)) continue;
        if (!request.values(name).some((value) => needsProof(value, flow.peer))) continue;
        stripped.add();
        shown = shown.edit().remove(name).build();
      }
      return shown;
    },
  };
}

/** The caller without a name (RFC 3323 §4.1.1.3); the tag stays, it identifies the dialog. */
function anonymised(request: SipRequest): SipRequest {
  const editor = request.edit().set('From', anonymousValue(request.from));
  for (const name of assertions) editor.remove(name);
  return editor.build();
}
