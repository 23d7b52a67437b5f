/**
 * The few lines of a SIP message that an edge hop changes, as text. Everything else is for the codec of
 * the core; nothing here looks further than the head.
 */

/** Start line and header fields of one message, and what follows them. */
export interface SipHead {
  start: string;
  /** Whole header fields, continuation lines included, in order. */
  readonly fields: string[];
  /** From the blank line to the end. */
  readonly body: Uint8Array;
}

const fieldEnd = '\r\n';

/** `undefined` when there is no start line or no blank line. */
export function readHead(bytes: Uint8Array): SipHead | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = buffer.indexOf('\r\n\r\n');
  if (end <= 0) return undefined;
  const [start = '', ...lines] = buffer.toString('latin1', 0, end).split(fieldEnd);
  const fields: string[] = [];
  for (const line of lines) {
    const isContinued = line.startsWith(' ') || line.startsWith('\t');
    if (isContinued && fields.length > 0) fields.push(`${fields.pop() ?? ''}${fieldEnd}${line}`);
    else fields.push(line);
  }
  return start === '' ? undefined : { start, fields, body: buffer.subarray(end + 4) };
}

export function writeHead({ start, fields, body }: SipHead): Uint8Array {
  const head = Buffer.from([start, ...fields, '', ''].join(fieldEnd), 'latin1');
  return body.length === 0 ? head : Buffer.concat([head, body]);
}

export function isResponse(head: SipHead): boolean {
  return head.start.startsWith('SIP/2.0 ');
}

/** Method of a request, `` for a response. */
export function methodOf(head: SipHead): string {
  return isResponse(head) ? '' : head.start.slice(0, Math.max(0, head.start.indexOf(' ')));
}

/** Request-URI; `` where the start line is not one of a request. */
export function uriOf(head: SipHead): string {
  return isResponse(head) ? '' : (head.start.split(' ')[1] ?? '');
}

/** Position of the first field with that name (lower case, long form), -1 when there is none. */
export function indexOf(head: SipHead, name: string): number {
  return head.fields.findIndex((field) => nameOf(field) === name);
}

/** Value of the first field with that name, unfolded. */
export function valueOf(head: SipHead, name: string): string | undefined {
  const field = head.fields[indexOf(head, name)];
  return field === undefined ? undefined : valueIn(field);
}

/** Values of the first field with that name, one for each entry of its list. */
export function listOf(head: SipHead, name: string): string[] {
  const value = valueOf(head, name);
  return value === undefined ? [] : splitList(value);
}

/** All entries of all fields with that name. */
export function allOf(head: SipHead, name: string): string[] {
  return head.fields
    .filter((field) => nameOf(field) === name)
    .flatMap((f) => splitList(valueIn(f)));
}

/** Puts these entries where the first field of that name was (else first), one field each. */
export function replaceAll(
  head: SipHead,
  name: string,
  shown: string,
  entries: readonly string[],
): void {
  const kept = head.fields.filter((field) => nameOf(field) !== name);
  const at = Math.max(0, indexOf(head, name));
  kept.splice(Math.min(at, kept.length), 0, ...entries.map((entry) => `${shown}: ${entry}`));
  head.fields.splice(0, head.fields.length, ...kept);
}

/** Takes all fields of that name away; what they said. */
export function remove(head: SipHead, name: string): string[] {
  const removed = head.fields.filter((field) => nameOf(field) === name);
  if (removed.length > 0) {
    const kept = head.fields.filter((field) => nameOf(field) !== name);
    head.fields.splice(0, head.fields.length, ...kept);
  }
  return removed.map(valueIn);
}

/** The parameter of a Via, Route or To entry, `` when it has no value, `undefined` when absent. */
export function paramOf(entry: string, name: string): string | undefined {
  const params = entry.slice(entry.lastIndexOf('>') + 1).split(';');
  for (const param of params.slice(1)) {
    const [key = '', value = ''] = param.split('=', 2);
    if (key.trim().toLowerCase() === name) return value.trim();
  }
  return undefined;
}

/** The URI of a Route or Record-Route entry. */
export function uriIn(entry: string): string {
  const open = entry.indexOf('<');
  const close = entry.indexOf('>', open);
  return open >= 0 && close > open ? entry.slice(open + 1, close) : entry;
}

function nameOf(field: string): string {
  const name = field
    .slice(0, Math.max(0, field.indexOf(':')))
    .trim()
    .toLowerCase();
  return compact[name] ?? name;
}

const compact: Readonly<Record<string, string>> = {
  f: 'from',
  i: 'call-id',
  k: 'supported',
  t: 'to',
  v: 'via',
};

function valueIn(field: string): string {
  return field
    .slice(field.indexOf(':') + 1)
    .replaceAll(/\r\n[ \t]/g, ' ')
    .trim();
}

/** Commas inside quotes and angle brackets do not separate. */
function splitList(value: string): string[] {
  const entries: string[] = [];
  let from = 0;
  let quoted = false;
  let depth = 0;
  for (let i = 0; i < value.length; i++) {
    const c = value[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '<') depth++;
    else if (c === '>') depth = 0;
    else if (c === ',' && depth === 0) {
      entries.push(value.slice(from, i).trim());
      from = i + 1;
    }
  }
  entries.push(value.slice(from).trim());
  return entries.filter((entry) => entry !== '');
}
