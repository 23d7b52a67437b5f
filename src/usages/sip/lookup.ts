/**
 * Resolving an AOR in the overlay (RFC 7904 §4.2): fetch the dictionary, follow AOR results, remove
 * duplicates. Each value is judged alone: a bad one never hides the others.
 */
import type { NodeId } from '../../base/ids.ts';
import { nodeIdFromBytes } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { FetchedValue, Overlay, OverlayError } from '../../overlay/api.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Trace } from '../../ports/trace.ts';
import type { Destination } from '../../wire/reload/destination.ts';
import { aorOf, aorParts, isGruu } from './aor.ts';
import { decodeContactPrefs } from './contact-prefs.ts';
import type { ContactPrefs } from './contact-prefs.ts';
import { decodeGr, destinationsKey, terminalNode } from './gruu.ts';
import { decodeRegistration, resourceOfAor, sipRegistrationKindId } from './registration.ts';
import type { Registration } from './registration.ts';

export interface SipLookup {
  /** A result of at most one second ago, at once. */
  cached(aor: string): Resolution | undefined;
  /** Fetches and follows; `done` is called later, exactly once. Calls for one AOR share the Fetch. */
  resolve(aor: string, done: (resolution: Resolution) => void): void;
  /** The next {@link resolve} of this AOR asks the overlay again (a call to it failed). */
  forget(aor: string): void;
  /**
   * The nodes that the AOR's own records name, without following forwards; `undefined` when the
   * overlay did not answer. `done` is called later, exactly once.
   */
  nodesOf(aor: string, done: (nodes: ReadonlySet<NodeId> | undefined) => void): void;
}

export interface Resolution {
  readonly aor: string;
  /** Newest record first. */
  readonly routes: readonly ResolvedRoute[];
  /** AORs outside this overlay, as written. */
  readonly external: readonly string[];
  /** Some live record was found, usable or not. */
  readonly found: boolean;
  /** The first Fetch that failed. */
  readonly failed: OverlayError | undefined;
  /** Forwards were not followed: a loop, or too many. */
  readonly truncated: boolean;
}

export interface ResolvedRoute {
  /** Whose record it is: the AOR asked for, or one it forwards to. */
  readonly aor: string;
  /** The last node entry of `destinations`. */
  readonly nodeId: NodeId;
  readonly destinations: readonly Destination[];
  readonly prefs: ContactPrefs;
  readonly storageTimeMs: number;
}

export interface SipLookupDeps {
  readonly overlay: Pick<Overlay, 'fetch' | 'config'>;
  readonly clock: Clock;
  readonly trace: Trace;
  /** True when AORs of this host are to be looked up in this overlay (RFC 7904 §4.1). */
  isHosted(host: string): boolean;
  /** 0..1000; default 1000. */
  readonly cacheMs?: number;
}

/** How far our clock may be ahead of the writer's. */
const clockToleranceMs = 60_000;

export function createSipLookup(deps: SipLookupDeps): SipLookup {
  const { overlay, clock, trace } = deps;
  const cacheMs = Math.min(deps.cacheMs ?? 1000, 1000);
  const cache = new Map<string, { readonly resolution: Resolution; readonly untilMs: number }>();
  const pending = new Map<string, ((resolution: Resolution) => void)[]>();
  const refusedValues = trace.counter('sip_lookup_values_refused_total');
  const refusedLookups = trace.counter('sip_lookups_refused_total');

  function remember(resolution: Resolution): void {
    if (resolution.routes.length === 0 || resolution.failed !== undefined || cacheMs <= 0) return;
    cache.delete(resolution.aor);
    if (cache.size >= limits.usagesSip.cachedResolutions) {
      const [oldest] = cache.keys();
      if (oldest !== undefined) cache.delete(oldest);
    }
    cache.set(resolution.aor, { resolution, untilMs: clock.monotonicMs() + cacheMs });
  }

  function walk(aor: string, done: (resolution: Resolution) => void): void {
    const seen = new Set<string>([aor]);
    const routes = new Map<string, ResolvedRoute>();
    const external = new Set<string>();
    let outstanding = 0;
    let found = false;
    let failed: OverlayError | undefined;
    let truncated = false;

    function fetch(target: string, depth: number): void {
      outstanding++;
      fetchRecords(deps, target, (outcome) => {
        if (outcome.ok) {
          refusedValues.add(outcome.refused);
          for (const record of outcome.records) take(record, target, depth);
        } else {
          failed ??= outcome.error;
        }
        if (--outstanding > 0) return;
        const ordered = [...routes.values()].sort(newestFirst);
        done({ aor, routes: ordered, external: [...external], found, failed, truncated });
      });
    }

    function take(record: LiveRecord, owner: string, depth: number): void {
      found = true;
      const { registration } = record;
      if (registration.type === 'uri' && !isGruu(registration.uri)) {
        follow(registration.uri, depth);
        return;
      }
      const destinations =
        registration.type === 'route'
          ? registration.destinations
          : decodeGr(/;gr=([^;?]*)/i.exec(registration.uri)?.[1] ?? '');
      const nodeId = destinations === undefined ? undefined : terminalNode(destinations);
      if (destinations === undefined || nodeId === undefined) {
        refusedValues.add();
        return;
      }
      if (overlay.config().badNodes.includes(nodeId)) return;
      const key = destinationsKey(destinations);
      const known = routes.get(key);
      if (known !== undefined && known.storageTimeMs >= record.storageTimeMs) return;
      if (known === undefined && routes.size >= limits.usagesSip.routesPerResolution) {
        truncated = true;
        return;
      }
      const prefs = decodeContactPrefs(
        registration.type === 'route' ? registration.contactPrefs : '',
      );
      const { storageTimeMs } = record;
      routes.set(key, { aor: owner, nodeId, destinations, prefs, storageTimeMs });
    }

    /** loops end at an AOR that was seen, chains and bushes at their bounds. */
    function follow(uri: string, depth: number): void {
      const target = aorOf(uri);
      const host = target === undefined ? undefined : aorParts(target)?.host;
      if (target === undefined || host === undefined) {
        refusedValues.add();
      } else if (!deps.isHosted(host)) {
        if (external.size < limits.usagesSip.externalsPerResolution) external.add(uri);
        else truncated = true;
      } else if (seen.has(target)) {
        truncated = true;
      } else if (
        depth >= limits.usagesSip.forwardDepth ||
        seen.size >= limits.usagesSip.fetchesPerResolution
      ) {
        truncated = true;
      } else {
        seen.add(target);
        fetch(target, depth + 1);
      }
    }

    fetch(aor, 0);
  }

  return {
    cached(aor) {
      const entry = cache.get(aor);
      if (entry === undefined) return undefined;
      if (clock.monotonicMs() < entry.untilMs) return entry.resolution;
      cache.delete(aor);
      return undefined;
    },
    resolve(aor, done) {
      const waiting = pending.get(aor);
      if (waiting !== undefined && waiting.length < limits.usagesSip.waitingPerResolution) {
        waiting.push(done);
        return;
      }
      if (waiting !== undefined || pending.size >= limits.usagesSip.resolutionsAtOnce) {
        refusedLookups.add();
        const failed = { code: 0, reason: 'invalid', text: 'too many lookups' } as const;
        clock.after('sip-lookup-refused', 0, () =>
          done({ aor, routes: [], external: [], found: false, failed, truncated: false }),
        );
        return;
      }
      const waiters = [done];
      pending.set(aor, waiters);
      walk(aor, (resolution) => {
        pending.delete(aor);
        remember(resolution);
        // Taken out, so that tables which V8 has replaced hold no calls (see base/churn-map.ts).
        for (const waiter of waiters.splice(0)) waiter(resolution);
      });
    },
    forget: (aor) => void cache.delete(aor),
    nodesOf(aor, done) {
      fetchRecords(deps, aor, (outcome) => {
        if (!outcome.ok) {
          done(undefined);
          return;
        }
        refusedValues.add(outcome.refused);
        const nodes = new Set<NodeId>();
        for (const { registration } of outcome.records) {
          if (registration.type !== 'route') continue;
          const nodeId = terminalNode(registration.destinations);
          if (nodeId !== undefined && !overlay.config().badNodes.includes(nodeId)) {
            nodes.add(nodeId);
          }
        }
        done(nodes);
      });
    },
  };
}

interface LiveRecord {
  readonly registration: Registration;
  readonly storageTimeMs: number;
}

type Records =
  | { readonly ok: true; readonly records: readonly LiveRecord[]; readonly refused: number }
  | { readonly ok: false; readonly error: OverlayError };

/** All live, well-formed values of an AOR that its user signed. No dictionary keys are named (§4.2 step 1). */
function fetchRecords(
  deps: Pick<SipLookupDeps, 'overlay' | 'clock'>,
  aor: string,
  done: (records: Records) => void,
): void {
  const request = { resource: resourceOfAor(aor), kind: sipRegistrationKindId };
  deps.overlay.fetch(request, (outcome) => {
    if (!outcome.ok) {
      done(outcome);
      return;
    }
    const records: LiveRecord[] = [];
    let refused = outcome.value.refused;
    const nowMs = deps.clock.wallMs();
    for (const value of outcome.value.values) {
      if (!value.exists || isExpired(value, nowMs)) continue;
      const registration = isSignedBy(value, aor) ? decodeRegistration(value.value) : undefined;
      if (registration === undefined) refused++;
      else records.push({ registration, storageTimeMs: value.storageTimeMs });
    }
    done({ ok: true, records, refused });
  });
}

/**
 * Storers count the lifetime from receipt and pass on what is left of it, so a living value may look
 * older than its lifetime here; one that is twice as old should not have been shown.
 */
function isExpired(value: FetchedValue, nowMs: number): boolean {
  return value.storageTimeMs + 2 * value.lifetimeS * 1000 + clockToleranceMs <= nowMs;
}

/** USER-NODE-MATCH as seen by the reader: the user's own name, the signer's Node-ID as key. */
function isSignedBy(value: FetchedValue, aor: string): boolean {
  return (
    value.signer?.userName === aor &&
    value.key !== undefined &&
    nodeIdFromBytes(value.key) === value.signerNodeId
  );
}

function newestFirst(a: ResolvedRoute, b: ResolvedRoute): number {
  return b.storageTimeMs - a.storageTimeMs || (a.nodeId < b.nodeId ? -1 : 1);
}
