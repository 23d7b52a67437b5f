/** Writing DER with node-forge's ASN.1 objects. */
import forge from 'node-forge';
import { latin1Decode, latin1Encode, utf8Encode } from '../base/text.ts';

const { asn1 } = forge;
const { Class, Type } = asn1;
/** node-forge types the tag as an enumeration of universal tags; context-specific ones are any number. */
const createTagged: (
  tagClass: forge.asn1.Class,
  tag: number,
  constructed: boolean,
  value: DerNode[] | string,
) => DerNode = asn1.create;

/** A piece of DER not yet serialised. */
export type DerNode = forge.asn1.Asn1;

export function toDer(node: DerNode): Uint8Array {
  return new Uint8Array(latin1Encode(asn1.toDer(node).getBytes()));
}

/** DER from elsewhere, kept byte for byte. Throws when it is malformed. */
export function embedded(der: Uint8Array): DerNode {
  const options = { strict: true, parseAllBytes: true, decodeBitStrings: false };
  return asn1.fromDer(latin1Decode(der), options as unknown as boolean);
}

export function sequence(children: readonly DerNode[]): DerNode {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...children]);
}

export function setOf(children: readonly DerNode[]): DerNode {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, [...children]);
}

/** An explicit context-specific tag around the children. */
export function contextConstructed(tag: number, children: readonly DerNode[]): DerNode {
  return createTagged(Class.CONTEXT_SPECIFIC, tag, true, [...children]);
}

/** An implicitly tagged IA5String, as in GeneralName (RFC 5280 §4.2.1.6). */
export function contextString(tag: number, text: string): DerNode {
  return createTagged(Class.CONTEXT_SPECIFIC, tag, false, text);
}

/** Big-endian two's complement bytes. */
export function integer(bytes: Uint8Array): DerNode {
  return primitive(Type.INTEGER, latin1Decode(bytes));
}

export function boolean(value: boolean): DerNode {
  return primitive(Type.BOOLEAN, value ? '\u00ff' : '\u0000');
}

export function nullValue(): DerNode {
  return primitive(Type.NULL, '');
}

export function octetString(bytes: Uint8Array): DerNode {
  return primitive(Type.OCTETSTRING, latin1Decode(bytes));
}

export function bitString(bytes: Uint8Array, unusedBits: number): DerNode {
  return primitive(Type.BITSTRING, String.fromCharCode(unusedBits) + latin1Decode(bytes));
}

export function utf8String(text: string): DerNode {
  return primitive(Type.UTF8, latin1Decode(utf8Encode(text)));
}

/** Dotted object identifier. */
export function oid(dotted: string): DerNode {
  return primitive(Type.OID, asn1.oidToDer(dotted).getBytes());
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 §4.1.2.5); whole seconds. */
export function time(epochMs: number): DerNode {
  const date = new Date(epochMs);
  return date.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}

function primitive(type: forge.asn1.Type, contents: string): DerNode {
  return asn1.create(Class.UNIVERSAL, type, false, contents);
}
