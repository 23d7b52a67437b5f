import { emptyBytes } from '../../base/bytes.ts';
import { limits } from '../../base/limits.ts';
import { latin1Decode } from '../../base/text.ts';
import type { StreamFramer, StreamFramerEvents } from '../../ports/flow.ts';
import { parseUnsigned } from './scan.ts';

const CR = 13;
const LF = 10;

/**
 * Cuts a stream by Content-Length (absent means none). Every byte is looked at and moved a constant
 * number of times, however the stream is cut. What is wrong with a Content-Length is for the message
 * codec to answer: the header goes up as a message before the stream is given up.
 */
export function createStreamFramer(): StreamFramer {
  /** Bytes of an unfinished message, in [0, held) of `buffer`. */
  let buffer: Uint8Array = emptyBytes;
  let held = 0;
  /** How far the search for the end of the header came. */
  let scanned = 0;
  /** Whole length of the message at the start of `buffer`, once its header is complete. */
  let wanted = 0;
  /** A CRLF came last, which may be the first half of a ping. */
  let halfPing = false;

  function hold(bytes: Uint8Array): void {
    if (held + bytes.length > buffer.length) {
      const grown = new Uint8Array(Math.max(1024, 2 * (held + bytes.length)));
      grown.set(buffer.subarray(0, held));
      buffer = grown;
    }
    buffer.set(bytes, held);
    held += bytes.length;
  }

  /** Consumes whole messages from `data`; how many bytes, or a word. */
  function consume(data: Uint8Array, own: boolean, events: StreamFramerEvents): number | string {
    let start = 0;
    for (;;) {
      if (wanted === 0) {
        const blank = skipLineEnds(data, start, events);
        if (blank > start) {
          start = blank;
          scanned = 0;
        }
        const headerEnd = findHeaderEnd(data, start);
        if (headerEnd < 0) {
          return data.length - start > limits.sipMessage.headerBytes ? 'header-too-large' : start;
        }
        const length = bodyLength(latin1Decode(data.subarray(start, headerEnd)));
        if (length === undefined) {
          events.message(data.slice(start, headerEnd));
          return 'bad-content-length';
        }
        wanted = headerEnd - start + length;
      }
      if (data.length - start < wanted) return start;
      const message = data.subarray(start, start + wanted);
      start += wanted;
      wanted = 0;
      scanned = 0;
      events.message(own ? message.slice() : message);
    }
  }

  function skipLineEnds(data: Uint8Array, from: number, events: StreamFramerEvents): number {
    let i = from;
    while (data[i] === CR && data[i + 1] === LF) {
      i += 2;
      if (halfPing) events.ping();
      halfPing = !halfPing;
    }
    const isNext = i < data.length && !(data[i] === CR && i + 1 === data.length);
    if (halfPing && isNext) {
      halfPing = false;
      events.pong();
    }
    return i;
  }

  /** Position after the empty line, or -1; goes on where the last search stopped. */
  function findHeaderEnd(data: Uint8Array, start: number): number {
    let i = start + scanned;
    for (;;) {
      i = data.indexOf(LF, i);
      if (i < 0) break;
      if (data[i - 1] === CR && data[i - 2] === LF && data[i - 3] === CR && i - 3 >= start) {
        return i + 1;
      }
      i++;
    }
    scanned = data.length - start;
    return -1;
  }

  return {
    push(bytes, events) {
      const own = held > 0;
      if (own) hold(bytes);
      const data = own ? buffer.subarray(0, held) : bytes;
      const consumed = consume(data, own, events);
      if (typeof consumed === 'string') return consumed;
      if (!own) hold(bytes.subarray(consumed));
      else if (consumed > 0) {
        buffer.copyWithin(0, consumed, held);
        held -= consumed;
      }
      if (held === 0) buffer = emptyBytes;
      return undefined;
    },
  };
}

/** Content-Length of a header section; 0 without one, `undefined` when malformed, contradictory or too large. */
function bodyLength(header: string): number | undefined {
  const unfolded = header.includes('\r\n ') || header.includes('\r\n\t');
  const text = unfolded ? header.replace(/\r\n[ \t]+/g, ' ') : header;
  let found: number | undefined;
  for (const match of text.matchAll(/\r\n(?:content-length|l)[ \t]*:([^\r]*)/gi)) {
    const length = parseUnsigned((match[1] ?? '').trim(), limits.sipMessage.bodyBytes);
    if (length === undefined || (found !== undefined && found !== length)) return undefined;
    found = length;
  }
  return found ?? 0;
}
