import type { LocationChange } from '../location/binding.ts';
import type { SipFailure } from '../core/failure.ts';

/**
 * Asked before a REGISTER that changes what the outside knows of an address takes effect: its first
 * binding, its last one gone, or other content. Mere refreshes are not asked.
 */
export interface RegistrationAdmission {
  /**
   * `done(undefined)` lets the change through; a failure refuses it with that status and nothing is
   * changed. `done` is called later, exactly once; after `registrar.admissionTimeoutMs` the change goes
   * through without it. REGISTERs of the same address wait in order of arrival.
   */
  admit(change: LocationChange, done: (refusal: SipFailure | undefined) => void): void;
}
