/** Find. RFC 6940 §7.4.4. */
import { checked, struct, u32, vector, type Infer } from '../codec.ts';
import { resourceId } from './ids.ts';

export const findReq = struct({
  resource: resourceId,
  kinds: checked(
    vector(u32, 1),
    (kinds) => new Set(kinds).size === kinds.length,
    'a Find names each Kind only once',
  ),
});
export type FindReq = Infer<typeof findReq>;

export const findKindData = struct({
  kind: u32,
  /** The nearest Resource-ID with values of the Kind; all zero when there is none. */
  closest: resourceId,
});
export type FindKindData = Infer<typeof findKindData>;

export const findAns = struct({ results: vector(findKindData, 2) });
export type FindAns = Infer<typeof findAns>;
