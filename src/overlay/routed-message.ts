/**
 * A message on its way: header and, untouched, the bytes after it. RFC 6940 §6.1, §6.3.2.
 */
import type { NodeId } from '../base/ids.ts';
import { messageClass } from '../wire/reload/message-codes.ts';
import { destinationKey, type Destination } from '../wire/reload/destination.ts';
import { encodeHeader, type ForwardingHeader } from '../wire/reload/header.ts';

export interface RoutedMessage {
  /** As it came, or as it was made; the lists on the wire are worked out for every next hop. */
  readonly header: ForwardingHeader;
  /** What follows the header; never parsed, never changed in transit. */
  readonly body: Uint8Array;
  /** The neighbor it came from; `undefined` for a message of our own. */
  readonly from: NodeId | undefined;
}

/** message_code of the contents; `undefined` in any fragment but the first. Two bytes are read, no more. */
export function peekMessageCode(
  message: Pick<RoutedMessage, 'header' | 'body'>,
): number | undefined {
  const high = message.body[0];
  const low = message.body[1];
  if (message.header.fragment.offset !== 0 || high === undefined || low === undefined) {
    return undefined;
  }
  return (high << 8) | low;
}

/** True for answers and errors, which gather no Via List (§6.1.2). */
export function isResponse(message: Pick<RoutedMessage, 'header' | 'body'>): boolean {
  const code = peekMessageCode(message);
  if (code === undefined) return false;
  const kind = messageClass(code);
  return kind === 'answer' || kind === 'error';
}

/** How often the message has passed that node, as far as its Via List tells (§6.1.2). */
export function timesPassed(nodeId: NodeId, { viaList }: ForwardingHeader): number {
  let times = 0;
  for (const via of viaList) if (via.type === 'node' && via.nodeId === nodeId) times++;
  return times;
}

/**
 * The way back: the neighbor a request came from, then its Via List reversed (§6.1.2, §6.2.2, A-01).
 * What a request went round in a circle is cut out, because a Destination List names nobody twice
 * (§13.6.5): the answer leaves a node by the hop that the request first came to it by.
 */
export function returnPath(
  self: NodeId,
  request: Pick<RoutedMessage, 'header' | 'from'>,
): readonly Destination[] {
  const { viaList } = request.header;
  const path: Destination[] = [];
  const places = new Map<string, number>();
  const own = destinationKey({ type: 'node', nodeId: self });
  const oldestFirst = [...viaList];
  if (request.from !== undefined) oldestFirst.push({ type: 'node', nodeId: request.from });
  for (const entry of oldestFirst) {
    const key = destinationKey(entry);
    if (key === own) break;
    const place = places.get(key);
    if (place === undefined) {
      places.set(key, path.push(entry) - 1);
      continue;
    }
    for (const cut of path.splice(place + 1)) places.delete(destinationKey(cut));
  }
  if (path.length === 0) return [{ type: 'node', nodeId: self }];
  return path.reverse();
}

/** Encodes the header for the next hop; TTL reduced unless the message is our own. */
export function headerForNextHop(
  { header, body, from }: RoutedMessage,
  viaList: readonly Destination[],
  destinationList: readonly Destination[],
): Uint8Array {
  const ttl = from === undefined ? header.ttl : header.ttl - 1;
  return encodeHeader({ ...header, viaList, destinationList, ttl }, body.length);
}

/** True when two entries of a Destination List are equal (RFC 6940 §13.6.5, A-46). */
export function hasDuplicates(
  list: readonly Destination[],
  keyOf: (destination: Destination) => string,
): boolean {
  if (list.length < 2) return false;
  const seen = new Set<string>();
  for (const destination of list) seen.add(keyOf(destination));
  return seen.size !== list.length;
}
