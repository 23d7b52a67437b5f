import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import { latin1Decode } from '../../base/text.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import { makeEditor } from './editor.ts';
import { buildErrorReply } from './error-reply.ts';
import { headerIds, scanHeaderId } from './header-names.ts';
import { parseNameAddr } from './name-addr.ts';
import { Row, isSafeText, makeKnownRow, makeUnfoldedRow } from './rows.ts';
import { hasUriUnsafe, isToken, isTokenCode, parseUnsigned } from './scan.ts';
import type { SipMessage, SipParseError } from './types.ts';
import { parseUri } from './uri.ts';
import { completeVia, parseVia } from './via.ts';
import { MessageView, firstValue, noFields, parseCseq } from './view.ts';
import type { ParsedFields } from './view.ts';

/**
 * Reads one whole message as framed by its transport: a datagram, a WebSocket message, or a piece
 * cut from a stream by its Content-Length. Bytes beyond Content-Length are ignored, a body shorter
 * than it says is an error (RFC 3261 §18.3). Cost is linear in the size.
 *
 * With `source`, the topmost Via of a request is completed with where it came from (RFC 3261
 * §18.2.1, RFC 3581 §4).
 */
export function parseMessage(
  bytes: Uint8Array,
  source?: TransportAddress,
): Outcome<SipMessage, SipParseError> {
  if (bytes.length > limits.sipMessage.headerBytes + limits.sipMessage.bodyBytes) {
    return { ok: false, error: { reason: 'too-large' } };
  }
  const text = latin1Decode(bytes);
  const start = afterLineEnds(text);
  const startLine = readStartLine(text, start);
  if (typeof startLine === 'string') return refused(startLine, text, start);
  const rows = readRows(text, startLine.end);
  if (typeof rows === 'string') return refused(rows, text, start);
  const fields = noFields();
  const problem = readFields(rows.rows, fields) ?? checkAgainstStart(startLine, fields);
  if (problem !== undefined) return refused(problem, text, start);
  const length = contentLength(rows.rows);
  if (typeof length === 'string') return refused(length, text, start);
  const bodyStart = rows.end;
  const bodyEnd = length === undefined ? text.length : bodyStart + length;
  if (bodyEnd > text.length) return refused('short-body', text, start);
  const isCompleted =
    startLine.kind === 'request' &&
    source !== undefined &&
    completeTopVia(rows.rows, fields, source);
  const isWhole = start === 0 && bodyEnd === bytes.length;
  const view = new MessageView(
    {
      kind: startLine.kind,
      method: startLine.method,
      uri: startLine.uri,
      status: startLine.status,
      reason: startLine.reason,
      rows: rows.rows,
      bodyText: bodyEnd === bodyStart ? '' : text.slice(bodyStart, bodyEnd),
      body: undefined,
      bytes: isCompleted ? undefined : isWhole ? bytes : bytes.subarray(start, bodyEnd),
    },
    fields,
    makeEditor,
  );
  return { ok: true, value: view as unknown as SipMessage };
}

/** True when the topmost Via lacked something. */
function completeTopVia(rows: Row[], fields: ParsedFields, source: TransportAddress): boolean {
  const { via } = fields;
  if (via === undefined) return false;
  const complete = completeVia(via, source.address, source.port);
  if (complete === via) return false;
  const at = rows.findIndex(({ id }) => id === headerIds.via);
  const rest = rows[at]?.value.slice(via.raw.length) ?? '';
  rows[at] = makeKnownRow(headerIds.via, 'Via', complete.raw + rest);
  fields.via = complete;
  return true;
}

interface StartLine {
  readonly kind: 'request' | 'response';
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  readonly reason: string;
  /** Position after the line end. */
  readonly end: number;
}

function refused(reason: string, text: string, start: number): Outcome<SipMessage, SipParseError> {
  const reply = buildErrorReply(reason, text, start);
  return { ok: false, error: reply === undefined ? { reason } : { reason, reply } };
}

/** Line ends before the start line are ignored (RFC 3261 §7.5). */
function afterLineEnds(text: string): number {
  let i = 0;
  while (text.charCodeAt(i) === 13 && text.charCodeAt(i + 1) === 10) i += 2;
  return i;
}

function readStartLine(text: string, start: number): StartLine | string {
  const lineEnd = text.indexOf('\r', start);
  if (lineEnd < 0 || text.charCodeAt(lineEnd + 1) !== 10) return 'no-start-line';
  const isResponse =
    text.startsWith('SIP/', start) || text.slice(start, start + 4).toUpperCase() === 'SIP/';
  return isResponse ? readStatusLine(text, start, lineEnd) : readRequestLine(text, start, lineEnd);
}

function readStatusLine(text: string, start: number, lineEnd: number): StartLine | string {
  if (!isVersion(text, start)) return 'bad-version';
  const digits = text.slice(start + 8, start + 11);
  const status = parseUnsigned(digits, 699);
  const afterStatus = text.charCodeAt(start + 11);
  if (digits.length !== 3 || status === undefined || status < 100) return 'bad-status';
  if (start + 11 > lineEnd || (afterStatus !== 32 && start + 11 !== lineEnd)) return 'bad-status';
  const reason = text.slice(Math.min(start + 12, lineEnd), lineEnd);
  if (reason.includes('\n') || reason.includes('\0')) return 'bad-status';
  return { kind: 'response', method: '', uri: '', status, reason, end: lineEnd + 2 };
}

/** `SIP/2.0 ` of either case. */
function isVersion(text: string, at: number): boolean {
  return text.startsWith('SIP/2.0 ', at) || text.slice(at, at + 8).toUpperCase() === 'SIP/2.0 ';
}

/** Exactly one space between the parts and none round them (RFC 3261 §7.1). */
function readRequestLine(text: string, start: number, lineEnd: number): StartLine | string {
  let i = start;
  while (i < lineEnd && isTokenCode(text.charCodeAt(i))) i++;
  if (i === start || text.charCodeAt(i) !== 32) return 'bad-method';
  const method = text.slice(start, i);
  const uriStart = i + 1;
  const versionStart = lineEnd - 7;
  if (text.charCodeAt(versionStart - 1) !== 32 || versionStart - 1 <= uriStart) {
    return isOtherVersion(text.slice(uriStart, lineEnd)) ? 'bad-version' : 'bad-request-line';
  }
  const version = text.slice(versionStart, lineEnd);
  if (version !== 'SIP/2.0' && version.toUpperCase() !== 'SIP/2.0') {
    return isOtherVersion(text.slice(uriStart, lineEnd)) ? 'bad-version' : 'bad-request-line';
  }
  if (hasUriUnsafe(text, uriStart, versionStart - 1)) return 'bad-request-uri';
  const uri = withoutThirdColon(text.slice(uriStart, versionStart - 1));
  return { kind: 'request', method, uri, status: 0, reason: '', end: lineEnd + 2 };
}

function isOtherVersion(rest: string): boolean {
  return /^\S+ SIP\/\d+\.\d+$/i.test(rest);
}

/** RFC 5118 §4.10: `:::` before an embedded IPv4 address, as an old grammar produced it. */
function withoutThirdColon(uri: string): string {
  return uri.includes(':::') ? uri.replace(/:::(?=[\d.]+\])/, '::') : uri;
}

/** Rows up to the empty line, and the position after that; a word when malformed. */
function readRows(text: string, from: number): { rows: Row[]; end: number } | string {
  const rows: Row[] = [];
  let start = from;
  for (;;) {
    let lineEnd = text.indexOf('\r', start);
    if (lineEnd < 0) return 'no-end-of-header';
    if (text.charCodeAt(lineEnd + 1) !== 10) return 'bare-cr';
    if (lineEnd === start) break;
    let folded = false;
    let next = text.charCodeAt(lineEnd + 2);
    while (next === 32 || next === 9) {
      folded = true;
      lineEnd = text.indexOf('\r', lineEnd + 2);
      if (lineEnd < 0) return 'no-end-of-header';
      if (text.charCodeAt(lineEnd + 1) !== 10) return 'bare-cr';
      next = text.charCodeAt(lineEnd + 2);
    }
    if (rows.length === limits.sipMessage.headerRows) return 'too-many-headers';
    const row = readRow(text, start, lineEnd, folded);
    if (row === undefined) return 'bad-header-line';
    rows.push(row);
    start = lineEnd + 2;
  }
  if (start - from > limits.sipMessage.headerBytes) return 'too-large';
  const foreign = foreignControl(text, from, start);
  return foreign ?? { rows, end: start + 2 };
}

/**
 * Bare LF has no place in a header section, and NUL only behind the backslash of a quoted pair
 * (RFC 3261 §25.1), as `isSafeText` has it.
 */
function foreignControl(text: string, from: number, end: number): string | undefined {
  let nul = text.indexOf('\0', from);
  while (nul >= 0 && nul < end) {
    if (text.charCodeAt(nul - 1) !== 0x5c) return 'nul-in-header';
    nul = text.indexOf('\0', nul + 1);
  }
  let lf = text.indexOf('\n', from);
  while (lf >= 0 && lf < end) {
    if (text.charCodeAt(lf - 1) !== 13) return 'bare-lf';
    lf = text.indexOf('\n', lf + 1);
  }
  return undefined;
}

function readRow(text: string, start: number, lineEnd: number, folded: boolean): Row | undefined {
  const colon = text.indexOf(':', start);
  if (colon <= start || colon > lineEnd) return undefined;
  let nameEnd = colon;
  while (nameEnd > start && isBlank(text.charCodeAt(nameEnd - 1))) nameEnd--;
  const id = scanHeaderId(text, start, nameEnd);
  if (id === 0 && !isToken(text.slice(start, nameEnd))) return undefined;
  if (folded) {
    const value = text.slice(colon + 1, lineEnd).replace(/\r\n[ \t]+/g, ' ');
    if (!isSafeText(value)) return undefined;
    return makeUnfoldedRow(text.slice(start, nameEnd), value.trim());
  }
  let valueStart = colon + 1;
  while (valueStart < lineEnd && isBlank(text.charCodeAt(valueStart))) valueStart++;
  let valueEnd = lineEnd;
  while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
  return new Row(id, text, start, nameEnd, valueStart, valueEnd, lineEnd + 2);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9 || code === 13 || code === 10;
}

/** Reads the mandatory fields; a word when one is missing, doubled or malformed. RFC 3261 §8.1.1. */
function readFields(rows: readonly Row[], fields: ParsedFields): string | undefined {
  let maxForwards = 0;
  for (const row of rows) {
    switch (row.id) {
      case headerIds.via: {
        if (fields.via !== undefined) break;
        const via = parseVia(firstValue(row.value));
        if (!via.ok) return via.error;
        fields.via = via.value;
        break;
      }
      case headerIds.from:
      case headerIds.to: {
        const name = row.id === headerIds.from ? 'from' : 'to';
        if (fields[name] !== undefined) return `doubled-${name}`;
        const parsed = parseNameAddr(row.value);
        if (!parsed.ok) return `${name}-${parsed.error}`;
        fields[name] = parsed.value;
        break;
      }
      case headerIds.callId:
        if (fields.callId !== undefined) return 'doubled-call-id';
        if (row.value === '') return 'bad-call-id';
        fields.callId = row.value;
        break;
      case headerIds.cseq: {
        if (fields.cseq !== undefined) return 'doubled-cseq';
        const cseq = parseCseq(row.value);
        if (!cseq.ok) return cseq.error;
        fields.cseq = cseq.value;
        break;
      }
      case headerIds.maxForwards:
        if (++maxForwards > 1) return 'doubled-max-forwards';
        break;
      default:
        break;
    }
  }
  if (fields.via === undefined) return 'no-via';
  if (fields.from === undefined) return 'no-from';
  if (fields.to === undefined) return 'no-to';
  if (fields.callId === undefined) return 'no-call-id';
  return fields.cseq === undefined ? 'no-cseq' : undefined;
}

function checkAgainstStart(startLine: StartLine, fields: ParsedFields): string | undefined {
  if (startLine.kind === 'response') return undefined;
  if (fields.cseq?.method !== startLine.method) return 'method-mismatch';
  const uri = parseUri(startLine.uri);
  fields.uri = uri;
  if (!uri.ok) return 'bad-request-uri';
  return uri.value.headers === undefined ? undefined : 'request-uri-with-headers';
}

/** The one value of Content-Length, `undefined` without the field; a word when malformed or contradictory. */
function contentLength(rows: readonly Row[]): number | string | undefined {
  let found: number | undefined;
  for (const row of rows) {
    if (row.id !== headerIds.contentLength) continue;
    const length = parseUnsigned(row.value, limits.sipMessage.bodyBytes);
    if (length === undefined) return 'bad-content-length';
    if (found !== undefined && found !== length) return 'contradictory-content-length';
    found = length;
  }
  return found;
}
