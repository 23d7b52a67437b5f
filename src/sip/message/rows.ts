import { UsageError } from '../../base/assert.ts';
import { headerId, longHeaderName, scanHeaderId } from './header-names.ts';
import { isToken } from './scan.ts';

/**
 * One header row: a slice of the text it came in or was built in. Rows are never changed, so a
 * message and its edited copies share them.
 */
export class Row {
  /** Known header id, or 0. */
  readonly id: number;
  /** Text that holds the whole row in [start, end), line end included, unfolded. */
  readonly source: string;
  readonly start: number;
  readonly nameEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly end: number;
  #value: string | undefined = undefined;

  constructor(
    id: number,
    source: string,
    start: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    end: number,
  ) {
    this.id = id;
    this.source = source;
    this.start = start;
    this.nameEnd = nameEnd;
    this.valueStart = valueStart;
    this.valueEnd = valueEnd;
    this.end = end;
  }

  get value(): string {
    return (this.#value ??= this.source.slice(this.valueStart, this.valueEnd));
  }

  get name(): string {
    return this.source.slice(this.start, this.nameEnd);
  }
}

/** A name to look rows up by: a known id, or lower-case text. */
export function isNamed(row: Row, id: number, name: string): boolean {
  if (id !== 0 || row.id !== 0) return row.id === id;
  return row.nameEnd - row.start === name.length && row.name.toLowerCase() === name.toLowerCase();
}

/** Builds a row from our own name and value; throws {@link UsageError} when either would break the message. */
export function makeRow(name: string, value: string): Row {
  const id = headerId(name);
  if (id === 0 && !isToken(name)) throw new UsageError('header name is no token');
  return makeKnownRow(id, id === 0 ? name : longHeaderName(id), value);
}

/** As {@link makeRow} with a name that is known to be good. */
export function makeKnownRow(id: number, name: string, value: string): Row {
  checkText(value);
  const source = `${name}: ${value}\r\n`;
  const valueStart = name.length + 2;
  const valueEnd = source.length - 2;
  return new Row(id, source, 0, name.length, valueStart, valueEnd, source.length);
}

/** A received row that was folded, as one line. `name` and `value` hold no line end. */
export function makeUnfoldedRow(name: string, value: string): Row {
  return makeKnownRow(scanHeaderId(name, 0, name.length), name, value);
}

/** Throws {@link UsageError} where {@link isSafeText} is false. */
export function checkText(text: string): void {
  if (!isSafeText(text)) {
    throw new UsageError('SIP text holds CR, LF, NUL or a character above U+00FF');
  }
}

/**
 * True for text without CR, LF, NUL and characters above U+00FF. A NUL behind a backslash passes, so
 * that a quoted pair that was received can be copied (RFC 4475 §3.1.1.2).
 */
export function isSafeText(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 13 || code === 10 || code > 255) return false;
    if (code === 0 && text.charCodeAt(i - 1) !== 0x5c) return false;
  }
  return true;
}
