import type { SipRequest } from '../message/message.ts';
import { parseVia } from '../message/via.ts';

/** Name of the parameter in our Via that holds the mark. */
const name = 'lp';

/**
 * Loop detection of RFC 5393 §4.2: a mark over what decides the routing (Request-URI and Route values as
 * received) goes into our Via; the same request with the same mark has been here before. Its own seed
 * keeps the marks of two servers apart.
 */
export interface LoopMarks {
  /** The mark of a request as received, ready to append to a Via: `;lp=…`. */
  of(request: SipRequest): string;
  /** True when a Via of ours carries that very mark. */
  isLoop(request: SipRequest, mark: string): boolean;
}

export function createLoopMarks(seed: number): LoopMarks {
  return {
    of(request) {
      let hash = mix(seed | 0, request.uri);
      let second = mix(~seed, request.uri);
      if (request.has('Route')) {
        for (const route of request.rows('Route')) {
          hash = mix(hash, route);
          second = mix(second, route);
        }
      }
      const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
      return `;${name}=${hex(hash)}${hex(second)}`;
    },
    isLoop(request, mark) {
      for (const row of request.rows('Via')) {
        if (!row.includes(mark)) continue;
        for (const value of request.values('Via')) {
          const via = parseVia(value);
          if (via.ok && `;${name}=${via.value.params.get(name) ?? ''}` === mark) return true;
        }
        return false;
      }
      return false;
    },
  };
}

/** FNV-1a with a final shuffle: not secret, only unlikely to meet by chance. */
function mix(start: number, text: string): number {
  let h = (start ^ 0x811c9dc5) | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  return Math.imul(h, 0x2c1b3c6d);
}
