/** Join and Leave; the body of Update is the topology algorithm's. RFC 6940 §6.4.2.1 to §6.4.2.3. */
import { nothing, opaque, struct, type Infer } from '../codec.ts';
import { defaultNodeIdLength, nodeIdOf, perNodeIdLength } from './ids.ts';

export const joinReqOf = perNodeIdLength((length) =>
  struct({ joiningPeerId: nodeIdOf(length), overlaySpecificData: opaque(2) }),
);
export const joinReq = joinReqOf(defaultNodeIdLength);
export type JoinReq = Infer<typeof joinReq>;

export const joinAns = struct({ overlaySpecificData: opaque(2) });
export type JoinAns = Infer<typeof joinAns>;

export const leaveReqOf = perNodeIdLength((length) =>
  struct({ leavingPeerId: nodeIdOf(length), overlaySpecificData: opaque(2) }),
);
export const leaveReq = leaveReqOf(defaultNodeIdLength);
export type LeaveReq = Infer<typeof leaveReq>;

/** Empty. */
export const leaveAns = nothing;
/** Empty in CHORD-RELOAD. */
export const updateAns = nothing;
