/** The value of Kind REDIR and the name of a tree node. RFC 7374 §4.1, §4.3. */
import { opaque, struct, u16, u8, written, type Infer } from '../codec.ts';
import { destinationList } from './destination.ts';

export const redirServiceProvider = struct({
  /** 0 = none; other values qualify `extension`. */
  type: u8,
  destinationList: destinationList(2),
  /** UTF-8. */
  namespace: opaque(2),
  level: u16,
  node: u16,
  extension: opaque(2),
});
export type RedirServiceProvider = Infer<typeof redirServiceProvider>;

/** The Resource Name of a tree node: namespace, level and node, without lengths. */
export function redirResourceName(namespace: Uint8Array, level: number, node: number): Uint8Array {
  return written((writer) => {
    writer.raw(namespace);
    writer.u16(level);
    writer.u16(node);
  });
}
