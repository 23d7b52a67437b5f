import { limits } from '../../base/limits.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Trace } from '../../ports/trace.ts';
import type { Ban } from './bans.ts';

/**
 * Counts failed logins by source address and by user. A source with too many of them is banned for a
 * while. A user who is tried too often is locked for a while: then even the right password is no use
 * to sources where the user has no phone, so that guessing from many places leads nowhere and nobody
 * can lock a user out. Bounded: what failed longest ago makes room.
 */
export interface AttemptGuard {
  /** Seconds left of the ban of a source; 0 when there is none. */
  banLeftS(source: string): number;
  /** The user is being guessed at. */
  isLocked(aor: string): boolean;
  /** `aor` is known when the user exists. Returns the failures of the source. */
  failed(source: string, aor: string | undefined): number;
  /** A login succeeded: the failures of the source are forgotten. */
  succeeded(source: string): void;
  /** Sources with failures. */
  readonly sources: number;
  /** Bans of sources in force, then locks of users, at most `limit` together. */
  bans(limit: number): readonly Ban[];
  /** Ends the ban of a source or the lock of a user; false when there is none. */
  lift(source: string): boolean;
}

export interface AttemptGuardDeps {
  readonly clock: Clock;
  readonly trace: Trace;
  /** Failures of one source until it is banned; 0 = never. */
  readonly maxFailures: number;
  /** Failures of one user until it is locked; 0 = never. */
  readonly maxUserFailures: number;
  /** Length of bans and locks; also how long failures are remembered. */
  readonly banS: number;
  /** Sources that are never banned. */
  isExempt(source: string): boolean;
  /** Most sources, and most users; default `limits.sipRoles.failureSources`. */
  readonly capacity?: number;
}

interface Tally {
  count: number;
  lastMs: number;
  /** 0 = not banned (locked). */
  untilMs: number;
}

export function createAttemptGuard(deps: AttemptGuardDeps): AttemptGuard {
  const { clock, trace } = deps;
  const capacity = deps.capacity ?? limits.sipRoles.failureSources;
  const banMs = deps.banS * 1000;
  const bySource = new Map<string, Tally>();
  const byUser = new Map<string, Tally>();
  const banned = trace.counter('sip_auth_bans_total', { kind: 'source' });
  const locked = trace.counter('sip_auth_bans_total', { kind: 'user' });
  trace.gauge('sip_auth_banned_sources', () => list('logins', bySource, Infinity).length);

  /** Counts one more; true when this one reached the maximum. */
  function count(tallies: Map<string, Tally>, key: string, maximum: number): boolean {
    const nowMs = clock.wallMs();
    const known = tallies.get(key);
    const lapsed = known === undefined || nowMs - known.lastMs > banMs || isOver(known, nowMs);
    const tally = lapsed ? { count: 0, lastMs: nowMs, untilMs: 0 } : known;
    tallies.delete(key);
    if (tallies.size >= capacity) {
      for (const oldest of tallies.keys()) {
        tallies.delete(oldest);
        break;
      }
    }
    tallies.set(key, tally);
    tally.count++;
    tally.lastMs = nowMs;
    if (maximum === 0 || tally.count < maximum || tally.untilMs !== 0) return false;
    tally.untilMs = nowMs + banMs;
    return true;
  }

  function isOver({ untilMs }: Tally, nowMs: number): boolean {
    return untilMs !== 0 && untilMs <= nowMs;
  }

  function list(kind: Ban['kind'], tallies: ReadonlyMap<string, Tally>, limit: number): Ban[] {
    const nowMs = clock.wallMs();
    const bans: Ban[] = [];
    for (const [source, { count: failures, untilMs }] of tallies) {
      if (untilMs <= nowMs) continue;
      if (bans.length >= limit) break;
      bans.push({ kind, source, count: failures, untilMs });
    }
    return bans;
  }

  function forget(tallies: Map<string, Tally>, key: string): boolean {
    const wasBanned = (tallies.get(key)?.untilMs ?? 0) > clock.wallMs();
    if (wasBanned) tallies.delete(key);
    return wasBanned;
  }

  return {
    banLeftS(source) {
      const untilMs = bySource.size === 0 ? 0 : (bySource.get(source)?.untilMs ?? 0);
      return untilMs === 0 ? 0 : Math.max(0, Math.ceil((untilMs - clock.wallMs()) / 1000));
    },
    isLocked(aor) {
      const untilMs = byUser.size === 0 ? 0 : (byUser.get(aor)?.untilMs ?? 0);
      return untilMs > clock.wallMs();
    },
    failed(source, aor) {
      const maximum = deps.isExempt(source) ? 0 : deps.maxFailures;
      if (count(bySource, source, maximum)) {
        banned.add();
        trace.log('warn', 'sip-source-banned', { source, forS: deps.banS });
      }
      if (aor !== undefined && count(byUser, aor, deps.maxUserFailures)) {
        locked.add();
        trace.log('warn', 'sip-user-locked', { aor, forS: deps.banS });
      }
      return bySource.get(source)?.count ?? 0;
    },
    succeeded(source) {
      if (bySource.size > 0) bySource.delete(source);
    },
    get sources() {
      return bySource.size;
    },
    bans(limit) {
      const sources = list('logins', bySource, limit);
      return [...sources, ...list('user', byUser, limit - sources.length)];
    },
    lift(source) {
      const wasBanned = forget(bySource, source);
      return forget(byUser, source) || wasBanned;
    },
  };
}
