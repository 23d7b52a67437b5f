/**
 * Forwarding by Destination List: deliver here, send to a next hop, or drop. Only headers are read.
 * RFC 6940 §6.1, §6.2.
 */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import { fragmentsOf } from './fragments.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Trace } from '../ports/trace.ts';
import { attempt, Reader } from '../wire/codec.ts';
import { destinationKey, type Destination } from '../wire/reload/destination.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import {
  decodeHeader,
  fixedHeaderLength,
  forwardingOptionFlags,
  overlayHash,
  protocolVersion,
  type DecodedHeader,
  type ForwardingHeader,
} from '../wire/reload/header.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { labelledCounter } from './counters.ts';
import type { LinkEntry } from './link-table.ts';
import {
  hasDuplicates,
  headerForNextHop,
  isResponse,
  peekMessageCode,
  timesPassed,
  type RoutedMessage,
} from './routed-message.ts';
import { createRouting, type RoutingDependencies } from './routing.ts';
import type { TransitMessage, ViaLists } from './via-lists.ts';

export interface Router {
  /** A message or fragment that arrived on a link. */
  receive(entry: LinkEntry, bytes: Uint8Array): void;
  /** A message above max-message-size began to arrive: its sender is told (§6.6). */
  receiveOversized(entry: LinkEntry, prefix: Uint8Array): void;
  /** Sends a message of our own; one that ends here is delivered later, not inside the call. */
  send(message: RoutedMessage): void;
}

export interface RouterDependencies extends RoutingDependencies {
  readonly trace: Trace;
  readonly config: () => OverlayConfig;
  readonly viaLists: ViaLists;
  /** Longer messages leave in fragments on stream links too (bytes); links with datagrams know their size. */
  readonly fragmentBytes: number | undefined;
  /** Requests with a header of another overlay or version are answered with an error (§6.1) instead of dropped. */
  readonly answersBadHeaders: boolean;
  /** `at`: the hosted identity or the node itself that the list ended at. */
  readonly deliver: (message: RoutedMessage, at: NodeId) => void;
  /** Answers a request of others with an error, if the sender of errors has room. */
  readonly refuse: (message: RoutedMessage, code: number, text: string) => void;
  readonly later: (run: () => void) => void;
}

/** Neighbors that did not acknowledge this message, and how often it was tried. */
interface Attempts {
  tried: Set<NodeId> | undefined;
  count: number;
}

export function createRouter(dependencies: RouterDependencies): Router {
  const { config, link } = dependencies;
  const routing = createRouting(dependencies);
  const dropped = labelledCounter(dependencies.trace, 'overlay_messages_dropped_total', 'reason');
  const forwarded = dependencies.trace.counter('overlay_messages_forwarded_total');
  const bytesIn = dependencies.trace.counter('overlay_bytes_total', { direction: 'in' });
  const bytesOut = dependencies.trace.counter('overlay_bytes_total', { direction: 'out' });
  const rerouted = dependencies.trace.counter('overlay_messages_rerouted_total');
  let hashOf: { readonly name: string; readonly hash: number } | undefined;

  function currentHash(): number {
    const name = config().overlayName;
    if (hashOf?.name !== name) hashOf = { name, hash: overlayHash(name) };
    return hashOf.hash;
  }

  function receive(entry: LinkEntry, bytes: Uint8Array): void {
    bytesIn.add(bytes.length);
    const decoded = attempt(() => decodeHeader(bytes));
    if (!decoded.ok) {
      dropped('header').add();
      if (dependencies.answersBadHeaders) refuseVersion(entry, bytes);
      return;
    }
    const { header, headerLength } = decoded.value;
    if (header.overlay !== currentHash()) {
      dropped('overlay').add();
      if (dependencies.answersBadHeaders) refuseHeader(entry, bytes, decoded.value);
      return;
    }
    const message: RoutedMessage = {
      header,
      body: bytes.subarray(headerLength),
      from: entry.nodeId,
    };
    if (entry.ambiguous && !entry.attached && !mayPrecedeAttach(message)) {
      dropped('not-attached').add();
      dependencies.refuse(message, errorCodes.forbidden, 'which Node-ID is meant? Attach first');
    } else if (header.ttl > longestTtl(header)) {
      dropped('ttl-above-initial').add();
      dependencies.refuse(message, errorCodes.ttlExceeded, 'TTL above initial-ttl');
    } else if (header.viaList.length >= limits.destinationListEntries) {
      // Neither another hop nor the way back would fit.
      dropped('via-list').add();
    } else if (timesPassed(dependencies.self, header) > mostReturns) {
      dropped('loop').add();
    } else if (hasDuplicates(header.destinationList, destinationKey)) {
      dropped('duplicate-destination').add();
      const text = 'an entry of the Destination List occurs twice';
      dependencies.refuse(message, errorCodes.invalidMessage, text);
    } else {
      route(message, { tried: undefined, count: 0 });
    }
  }

  /**
   * initial-ttl binds those who work with the same document (§6.3.2); others may have had another one,
   * and were all their messages dropped, they would never hear of the newer document.
   */
  function longestTtl(header: ForwardingHeader): number {
    const { initialTtl, sequence } = config();
    return header.configurationSequence === sequence
      ? initialTtl
      : Math.max(initialTtl, defaultInitialTtl);
  }

  /** A header that is well-formed but for its version. */
  function refuseVersion(entry: LinkEntry, bytes: Uint8Array): void {
    if (bytes.length < fixedHeaderLength || bytes[versionOffset] === protocolVersion) return;
    const copy = new Uint8Array(bytes);
    copy[versionOffset] = protocolVersion;
    const decoded = attempt(() => decodeHeader(copy));
    if (decoded.ok) refuseHeader(entry, copy, decoded.value);
  }

  function refuseHeader(entry: LinkEntry, bytes: Uint8Array, decoded: DecodedHeader): void {
    if (decoded.header.viaList.length >= limits.destinationListEntries) return;
    const header = { ...decoded.header, overlay: currentHash() };
    const message = { header, body: bytes.subarray(decoded.headerLength), from: entry.nodeId };
    const text = 'another overlay or version';
    dependencies.refuse(message, errorCodes.incompatibleWithOverlay, text);
  }

  function receiveOversized(entry: LinkEntry, prefix: Uint8Array): void {
    dropped('too-large').add();
    const decoded = attempt(() => decodeHeaderOnly(prefix));
    if (!decoded.ok || decoded.value.header.overlay !== currentHash()) return;
    const { header, headerLength } = decoded.value;
    if (header.viaList.length >= limits.destinationListEntries) return;
    const message = { header, body: prefix.subarray(headerLength), from: entry.nodeId };
    const text = `at most ${config().maxMessageSize} bytes`;
    dependencies.refuse(message, errorCodes.messageTooLarge, text);
  }

  function route(message: RoutedMessage, attempts: Attempts): void {
    const decision = routing.decide(message, attempts.tried);
    switch (decision.kind) {
      case 'deliver':
        if (message.from !== undefined) dependencies.deliver(message, decision.at);
        else dependencies.later(() => dependencies.deliver(message, decision.at));
        return;
      case 'drop':
        dropped(decision.reason).add();
        return;
      case 'forward':
        if (mayForward(message)) transmit(message, decision.entry, decision.destinations, attempts);
        return;
    }
  }

  function mayForward(message: RoutedMessage): boolean {
    if (message.from === undefined) return true;
    const { header } = message;
    if (header.ttl === 0) {
      dropped('ttl-exceeded').add();
      dependencies.refuse(message, errorCodes.ttlExceeded, 'TTL was decremented to zero');
      return false;
    }
    if (hasUnknownCritical(header)) {
      dropped('forward-critical-option').add();
      dependencies.refuse(message, errorCodes.unsupportedForwardingOption, '');
      return false;
    }
    return true;
  }

  function transmit(
    message: RoutedMessage,
    entry: LinkEntry,
    destinations: readonly Destination[],
    attempts: Attempts,
  ): void {
    const viaList = viaListOf(message);
    const header = headerForNextHop(message, viaList, destinations);
    const mtuBytes = entry.link.mtuBytes ?? dependencies.fragmentBytes;
    const pieces =
      mtuBytes === undefined ? [message] : fragmentsOf(message, header.length, mtuBytes);
    if (pieces.length === 1) {
      transmitOne(message, header, entry, attempts);
      return;
    }
    for (const piece of pieces) {
      const own = { tried: attempts.tried && new Set(attempts.tried), count: attempts.count };
      transmitOne(piece, headerForNextHop(piece, viaList, destinations), entry, own);
    }
  }

  /** Every fragment is acknowledged, and finds another way, on its own. */
  function transmitOne(
    message: RoutedMessage,
    header: Uint8Array,
    entry: LinkEntry,
    attempts: Attempts,
  ): void {
    const acknowledge = (acknowledged: boolean): void => {
      if (!acknowledged) reroute(message, entry, attempts);
    };
    if (!entry.link.send(header, acknowledge, message.body)) {
      dependencies.later(() => reroute(message, entry, attempts));
      return;
    }
    const length = header.length + message.body.length;
    entry.messagesOut++;
    entry.bytesOut += length;
    bytesOut.add(length);
    if (message.from !== undefined) forwarded.add();
  }

  /** Responses gather no Via List, because nothing answers them (§6.1.2). */
  function viaListOf(message: RoutedMessage): readonly Destination[] {
    if (!isTransit(message) || isResponse(message)) return message.header.viaList;
    return dependencies.viaLists.forward(message);
  }

  /** The next hop did not acknowledge: another one may. A link that was replaced is no fault of the node. */
  function reroute(message: RoutedMessage, entry: LinkEntry, attempts: Attempts): void {
    if (++attempts.count >= limits.overlay.routeAttempts) {
      dropped('no-acknowledgement').add();
      return;
    }
    const replaced = link(entry.nodeId);
    if (replaced === undefined || replaced === entry) {
      attempts.tried ??= new Set();
      attempts.tried.add(entry.nodeId);
    }
    rerouted.add();
    route(message, attempts);
  }

  return {
    receive,
    receiveOversized,
    send: (message) => route(message, { tried: undefined, count: 0 }),
  };
}

/** Decodes the header at the start of an incomplete message. Throws WireError. */
function decodeHeaderOnly(prefix: Uint8Array): DecodedHeader {
  const reader = new Reader(prefix, listLengthsOffset);
  const length = fixedHeaderLength + reader.u16() + reader.u16() + reader.u16();
  const header = new Uint8Array(new Reader(prefix).take(length));
  new DataView(header.buffer).setUint32(lengthOffset, length);
  return decodeHeader(header);
}

/**
 * A request may come back once: one that was put through another node, and one whose next hop fell
 * silent. Whatever comes again is in a loop of tables that do not agree.
 */
const mostReturns = 1;
/** §6.3.2 and §11.1. */
const defaultInitialTtl = 100;
const versionOffset = 10;
const lengthOffset = 16;
const listLengthsOffset = 32;

/** §6.1.2: without an Attach a certificate with several Node-IDs may send only Ping, Attach and answers. */
function mayPrecedeAttach(message: RoutedMessage): boolean {
  const code = peekMessageCode(message);
  return code === messageCodes.pingReq || code === messageCodes.attachReq || isResponse(message);
}

function isTransit(message: RoutedMessage): message is TransitMessage {
  return message.from !== undefined;
}

/** No forwarding option is implemented, so every critical one is unknown (§6.3.2.3). */
function hasUnknownCritical(header: ForwardingHeader): boolean {
  return header.options.some(
    (option) => (option.flags & forwardingOptionFlags.forwardCritical) !== 0,
  );
}
