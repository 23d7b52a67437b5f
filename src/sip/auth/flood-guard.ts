import { UsageError } from '../../base/assert.ts';
import { createBoundedCache } from '../../base/bounded-cache.ts';
import { limits } from '../../base/limits.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Trace } from '../../ports/trace.ts';
import type { FloodSettings } from '../core/settings.ts';
import type { SipRequest } from '../message/message.ts';
import type { Ban } from './bans.ts';
import { parseNetworks } from './networks.ts';

/**
 * Bans sources that send too many requests without proving who they are, until some time after they
 * have stopped. Not counted are flows on which
 * a user has logged in, requests of dialogs that this server recorded, and trunks; each login takes two
 * requests back, so that an office of phones behind one address may begin all at once. Bounded: sources
 * not heard of for longest are forgotten.
 */
export interface FloodGuard {
  /** Counts a new request. False: its source is banned, the request is to be dropped without an answer. */
  admits(request: SipRequest, flow: Flow): boolean;
  /** A user has logged in on the flow. */
  proved(flow: Flow): void;
  /** Bans in force, at most `limit`. */
  bans(limit: number): readonly Ban[];
  /** Ends the ban of a source; false when there is none. */
  lift(source: string): boolean;
}

export interface FloodGuardDeps {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly settings: FloodSettings;
  /** The request belongs to a dialog that this server recorded, or its flow to a trunk. */
  isKnown(request: SipRequest, flow: Flow): boolean;
}

interface Source {
  /** Requests counted, less those that time has taken back. */
  level: number;
  lastMs: number;
  /** Requests since the ban began. */
  dropped: number;
  /** Wall clock; 0 = not banned. */
  untilMs: number;
}

export function createFloodGuard(deps: FloodGuardDeps): FloodGuard {
  const { clock, settings, trace } = deps;
  const { banS, burst, requestsPerS } = settings;
  const exempt = parseNetworks(settings.exemptNetworks);
  if (!exempt.ok) throw new UsageError(`flood.exemptNetworks: ${exempt.error} is no network`);
  const sources = createBoundedCache<string, Source>(limits.sipRoles.floodSources);
  const banned = new Map<string, Source>();
  const proven = new WeakSet<Flow>();
  const bansBegun = trace.counter('sip_flood_bans_total');
  const drops = trace.counter('sip_flood_drops_total');
  trace.gauge('sip_flood_banned_sources', () => list(Infinity).length);

  /** Counts one request; true when it is one too many. The level never passes the burst. */
  function count(source: Source): boolean {
    const nowMs = clock.monotonicMs();
    const drained = ((nowMs - source.lastMs) * requestsPerS) / 1000;
    source.level = Math.max(0, source.level - drained) + 1;
    source.lastMs = nowMs;
    if (source.level <= burst) return false;
    source.level = burst;
    return true;
  }

  function ban(address: string, source: Source): void {
    if (banned.size >= limits.sipRoles.floodSources) {
      const [oldest] = banned.keys();
      if (oldest !== undefined) banned.delete(oldest);
    }
    source.untilMs = clock.wallMs() + banS * 1000;
    source.dropped = 0;
    banned.set(address, source);
    bansBegun.add();
    trace.log('warn', 'sip-source-flooding', { source: address, forS: banS });
  }

  function stillBanned(address: string): Source | undefined {
    const source = banned.size === 0 ? undefined : banned.get(address);
    if (source === undefined || source.untilMs > clock.wallMs()) return source;
    banned.delete(address);
    source.untilMs = 0;
    return undefined;
  }

  function list(limit: number): Ban[] {
    const nowMs = clock.wallMs();
    const bans: Ban[] = [];
    for (const [source, { dropped, untilMs }] of banned) {
      if (untilMs <= nowMs) continue;
      if (bans.length >= limit) break;
      bans.push({ kind: 'flood', source, count: dropped, untilMs });
    }
    return bans;
  }

  return {
    admits(request, flow) {
      if (flow.peer !== undefined || proven.has(flow)) return true;
      const { address } = flow.remote;
      const offender = stillBanned(address);
      if (offender !== undefined) {
        if (deps.isKnown(request, flow)) return true;
        if (count(offender)) offender.untilMs = clock.wallMs() + banS * 1000;
        offender.dropped++;
        drops.add();
        return false;
      }
      let source = sources.get(address);
      if (source === undefined) {
        source = { level: 0, lastMs: clock.monotonicMs(), dropped: 0, untilMs: 0 };
        sources.set(address, source);
      }
      if (request.inDialog && deps.isKnown(request, flow)) return true;
      if (!count(source) || exempt.value.contains(address) || deps.isKnown(request, flow)) {
        return true;
      }
      ban(address, source);
      source.dropped++;
      drops.add();
      return false;
    },
    proved(flow) {
      if (proven.has(flow)) return;
      proven.add(flow);
      const source = sources.get(flow.remote.address);
      if (source !== undefined) source.level = Math.max(0, source.level - 2);
    },
    bans: list,
    lift(address) {
      const source = stillBanned(address);
      if (source === undefined) return false;
      banned.delete(address);
      source.untilMs = 0;
      source.level = 0;
      return true;
    },
  };
}
