import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import { latin1Encode } from '../../base/text.ts';
import { headerIds, longHeaderName, scanHeaderId } from './header-names.ts';
import { isSafeText } from './rows.ts';
import { nextComma } from './scan.ts';
import type { ErrorReply } from './types.ts';
import { parseVia } from './via.ts';
import type { Via } from './via.ts';

const copied: ReadonlySet<number> = new Set([
  headerIds.via,
  headerIds.from,
  headerIds.to,
  headerIds.callId,
  headerIds.cseq,
]);

/**
 * The answer to a request that could not be read: possible when there is a method other than ACK and
 * a readable topmost Via. Missing fields stay missing; the first row of each other field is copied.
 */
export function buildErrorReply(
  reason: string,
  text: string,
  start: number,
): ErrorReply | undefined {
  const method = /^([\w.!%*+`'~-]+)\s/.exec(text.slice(start, start + 64))?.[1];
  if (method === undefined || method === 'ACK' || reason === 'too-large') return undefined;
  if (text.slice(start, start + 4).toUpperCase() === 'SIP/') return undefined;
  const rows = usableRows(text, start);
  const top = rows.find(([id]) => id === headerIds.via)?.[1];
  if (top === undefined) return undefined;
  const comma = nextComma(top, 0);
  const via = readLeniently(top.slice(0, comma).trim());
  if (!via.ok) return undefined;
  const status = reason === 'bad-version' ? 505 : 400;
  const phrase = status === 505 ? 'Version Not Supported' : `Bad Request (${reason})`;
  return {
    status,
    via: via.value,
    toBytes(topVia) {
      let reply = `SIP/2.0 ${String(status)} ${phrase}\r\n`;
      let isTop = true;
      for (const [id, value] of rows) {
        const shown = isTop && id === headerIds.via ? topVia + value.slice(comma) : value;
        if (id === headerIds.via) isTop = false;
        reply += `${longHeaderName(id)}: ${shown}\r\n`;
      }
      return latin1Encode(`${reply}Content-Length: 0\r\n\r\n`);
    },
  };
}

/** Enough of a Via to send the answer somewhere: other versions and bad parameters are let pass. */
function readLeniently(value: string): Outcome<Via> {
  const strict = parseVia(value);
  if (strict.ok) return strict;
  const semicolon = value.indexOf(';');
  const plain = semicolon < 0 ? value : value.slice(0, semicolon);
  return parseVia(plain.replace(/^SIP\s*\/\s*[\d.]+/i, 'SIP/2.0'));
}

/** Rows to copy, unfolded, in order; those with control characters are left out. */
function usableRows(text: string, start: number): readonly (readonly [number, string])[] {
  const headerEnd = text.indexOf('\r\n\r\n', start);
  const end = headerEnd < 0 ? Math.min(text.length, limits.sipMessage.headerBytes) : headerEnd;
  const lines = text
    .slice(start, end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n', limits.sipMessage.headerRows);
  const rows: (readonly [number, string])[] = [];
  const seen = new Set<number>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const id = scanHeaderId(line, 0, line.slice(0, colon).trimEnd().length);
    if (!copied.has(id) || (id !== headerIds.via && seen.has(id))) continue;
    const value = line.slice(colon + 1).trim();
    if (value === '' || !isSafeText(value)) continue;
    seen.add(id);
    rows.push([id, value]);
  }
  return rows;
}
