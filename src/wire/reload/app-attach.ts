/** AppAttach: request and answer share the structure. RFC 6940 §6.5.2.1. */
import { latin1, struct, u16, type Infer } from '../codec.ts';
import { iceCandidates } from './ice-candidate.ts';

/** Application-IDs, §14.5, RFC 7904 §9. */
export const applicationIds = { sip: 5060, sips: 5061 } as const;

/** True for registered applications and those of private use; all others need a registration first. §14.5. */
export function isUsableApplication(application: number): boolean {
  const isRegistered = Object.values<number>(applicationIds).includes(application);
  return isRegistered || (application >= 61_441 && application <= 65_534);
}

export const appAttachReqAns = struct({
  ufrag: latin1(1),
  password: latin1(1),
  application: u16,
  role: latin1(1),
  candidates: iceCandidates,
});
export type AppAttachReqAns = Infer<typeof appAttachReqAns>;
