import type { Outcome } from '../base/outcome.ts';

/** XML parsing without entities and DTDs; offsets are into the input bytes. */
export interface Xml {
  parse(document: Uint8Array): Outcome<XmlElement>;
}

export interface XmlElement {
  /** Local name without prefix. */
  readonly name: string;
  /** Namespace URI; empty when none. */
  readonly namespace: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly XmlElement[];
  /** Character data directly inside this element, concatenated, not trimmed. */
  readonly text: string;
  /** Byte offset of the `<` of the start tag. */
  readonly start: number;
  /** Byte offset after the `>` of the end tag. */
  readonly end: number;
}

export interface XmlAttribute {
  readonly name: string;
  readonly namespace: string;
  readonly value: string;
}
