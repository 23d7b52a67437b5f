import { UsageError } from '../../base/assert.ts';
import { emptyBytes } from '../../base/bytes.ts';
import type { Outcome } from '../../base/outcome.ts';
import { limits } from '../../base/limits.ts';
import { latin1Decode, latin1Encode } from '../../base/text.ts';
import { headerId, headerIds } from './header-names.ts';
import { parseNameAddr } from './name-addr.ts';
import type { NameAddr } from './name-addr.ts';
import { isNamed } from './rows.ts';
import type { Row } from './rows.ts';
import { nextComma, parseUnsigned, skipSpace, splitValues } from './scan.ts';
import type { CSeq, MessageEditor, SipRequest, SipResponse } from './types.ts';
import { parseUri } from './uri.ts';
import type { SipUri } from './uri.ts';
import { parseVia } from './via.ts';
import type { Via } from './via.ts';

/** Everything a message is made of. */
export interface MessageContent {
  readonly kind: 'request' | 'response';
  /** Empty in a response. */
  readonly method: string;
  readonly uri: string;
  /** 0 in a request. */
  readonly status: number;
  readonly reason: string;
  readonly rows: readonly Row[];
  /** The body as latin1 text. */
  readonly bodyText: string;
  /** The same as bytes, where at hand. */
  readonly body: Uint8Array | undefined;
  /** The whole message as bytes, where at hand. */
  readonly bytes: Uint8Array | undefined;
}

/** Parsed fields, filled by the parser or on first use, handed on to edited copies. */
export interface ParsedFields {
  via: Via | undefined;
  from: NameAddr | undefined;
  to: NameAddr | undefined;
  callId: string | undefined;
  cseq: CSeq | undefined;
  uri: Outcome<SipUri> | undefined;
}

export function noFields(): ParsedFields {
  return {
    via: undefined,
    from: undefined,
    to: undefined,
    callId: undefined,
    cseq: undefined,
    uri: undefined,
  };
}

/** Makes the editor of a message; handed in, because editor and message refer to each other. */
export type EditorFactory = (view: MessageView) => MessageEditor;

/** The one implementation of requests and responses; a class, since speed here is decisive. */
export class MessageView {
  readonly content: MessageContent;
  readonly fields: ParsedFields;
  readonly #makeEditor: EditorFactory;
  #body: Uint8Array | undefined;
  #bytes: Uint8Array | undefined;

  constructor(content: MessageContent, fields: ParsedFields, makeEditor: EditorFactory) {
    this.content = content;
    this.fields = fields;
    this.#makeEditor = makeEditor;
    this.#body = content.body;
    this.#bytes = content.bytes;
  }

  get kind(): 'request' | 'response' {
    return this.content.kind;
  }
  get method(): string {
    return this.content.method;
  }
  get uri(): string {
    return this.content.uri;
  }
  get status(): number {
    return this.content.status;
  }
  get reason(): string {
    return this.content.reason;
  }
  get parsedUri(): Outcome<SipUri> {
    return (this.fields.uri ??= parseUri(this.content.uri));
  }
  get inDialog(): boolean {
    return this.to.tag !== undefined;
  }

  get via(): Via {
    return (this.fields.via ??= must(parseVia(firstValue(this.#mustRow(headerIds.via).value))));
  }
  get from(): NameAddr {
    return (this.fields.from ??= must(parseNameAddr(this.#mustRow(headerIds.from).value)));
  }
  get to(): NameAddr {
    return (this.fields.to ??= must(parseNameAddr(this.#mustRow(headerIds.to).value)));
  }
  get callId(): string {
    return (this.fields.callId ??= this.#mustRow(headerIds.callId).value);
  }
  get cseq(): CSeq {
    return (this.fields.cseq ??= must(parseCseq(this.#mustRow(headerIds.cseq).value)));
  }
  get body(): Uint8Array {
    return (this.#body ??=
      this.content.bodyText === '' ? emptyBytes : latin1Encode(this.content.bodyText));
  }

  header(name: string): string | undefined {
    const id = headerId(name);
    for (const row of this.content.rows) if (isNamed(row, id, name)) return row.value;
    return undefined;
  }

  rows(name: string): readonly string[] {
    const id = headerId(name);
    const found: string[] = [];
    for (const row of this.content.rows) if (isNamed(row, id, name)) found.push(row.value);
    return found;
  }

  values(name: string): readonly string[] {
    const id = headerId(name);
    const found: string[] = [];
    for (const row of this.content.rows) {
      if (isNamed(row, id, name)) splitValues(row.value, found, limits.sipMessage.headerValues);
    }
    return found;
  }

  has(name: string): boolean {
    const id = headerId(name);
    for (const row of this.content.rows) if (isNamed(row, id, name)) return true;
    return false;
  }

  *allRows(): Iterable<readonly [name: string, value: string]> {
    for (const row of this.content.rows) yield [row.name, row.value];
  }

  edit(): MessageEditor {
    return this.#makeEditor(this);
  }

  toBytes(): Uint8Array {
    return (this.#bytes ??= latin1Encode(serialize(this.content)));
  }

  #mustRow(id: number): Row {
    for (const row of this.content.rows) if (row.id === id) return row;
    throw new UsageError('a mandatory header field was removed from this message');
  }
}

/** The union types that users see; the class has the fields of both. */
export function asRequest(view: MessageView): SipRequest {
  return view as unknown as SipRequest;
}
export function asResponse(view: MessageView): SipResponse {
  return view as unknown as SipResponse;
}

/** The first of the comma-separated values of a row. */
export function firstValue(value: string): string {
  const comma = nextComma(value, 0);
  return comma === value.length ? value : value.slice(0, comma).trim();
}

/** Reads `number method`; the number must fit 32 bits unsigned (RFC 3261 §20.16). */
export function parseCseq(value: string): Outcome<CSeq> {
  let i = 0;
  while (value.charCodeAt(i) >= 48 && value.charCodeAt(i) <= 57) i++;
  const number = parseUnsigned(value.slice(0, i), 0xffff_ffff);
  const methodStart = skipSpace(value, i);
  if (number === undefined || methodStart === i || methodStart === value.length) {
    return { ok: false, error: 'bad-cseq' };
  }
  return { ok: true, value: { number, method: value.slice(methodStart) } };
}

function must<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new UsageError(`this message was given a bad field: ${outcome.error}`);
  return outcome.value;
}

/** Rows that stand side by side in one text are copied as one piece. */
function serialize(content: MessageContent): string {
  let text =
    content.kind === 'request'
      ? `${content.method} ${content.uri} SIP/2.0\r\n`
      : `SIP/2.0 ${String(content.status)} ${content.reason}\r\n`;
  let source = '';
  let start = 0;
  let end = 0;
  for (const row of content.rows) {
    if (row.start === end && row.source === source) {
      end = row.end;
      continue;
    }
    if (end > start) text += source.slice(start, end);
    ({ source, start, end } = row);
  }
  if (end > start) text += source.slice(start, end);
  return `${text}\r\n${content.bodyText}`;
}

export function textOfBody(body: Uint8Array): string {
  return body.length === 0 ? '' : latin1Decode(body);
}
