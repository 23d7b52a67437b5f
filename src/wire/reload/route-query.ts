/** RouteQuery; the answer is the topology algorithm's. RFC 6940 §6.4.2.4. */
import { bool, opaque, struct, type Infer } from '../codec.ts';
import { destination } from './destination.ts';

export const routeQueryReq = struct({
  sendUpdate: bool,
  destination,
  overlaySpecificData: opaque(2),
});
export type RouteQueryReq = Infer<typeof routeQueryReq>;
