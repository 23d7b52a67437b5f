/**
 * Watches the bytes of simulated connections: messages, bytes, the ways of Fetches, and messages
 * that come back to a node they have passed. Reads the few header fields it needs and nothing else.
 */
import type { NodeId } from '../base/ids.ts';
import { idBytes } from '../base/ids.ts';
import { ackFrameLength, dataFrameHeaderLength, frameTypes } from '../wire/reload/framing.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';

export interface MessageMeter {
  /** Bytes that leave for the node; whole frames, as links send them. */
  measure(bytes: Uint8Array, to: NodeId): void;
  readonly messages: number;
  readonly bytes: number;
  /** Links over which each FetchReq has gone, by transaction id. */
  readonly fetchForwards: Map<bigint, number>;
  /** Messages sent to a node that is in their Via List already. RFC 6940 §6.1.2. */
  readonly revisits: number;
  /** Messages sent to a node that is in their Via List three times or more. */
  readonly circles: number;
  /** Entries of the longest Via List. */
  readonly longestWay: number;
}

/** Bytes of the forwarding header before its lists, and of a Via List entry that names a node (§6.3.2). */
const fixedHeaderBytes = 38;
const nodeEntryBytes = 18;
const nodeEntryType = 1;

export function createMessageMeter(): MessageMeter {
  const fetchForwards = new Map<bigint, number>();
  const idsAsBytes = new Map<NodeId, Uint8Array>();
  let messages = 0;
  let total = 0;
  let revisits = 0;
  let circles = 0;
  let longestWay = 0;

  function measure(bytes: Uint8Array, to: NodeId): void {
    total += bytes.length;
    if (bytes[0] === frameTypes.ack && bytes.length === ackFrameLength) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at < bytes.length) {
      if (bytes[at] === frameTypes.ack) {
        at += ackFrameLength;
      } else if (bytes[at] === frameTypes.data && at + dataFrameHeaderLength <= bytes.length) {
        const length = view.getUint32(at + 4) & 0xff_ffff;
        messages++;
        look(bytes, view, at + dataFrameHeaderLength, length, to);
        at += dataFrameHeaderLength + length;
      } else {
        return;
      }
    }
  }

  function look(bytes: Uint8Array, view: DataView, at: number, length: number, to: NodeId): void {
    if (length < fixedHeaderBytes || at + length > view.byteLength) return;
    const viaLength = view.getUint16(at + 32);
    const lists = viaLength + view.getUint16(at + 34) + view.getUint16(at + 36);
    const codeAt = fixedHeaderBytes + lists;
    if (codeAt + 2 > length) return;
    if (viaLength > 0) {
      const visits = visitsOf(bytes, at + fixedHeaderBytes, viaLength, to);
      if (visits > 0) revisits++;
      if (visits > 2) circles++;
      longestWay = Math.max(longestWay, viaLength / nodeEntryBytes);
    }
    if (view.getUint16(at + codeAt) !== messageCodes.fetchReq) return;
    const transaction = view.getBigUint64(at + 20);
    fetchForwards.set(transaction, (fetchForwards.get(transaction) ?? 0) + 1);
  }

  /** How often the node is in the Via List; entries that name no node end the search. */
  function visitsOf(bytes: Uint8Array, at: number, length: number, to: NodeId): number {
    // A copy: the bytes of an id may be a view of a larger buffer, which would be kept as a whole.
    let id = idsAsBytes.get(to);
    if (id === undefined) idsAsBytes.set(to, (id = idBytes(to).slice()));
    let visits = 0;
    for (let i = at; i + nodeEntryBytes <= at + length; i += nodeEntryBytes) {
      if (bytes[i] !== nodeEntryType) break;
      let same = 0;
      while (same < id.length && bytes[i + 2 + same] === id[same]) same++;
      if (same === id.length) visits++;
    }
    return visits;
  }

  return {
    measure,
    fetchForwards,
    get messages() {
      return messages;
    },
    get bytes() {
      return total;
    },
    get revisits() {
      return revisits;
    },
    get circles() {
      return circles;
    },
    get longestWay() {
      return longestWay;
    },
  };
}
