/**
 * Identifiers of the overlay as branded lower-case hexadecimal strings: immutable, usable as map
 * keys, readable in logs; for equal lengths string order is numeric order.
 */
import { sha1 } from './hash.ts';
import { hexDecode, hexEncode, utf8Encode } from './text.ts';
import { assert } from './assert.ts';

declare const brand: unique symbol;

/** A Node-ID: 16 to 20 bytes (32 to 40 digits), `node-id-length` of the configuration. RFC 6940 §3, §10.2. */
export type NodeId = string & { readonly [brand]: 'NodeId' };

/** A Resource-ID: 0 to 254 bytes; 16 bytes in CHORD-RELOAD. RFC 6940 §3, §6.3.2.2. */
export type ResourceId = string & { readonly [brand]: 'ResourceId' };

/** A Kind-ID: unsigned 32 bits. RFC 6940 §7. */
export type KindId = number;

export function nodeIdFromBytes(bytes: Uint8Array): NodeId {
  return hexEncode(bytes) as NodeId;
}

export function resourceIdFromBytes(bytes: Uint8Array): ResourceId {
  return hexEncode(bytes) as ResourceId;
}

/** The raw bytes of an id. */
export function idBytes(id: NodeId | ResourceId): Uint8Array {
  const bytes = hexDecode(id);
  assert(bytes !== undefined, 'an id is hexadecimal');
  return bytes;
}

/** A Node-ID typed by a person: 32 to 40 hexadecimal digits of either case, else `undefined`. */
export function parseNodeId(text: string): NodeId | undefined {
  return /^(?:[0-9a-fA-F]{2}){16,20}$/.test(text) ? (text.toLowerCase() as NodeId) : undefined;
}

/** CHORD-RELOAD's mapping of a Resource Name: the first 16 bytes of SHA-1. RFC 6940 §10.2. */
export function resourceIdOfName(name: Uint8Array | string): ResourceId {
  const bytes = typeof name === 'string' ? utf8Encode(name) : name;
  return hexEncode(sha1(bytes).subarray(0, 16)) as ResourceId;
}
