/** Reading DER, as much as certificates and requests need (X.690 §8, §10). Never throws on foreign bytes. */

export interface DerElement {
  /** Identifier octet; tags above 30 are refused. */
  readonly tag: number;
  /** Where the element starts and ends in the input, header included. */
  readonly start: number;
  readonly end: number;
  /** The contents, a view of the input. */
  readonly contents: Uint8Array;
}

export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The element at `offset`; `undefined` when it is malformed or runs beyond the bytes. */
export function derElement(bytes: Uint8Array, offset = 0): DerElement | undefined {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  let length = first;
  let start = offset + 2;
  if (first >= 0x80) {
    const lengthBytes = first & 0x7f;
    if (lengthBytes === 0 || lengthBytes > 3) return undefined;
    length = 0;
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[start + i] ?? 0);
    start += lengthBytes;
  }
  const end = start + length;
  if (end > bytes.length) return undefined;
  return { tag, start: offset, end, contents: bytes.subarray(start, end) };
}

/** The elements inside `contents`, at most `limit`; `undefined` when malformed or too many. */
export function derChildren(contents: Uint8Array, limit = 256): DerElement[] | undefined {
  const children: DerElement[] = [];
  let offset = 0;
  while (offset < contents.length) {
    const child = derElement(contents, offset);
    if (child === undefined || children.length === limit) return undefined;
    children.push(child);
    offset = child.end;
  }
  return children;
}

/** The children of the first element when it is a constructed one with that tag and fills the bytes. */
export function derUnwrap(bytes: Uint8Array, tag: number): DerElement[] | undefined {
  const outer = derElement(bytes);
  if (outer?.tag !== tag || outer.end !== bytes.length) return undefined;
  return derChildren(outer.contents);
}

/** Dotted form of an object identifier's contents. */
export function oidText(contents: Uint8Array): string {
  const arcs: number[] = [];
  let value = 0;
  for (const byte of contents) {
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(value / 40));
      arcs.push(root, value - root * 40);
    } else {
      arcs.push(value);
    }
    value = 0;
  }
  return arcs.join('.');
}

/** The subject of a certificate, a whole DER element; `undefined` when malformed. */
export function certificateSubjectDer(der: Uint8Array): Uint8Array | undefined {
  const tbs = derUnwrap(der, derTag.sequence)?.[0];
  const fields = tbs === undefined ? undefined : derChildren(tbs.contents);
  const subject = fields?.[fields[0]?.tag === 0xa0 ? 5 : 4];
  return subject === undefined ? undefined : tbs?.contents.subarray(subject.start, subject.end);
}
