/** Ping. RFC 6940 §6.5.3. */
import { opaque, struct, u64, type Infer } from '../codec.ts';

export const pingReq = struct({ padding: opaque(2) });
export type PingReq = Infer<typeof pingReq>;

export const pingAns = struct({
  /** Random. */
  responseId: u64,
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  time: u64,
});
export type PingAns = Infer<typeof pingAns>;
