/** The value of Kind TURN-SERVICE. RFC 6940 §9. */
import { struct, u8, type Infer } from '../codec.ts';
import { ipAddressPort } from './ip-address-port.ts';

export const turnServer = struct({
  /** The d of the Resource Name. */
  iteration: u8,
  serverAddress: ipAddressPort,
});
export type TurnServer = Infer<typeof turnServer>;
