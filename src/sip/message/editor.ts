import { UsageError } from '../../base/assert.ts';
import { headerId, headerIds } from './header-names.ts';
import { checkText, isNamed, makeKnownRow, makeRow } from './rows.ts';
import type { Row } from './rows.ts';
import { hasUriUnsafe, isToken, nextComma } from './scan.ts';
import type { MessageEditor, SipMessage } from './types.ts';
import { MessageView, textOfBody } from './view.ts';
import type { MessageContent, ParsedFields } from './view.ts';

/** Records changes on copies of the row list and of the fields already parsed. */
class Editor implements MessageEditor {
  readonly #content: MessageContent;
  readonly #rows: Row[];
  readonly #fields: ParsedFields;
  #method: string;
  #uri: string;
  #bodyText: string;
  #body: Uint8Array | undefined;
  #bodyChanged = false;

  constructor(view: MessageView) {
    this.#content = view.content;
    this.#rows = view.content.rows.slice();
    this.#fields = { ...view.fields };
    this.#method = view.content.method;
    this.#uri = view.content.uri;
    this.#bodyText = view.content.bodyText;
    this.#body = view.content.body;
  }

  setUri(uri: string): this {
    this.#requireRequest();
    if (uri === '' || hasUriUnsafe(uri, 0, uri.length)) throw new UsageError('bad Request-URI');
    this.#uri = uri;
    this.#fields.uri = undefined;
    return this;
  }

  setMethod(method: string): this {
    this.#requireRequest();
    if (!isToken(method)) throw new UsageError('bad method');
    this.#method = method;
    return this;
  }

  set(name: string, value: string): this {
    const row = makeRow(name, value);
    const first = this.#find(row.id, name);
    if (first < 0) this.#rows.push(row);
    else {
      this.#rows[first] = row;
      this.#removeFrom(first + 1, row.id, name);
    }
    return this.#changed(row.id);
  }

  prepend(name: string, value: string): this {
    const row = makeRow(name, value);
    const first = this.#find(row.id, name);
    this.#rows.splice(Math.max(first, 0), 0, row);
    return this.#changed(row.id);
  }

  append(name: string, value: string): this {
    const row = makeRow(name, value);
    let at = this.#rows.length;
    for (let i = at - 1; i >= 0; i--) {
      if (isNamed(this.#rows[i] as Row, row.id, name)) {
        at = i + 1;
        break;
      }
    }
    this.#rows.splice(at, 0, row);
    return this.#changed(row.id);
  }

  remove(name: string): this {
    const id = headerId(name);
    this.#removeFrom(0, id, name);
    return this.#changed(id);
  }

  removeFirstValue(name: string): this {
    return this.#replaceFirst(name, undefined);
  }

  replaceFirstValue(name: string, value: string): this {
    return this.#replaceFirst(name, value);
  }

  setBody(contentType: string | undefined, body: Uint8Array): this {
    if (contentType === undefined) this.remove('Content-Type');
    else this.set('Content-Type', contentType);
    this.#bodyText = textOfBody(body);
    this.#body = body;
    this.#bodyChanged = true;
    return this;
  }

  build(): SipMessage {
    this.#settleLength();
    const { kind, status, reason } = this.#content;
    const view = new MessageView(
      {
        kind,
        method: this.#method,
        uri: this.#uri,
        status,
        reason,
        rows: this.#rows.slice(),
        bodyText: this.#bodyText,
        body: this.#body,
        bytes: undefined,
      },
      { ...this.#fields },
      makeEditor,
    );
    return view as unknown as SipMessage;
  }

  #requireRequest(): void {
    if (this.#content.kind !== 'request') throw new UsageError('a response has no Request-URI');
  }

  #find(id: number, name: string): number {
    for (let i = 0; i < this.#rows.length; i++) {
      if (isNamed(this.#rows[i] as Row, id, name)) return i;
    }
    return -1;
  }

  #removeFrom(from: number, id: number, name: string): void {
    let kept = from;
    for (let i = from; i < this.#rows.length; i++) {
      const row = this.#rows[i] as Row;
      if (!isNamed(row, id, name)) this.#rows[kept++] = row;
    }
    this.#rows.length = kept;
  }

  #replaceFirst(name: string, value: string | undefined): this {
    if (value !== undefined) checkText(value);
    const id = headerId(name);
    const at = this.#find(id, name);
    const row = this.#rows[at];
    if (row === undefined) return this;
    const old = row.value;
    const comma = nextComma(old, 0);
    const rest = comma === old.length ? '' : old.slice(comma + 1).trim();
    if (value === undefined && rest === '') this.#rows.splice(at, 1);
    else {
      const joined = value === undefined ? rest : rest === '' ? value : `${value}, ${rest}`;
      this.#rows[at] = makeKnownRow(id, row.name, joined);
    }
    return this.#changed(id);
  }

  /** Forgets what was parsed from rows of that id. */
  #changed(id: number): this {
    if (id === headerIds.via) this.#fields.via = undefined;
    else if (id === headerIds.from) this.#fields.from = undefined;
    else if (id === headerIds.to) this.#fields.to = undefined;
    else if (id === headerIds.callId) this.#fields.callId = undefined;
    else if (id === headerIds.cseq) this.#fields.cseq = undefined;
    return this;
  }

  /** A rebuilt message always says how long its body is (RFC 3261 §18.3, §20.14). */
  #settleLength(): void {
    const at = this.#find(headerIds.contentLength, 'Content-Length');
    if (at >= 0 && !this.#bodyChanged) return;
    const row = makeKnownRow(
      headerIds.contentLength,
      'Content-Length',
      String(this.#bodyText.length),
    );
    if (at < 0) this.#rows.push(row);
    else this.#rows[at] = row;
  }
}

/** The editor of a message. */
export function makeEditor(view: MessageView): MessageEditor {
  return new Editor(view);
}
