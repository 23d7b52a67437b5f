/** Attach: request and answer share the structure. RFC 6940 §6.5.1.1. */
import { bool, latin1, struct, type Infer } from '../codec.ts';
import { iceCandidates } from './ice-candidate.ts';

export const attachReqAns = struct({
  ufrag: latin1(1),
  password: latin1(1),
  /** `passive` in a request, `active` in an answer. */
  role: latin1(1),
  candidates: iceCandidates,
  sendUpdate: bool,
});
export type AttachReqAns = Infer<typeof attachReqAns>;
