/** Splits messages for links that carry datagrams. RFC 6940 §6.7, A-22. */
import type { RoutedMessage } from './routed-message.ts';

/** Room that every fragment leaves for the Via List to grow (bytes). */
const growthBytes = 32;
/** Every fragment but the last carries at least that much of the message (bytes). */
const smallestChunk = 256;

/**
 * The message in pieces that fit into `mtuBytes`, each with its place in the whole message; the
 * message itself when it fits, or when the header leaves too little room, so that the network has to
 * fragment. `headerBytes`: of the forwarding header for the next hop. A fragment is split further.
 */
export function fragmentsOf(
  message: RoutedMessage,
  headerBytes: number,
  mtuBytes: number,
): readonly RoutedMessage[] {
  const { header, body } = message;
  if (headerBytes + body.length <= mtuBytes) return [message];
  const { offset, last } = header.fragment;
  let start = 0;
  return chunkSizes(body.length, mtuBytes - growthBytes - headerBytes).map((size) => {
    const end = start + size;
    const piece = {
      ...message,
      header: {
        ...header,
        fragment: { offset: offset + start, last: last && end === body.length },
      },
      body: body.subarray(start, end),
    };
    start = end;
    return piece;
  });
}

/**
 * Sizes that differ by one byte at most, none above `room`; where that would make them smaller than
 * the smallest allowed, chunks of that size and a shorter last one. A single size: not to be split.
 */
export function chunkSizes(length: number, room: number): readonly number[] {
  if (length <= room || room < smallestChunk) return [length];
  const count = Math.ceil(length / room);
  const size = Math.floor(length / count);
  if (size >= smallestChunk) {
    const longer = length % count;
    return Array.from({ length: count }, (_, i) => (i < longer ? size + 1 : size));
  }
  const whole = Math.floor(length / smallestChunk);
  const sizes = new Array<number>(whole).fill(smallestChunk);
  const rest = length % smallestChunk;
  return rest === 0 ? sizes : [...sizes, rest];
}
