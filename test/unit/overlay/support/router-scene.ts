/** A router whose links, topology and time are played by the test. */
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import type { LinkEntry } from '../../../../src/overlay/link-table.ts';
import { createRouter } from '../../../../src/overlay/router.ts';
import type { RoutedMessage } from '../../../../src/overlay/routed-message.ts';
import type { NextHop } from '../../../../src/topology/plugin.ts';
import type { Destination } from '../../../../src/wire/reload/destination.ts';
import {
  decodeHeader,
  encodeHeader,
  overlayHash,
  unfragmented,
  type ForwardingHeader,
} from '../../../../src/wire/reload/header.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { createCountingTrace } from '../../link/fakes.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { overlayName } from './fake-keys.ts';
import { idOf, linkEntry, numbered } from './parts.ts';
import { testConfig } from './world.ts';

export const [self, b, c, d, far] = [idOf('a'), idOf('b'), idOf('c'), idOf('d'), idOf('9')];
export const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });
export const place: Destination = { type: 'resource', resource: idOf('7') as string as ResourceId };
export const many = (count: number): Destination[] =>
  Array.from({ length: count }, (_, i) => node(numbered(i)));

interface Sent {
  readonly to: NodeId;
  readonly header: ForwardingHeader;
  readonly body: Uint8Array;
  readonly acknowledge: (acknowledged: boolean) => void;
}

interface SceneOptions {
  readonly next?: (exclude?: ReadonlySet<NodeId>) => NextHop;
  readonly answersBadHeaders?: boolean;
  readonly fragmentBytes?: number;
}

export const towards =
  (...hops: readonly NodeId[]) =>
  (exclude?: ReadonlySet<NodeId>): NextHop => {
    const nodeId = hops.find((hop) => exclude?.has(hop) !== true);
    return nodeId === undefined ? { kind: 'none' } : { kind: 'node', nodeId };
  };

export function scene(options: SceneOptions = {}) {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const links = new Map<NodeId, LinkEntry>();
  const sent: Sent[] = [];
  const delivered: { readonly message: RoutedMessage; readonly at: NodeId }[] = [];
  const refused: { readonly message: RoutedMessage; readonly code: number; text: string }[] = [];
  /** Nodes whose links take nothing. */
  const deaf = new Set<NodeId>();
  const world = { overlayName };
  const router = createRouter({
    self,
    trace,
    config: () => ({ ...testConfig, overlayName: world.overlayName }),
    link: (nodeId) => links.get(nodeId),
    nextHop: (_target, exclude) => options.next?.(exclude) ?? { kind: 'none' },
    bootstrapPeer: () => undefined,
    isHosted: () => false,
    acceptsOpaque: () => false,
    viaLists: {
      forward: ({ header, from }) => [...header.viaList, node(from)],
      expand: () => undefined,
      previousHop: () => undefined,
      linkUp: () => undefined,
      linkDown: () => undefined,
      size: 0,
    },
    fragmentBytes: options.fragmentBytes,
    answersBadHeaders: options.answersBadHeaders === true,
    deliver: (message, at) => delivered.push({ message, at }),
    refuse: (message, code, text) => refused.push({ message, code, text }),
    later: (run) => void clock.after('later', 0, run),
  });
  const linkTo = (nodeId: NodeId, mtuBytes?: number): LinkEntry => {
    const entry = linkEntry(nodeId, {
      mtuBytes,
      send(header, acknowledge, body) {
        if (deaf.has(nodeId)) return false;
        const whole = Buffer.concat([header, body ?? new Uint8Array()]);
        const decoded = decodeHeader(whole);
        sent.push({
          to: nodeId,
          header: decoded.header,
          body: whole.subarray(decoded.headerLength),
          acknowledge: (acknowledged) => acknowledge?.(acknowledged),
        });
        return true;
      },
    });
    links.set(nodeId, entry);
    return entry;
  };
  const count = (name: string, label?: string): number => trace.count(`overlay_${name}`, label);
  return {
    clock,
    world,
    links,
    sent,
    delivered,
    refused,
    deaf,
    router,
    linkTo,
    count,
    dropped: (reason: string) => count('messages_dropped_total', reason),
    tos: () => sent.map(({ to }) => to[0]).join(''),
  };
}

export const body = Uint8Array.of(0, messageCodes.pingReq, 0, 0);

function headerOf(changes: Partial<ForwardingHeader> = {}): ForwardingHeader {
  return {
    overlay: overlayHash(overlayName),
    configurationSequence: testConfig.sequence,
    ttl: 50,
    fragment: unfragmented,
    transactionId: 1n,
    maxResponseLength: 0,
    viaList: [],
    destinationList: [node(b)],
    options: [],
    ...changes,
  };
}

export function bytesOf(changes: Partial<ForwardingHeader> = {}, content = body): Uint8Array {
  return Buffer.concat([encodeHeader(headerOf(changes), content.length), content]);
}

export const own = (changes: Partial<ForwardingHeader> = {}, content = body): RoutedMessage => ({
  header: headerOf(changes),
  body: content,
  from: undefined,
});

export const value = new Uint8Array();
