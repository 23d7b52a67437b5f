/**
 * Header names known to the core, as small integers. Recognising a name in received text takes one
 * table look-up and one comparison, without making a string.
 */

/** Identifiers of header fields the core itself works with. */
export const headerIds = {
  via: 1,
  from: 2,
  to: 3,
  callId: 4,
  cseq: 5,
  contentLength: 6,
  contentType: 7,
  maxForwards: 8,
  recordRoute: 9,
  timestamp: 10,
} as const;

/** Long form, optional compact form; ids follow the order, the first ones are {@link headerIds}. */
const names: readonly (readonly [long: string, compact?: string])[] = [
  ['Via', 'v'],
  ['From', 'f'],
  ['To', 't'],
  ['Call-ID', 'i'],
  ['CSeq'],
  ['Content-Length', 'l'],
  ['Content-Type', 'c'],
  ['Max-Forwards'],
  ['Record-Route'],
  ['Timestamp'],
  ['Contact', 'm'],
  ['Route'],
  ['Expires'],
  ['Authorization'],
  ['Proxy-Authorization'],
  ['WWW-Authenticate'],
  ['Proxy-Authenticate'],
  ['Authentication-Info'],
  ['Supported', 'k'],
  ['Require'],
  ['Proxy-Require'],
  ['Unsupported'],
  ['Allow'],
  ['Accept'],
  ['Accept-Encoding'],
  ['Accept-Language'],
  ['Accept-Contact', 'a'],
  ['Reject-Contact', 'j'],
  ['Request-Disposition', 'd'],
  ['Alert-Info'],
  ['Allow-Events', 'u'],
  ['Event', 'o'],
  ['Subscription-State'],
  ['User-Agent'],
  ['Server'],
  ['Subject', 's'],
  ['Content-Encoding', 'e'],
  ['Content-Disposition'],
  ['Content-Language'],
  ['MIME-Version'],
  ['Date'],
  ['Warning'],
  ['Retry-After'],
  ['Min-Expires'],
  ['Path'],
  ['Service-Route'],
  ['Reason'],
  ['Replaces'],
  ['Refer-To', 'r'],
  ['Referred-By', 'b'],
  ['Session-Expires', 'x'],
  ['Min-SE'],
  ['RSeq'],
  ['RAck'],
  ['Privacy'],
  ['P-Asserted-Identity'],
  ['P-Preferred-Identity'],
  ['Identity', 'y'],
  ['History-Info'],
  ['Diversion'],
  ['Max-Breadth'],
  ['Flow-Timer'],
  ['Organization'],
  ['Priority'],
  ['In-Reply-To'],
  ['Reply-To'],
  ['Error-Info'],
  ['Call-Info'],
  ['Join'],
];

interface Entry {
  readonly lower: string;
  readonly id: number;
  /** The next entry with the same slot. */
  readonly next: Entry | undefined;
}

const slots: (Entry | undefined)[] = new Array<Entry | undefined>(1 << 12).fill(undefined);
const idByName = new Map<string, number>();
const longNames: string[] = [''];

function slotOf(length: number, first: number, last: number): number {
  return ((length & 15) << 8) ^ ((first & 31) << 4) ^ (last & 31);
}

function enter(name: string, id: number): void {
  const lower = name.toLowerCase();
  const slot = slotOf(lower.length, lower.charCodeAt(0), lower.charCodeAt(lower.length - 1));
  slots[slot] = { lower, id, next: slots[slot] };
  idByName.set(name, id);
  idByName.set(lower, id);
}

for (const [long, compact] of names) {
  const id = longNames.push(long) - 1;
  enter(long, id);
  if (compact !== undefined) enter(compact, id);
}

/** The id of `text[start, end)`, or 0 when it is no name the core knows. */
export function scanHeaderId(text: string, start: number, end: number): number {
  const length = end - start;
  if (length === 0) return 0;
  let entry = slots[slotOf(length, text.charCodeAt(start), text.charCodeAt(end - 1))];
  while (entry !== undefined) {
    if (entry.lower.length === length && matches(text, start, entry.lower)) return entry.id;
    entry = entry.next;
  }
  return 0;
}

function matches(text: string, start: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    let code = text.charCodeAt(start + i);
    if (code >= 65 && code <= 90) code += 32;
    if (code !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** The id of a name given by our own code, or 0. */
export function headerId(name: string): number {
  return idByName.get(name) ?? scanHeaderId(name, 0, name.length);
}

/** The long form for a known id. */
export function longHeaderName(id: number): string {
  return longNames[id] ?? '';
}
