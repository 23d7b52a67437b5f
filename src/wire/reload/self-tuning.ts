/** The contents of message extension self_tuning_data. RFC 7363 §6.5. */
import { struct, u32, type Infer } from '../codec.ts';

export const selfTuningData = struct({
  /** Peers. */
  networkSize: u32,
  /** Joins per 24 hours, rounded up. */
  joinRate: u32,
  /** Leaves per 24 hours, rounded up. */
  leaveRate: u32,
});
export type SelfTuningData = Infer<typeof selfTuningData>;
