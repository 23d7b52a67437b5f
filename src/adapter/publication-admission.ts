/** A first REGISTER waits for the Store of its record: the overlay may refuse it (DESIGN §4.3). */
import { limits } from '../base/limits.ts';
import type { Clock } from '../ports/clock.ts';
import { sipFailure } from '../sip/core/failure.ts';
import type { RegistrationAdmission } from '../sip/registrar/admission.ts';
import type { Entry } from './publication-entry.ts';

export function createPublicationAdmission(deps: {
  readonly clock: Clock;
  /** RFC 7904 §3.3: checked before a Store is issued. */
  acceptsAor(aor: string): boolean;
  /** `undefined` when there are too many. */
  entryOf(aor: string): Entry | undefined;
  /** Stores what the entry proposes; its waiters are told how that ended. */
  begin(entry: Entry): void;
}): RegistrationAdmission {
  const { clock } = deps;
  let admitting = 0;
  return {
    admit(change, done) {
      const answerLater = (status?: ReturnType<typeof sipFailure>): void => {
        clock.after('sip-admitted', 0, () => done(status));
      };
      if (change.bindings.length === 0) {
        answerLater();
        return;
      }
      if (!deps.acceptsAor(change.aor)) {
        answerLater(sipFailure(403, 'Domain Not Served'));
        return;
      }
      const entry = change.first ? deps.entryOf(change.aor) : undefined;
      if (entry === undefined || admitting >= limits.adapter.admissions) {
        answerLater();
        return;
      }
      admitting++;
      entry.proposed = change.bindings;
      entry.waiters.push((result) => {
        admitting--;
        entry.proposed = undefined;
        answerLater(result === 'refused' ? sipFailure(403, 'Refused By The Overlay') : undefined);
      });
      deps.begin(entry);
    },
  };
}
