/** ConfigUpdate. RFC 6940 §6.5.4. */
import { extensibleSelect, nothing, opaque, u8, vector, type Infer } from '../codec.ts';

export const configUpdateReq = extensibleSelect(u8, 4, {
  /** A whole configuration document. */
  config: { tag: 1, fields: { configData: opaque(3) } },
  /** `kind-block` elements. */
  kind: { tag: 2, fields: { kinds: vector(opaque(2), 3) } },
});
export type ConfigUpdateReq = Infer<typeof configUpdateReq>;

/** Empty. */
export const configUpdateAns = nothing;
