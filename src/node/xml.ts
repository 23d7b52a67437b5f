/** The Xml port on `saxes`: namespaces on, document types and entities refused, everything bounded. */
import { SaxesParser } from 'saxes';
import type { SaxesTagNS } from 'saxes';

import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { utf8Decode } from '../base/text.ts';
import type { Xml, XmlAttribute, XmlElement } from '../ports/xml.ts';

/** Parses UTF-8 documents up to `limits.xml`; an error says what was refused and, where known, the line. */
export function createXml(): Xml {
  return { parse: parseXml };
}

interface OpenElement {
  readonly name: string;
  readonly namespace: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: XmlElement[];
  readonly text: string[];
  readonly start: number;
}

class XmlRefusal extends Error {}

function parseXml(document: Uint8Array): Outcome<XmlElement> {
  const bounds = limits.xml;
  if (document.length > bounds.documentBytes) {
    return failure(`the document is larger than ${bounds.documentBytes} bytes`);
  }
  const text = utf8Decode(document);
  if (text === undefined) return failure('the document is not UTF-8');
  const byteOffset = createByteOffsets(text, document.length);

  const parser = new SaxesParser({ xmlns: true });
  const open: OpenElement[] = [];
  let root: XmlElement | undefined;
  let elements = 0;

  parser.on('error', (error) => {
    throw new XmlRefusal(error.message);
  });
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding !== undefined && encoding.toUpperCase() !== 'UTF-8') {
      throw new XmlRefusal('the encoding declaration names something other than UTF-8');
    }
  });
  parser.on('doctype', () => {
    throw new XmlRefusal('a document type declaration is not allowed');
  });
  parser.on('opentag', (tag) => {
    elements++;
    if (elements > bounds.elements) throw new XmlRefusal(`more than ${bounds.elements} elements`);
    if (open.length >= bounds.depth) {
      throw new XmlRefusal(`elements nested deeper than ${bounds.depth}`);
    }
    // No '<' can stand inside a start tag, so the last one before its end begins it.
    const start = text.lastIndexOf('<', parser.position - 1);
    open.push(openElement(tag, byteOffset(start)));
  });
  const addText = (piece: string): void => {
    open.at(-1)?.text.push(piece);
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const { text: pieces, ...rest } = open.pop() as OpenElement;
    const element = { ...rest, text: pieces.join(''), end: byteOffset(parser.position) };
    const parent = open.at(-1);
    if (parent === undefined) root = element;
    else parent.children.push(element);
  });

  try {
    parser.write(text).close();
  } catch (error) {
    if (error instanceof XmlRefusal) return failure(error.message);
    throw error;
  }
  return root === undefined ? failure('the document has no element') : success(root);
}

function openElement(tag: SaxesTagNS, start: number): OpenElement {
  const attributes: XmlAttribute[] = [];
  for (const attribute of Object.values(tag.attributes)) {
    if (attributes.length >= limits.xml.attributesPerElement) {
      throw new XmlRefusal(
        `more than ${limits.xml.attributesPerElement} attributes on <${tag.name}>`,
      );
    }
    const { local, prefix, uri, value } = attribute;
    if (prefix === 'xmlns' || (prefix === '' && local === 'xmlns')) continue;
    attributes.push({ name: local, namespace: uri, value });
  }
  return { name: tag.local, namespace: tag.uri, attributes, children: [], text: [], start };
}

/** Maps growing UTF-16 positions to UTF-8 byte offsets in one pass over the text. */
function createByteOffsets(text: string, byteLength: number): (position: number) => number {
  if (text.length === byteLength) return (position) => position;
  let unit = 0;
  let byte = 0;
  return (position) => {
    for (; unit < position; unit++) {
      const code = text.charCodeAt(unit);
      if (code < 0x80) byte += 1;
      else if (code < 0x800) byte += 2;
      // Each half of a surrogate pair stands for two of its four bytes.
      else byte += code >= 0xd800 && code <= 0xdfff ? 2 : 3;
    }
    return byte;
  };
}
