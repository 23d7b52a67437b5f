/**
 * Judges every value that a simulated Fetch hands out: it must be one that its user stored, not
 * older than what had been confirmed before the question, and not expired.
 */
import { bytesEqual } from '../base/bytes.ts';
import type { FetchedValue } from '../overlay/api.ts';
import type { StoredRecord } from './records.ts';
import type { World } from './world.ts';

export interface ServedValues {
  /** True for the value that was to be found; what nobody may serve is noted. */
  judge(record: StoredRecord, leastVersion: number, value: FetchedValue): boolean;
  /** What was served and should not have been, the first ones. */
  readonly complaints: readonly string[];
  readonly judged: number;
  /** Confirmed versions that were served in an older form. */
  readonly rolledBack: number;
  /** From now on old values are what cheating storers are known to serve: counted, not complained of. */
  expectRollbacks(): void;
  /**
   * From `fromMs` to `untilMs` some peer does not hear of what others store. Until it is told, soon after,
   * nobody can keep it from answering with what it had: counted, not complained of.
   */
  away(fromMs: number, untilMs: number): void;
}

const mostComplaints = 20;
/** Clocks of hosts differ by up to two seconds either way, and run at different speeds. */
const clockToleranceMs = 6000;
/** From the return of a peer until it has been told what it missed, retries included. */
const tellingMs = 30_000;

export function createServedValues(world: World): ServedValues {
  const complaints: string[] = [];
  let judged = 0;
  let rolledBack = 0;
  let rollbacksExpected = false;
  const absences: { readonly fromMs: number; readonly untilMs: number }[] = [];

  function complain(record: StoredRecord, what: string): void {
    if (complaints.length < mostComplaints) complaints.push(`${record.user}: ${what}`);
  }

  /** Whether somebody who may be asked now missed the confirmed version. */
  function wasMissed({ confirmedMs }: StoredRecord): boolean {
    return absences.some(
      ({ fromMs, untilMs }) => confirmedMs >= fromMs && world.nowMs <= untilMs + tellingMs,
    );
  }

  return {
    complaints,
    get judged() {
      return judged;
    },
    get rolledBack() {
      return rolledBack;
    },
    away: (fromMs, untilMs) => void absences.push({ fromMs, untilMs }),
    expectRollbacks() {
      rollbacksExpected = true;
    },
    judge(record, leastVersion, value) {
      // A synthetic value says that there is nothing (RFC 6940 §7.4.2.2).
      if (!value.exists && value.signerNodeId === undefined) return false;
      judged++;
      const version = record.versions.findIndex((own) => bytesEqual(own, value.value));
      if (version < 0 || !value.exists || value.signerNodeId !== record.key) {
        complain(record, 'a value that its user never stored');
        return false;
      }
      if (world.nowMs > record.expiresMs + clockToleranceMs) {
        complain(record, `served ${Math.round(world.nowMs - record.expiresMs)} ms after its end`);
        return false;
      }
      if (version >= leastVersion) return true;
      rolledBack++;
      if (!rollbacksExpected && !wasMissed(record))
        complain(record, `version ${version} after ${leastVersion}`);
      return false;
    },
  };
}
