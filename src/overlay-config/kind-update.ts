/**
 * Kind-blocks that travel alone: a ConfigUpdate of type kind carries the bytes of `<kind-block>`
 * elements, cut out of a document. RFC 6940 §6.5.4, §11.1; A-10.
 */
import { concatBytes } from '../base/bytes.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { utf8Decode, utf8Encode } from '../base/text.ts';
import type { KindParameters } from '../ports/overlay-config.ts';
import type { Xml, XmlElement } from '../ports/xml.ts';
import { checkKindBlockShape } from './grammar.ts';
import { readKindBlock } from './kinds.ts';
import { namespaces } from './names.ts';
import type { KindSignature } from './parse.ts';
import { ConfigRefusal } from './values.ts';

export interface ParsedKindBlock {
  readonly parameters: KindParameters;
  readonly signature: KindSignature;
}

/**
 * Reads one kind-block. Its prefixes are those of `document`, the configuration document in force:
 * a block is a piece of such a document and declares none itself.
 */
export function parseKindBlock(
  block: Uint8Array,
  xml: Xml,
  document: Uint8Array,
): Outcome<ParsedKindBlock> {
  const before = utf8Encode(`<overlay ${declarations(document)}>`);
  const parsed = xml.parse(concatBytes([before, block, utf8Encode('</overlay>')]));
  if (!parsed.ok) return failure(`kind-block: ${parsed.error}`);
  const [element, ...others] = parsed.value.children;
  const alone = others.length === 0 && parsed.value.text === '';
  if (element?.name !== 'kind-block' || element.namespace !== namespaces.base || !alone) {
    return failure('kind-block: the bytes are not exactly one <kind-block>');
  }
  try {
    return success(readAlone(block, element, before.length));
  } catch (error) {
    if (error instanceof ConfigRefusal) return failure(`kind-block: ${error.message}`);
    throw error;
  }
}

function readAlone(block: Uint8Array, whole: XmlElement, shift: number): ParsedKindBlock {
  checkKindBlockShape(whole);
  const { parameters, element, signature } = readKindBlock(whole);
  const signedBytes = block.subarray(element.start - shift, element.end - shift);
  return {
    parameters: { ...parameters, block },
    signature: { kind: parameters.kind, signedBytes, signature },
  };
}

const headBytes = 4096;
const declaration = /\sxmlns(:[A-Za-z_][\w.-]{0,30})\s*=\s*("[^"<]{0,200}"|'[^'<]{0,200}')/g;

/** The base namespace as the default (RFC 6940 §6.5.4.1), and the prefixes that the document declares. */
function declarations(document: Uint8Array): string {
  const head = utf8Decode(document.subarray(0, endOfHead(document))) ?? '';
  const found = new Map<string, string>([
    [':chord', `"${namespaces.chord}"`],
    [':sip', `"${namespaces.sip}"`],
  ]);
  const declared = new Set<string>();
  for (const [, prefix = '', value = ''] of head.matchAll(declaration)) {
    // An outer declaration is the one that most of the document means.
    if (!declared.has(prefix)) found.set(prefix, value);
    declared.add(prefix);
  }
  const prefixes = [...found].map(([prefix, value]) => `xmlns${prefix}=${value}`);
  return [`xmlns="${namespaces.base}"`, ...prefixes].join(' ');
}

/** Behind the second start tag, so that those of the overlay and of the configuration are in. */
function endOfHead(document: Uint8Array): number {
  const greaterThan = 0x3e;
  let end = 0;
  // The XML declaration ends the same way.
  for (let tags = 0; tags < 3; tags++) {
    const next = document.indexOf(greaterThan, end);
    if (next < 0 || next >= headBytes) break;
    end = next + 1;
  }
  return end;
}
