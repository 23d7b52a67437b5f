/** Every message that leaves a host of the world, decoded. */
import { decodePayload, type Payload } from '../../../../src/wire/reload/contents.ts';
import { decodeHeader, type ForwardingHeader } from '../../../../src/wire/reload/header.ts';
import { frameTypes } from '../../../../src/wire/reload/framing.ts';
import type { FakeHost } from './fake-network.ts';
import type { TestPeer, World } from './world.ts';

export interface Sent {
  readonly from: FakeHost;
  readonly atMs: number;
  readonly header: ForwardingHeader;
  /** What follows the header. */
  readonly body: Uint8Array;
  /** Of unfragmented messages. */
  readonly payload: Payload | undefined;
  readonly code: number | undefined;
}

/** Starts to record; the array grows. */
export function capture(world: World): Sent[] {
  const sent: Sent[] = [];
  world.network.onSend = (from, frame) => {
    if (frame[0] !== frameTypes.data) return;
    const message = frame.slice(8);
    const { header, headerLength } = decodeHeader(message);
    const body = message.subarray(headerLength);
    const whole = header.fragment.last && header.fragment.offset === 0;
    const payload = whole ? decodePayload(body) : undefined;
    sent.push({
      from,
      atMs: world.clock.monotonicMs(),
      header,
      body,
      payload,
      code: payload?.contents.messageCode,
    });
  };
  return sent;
}

/** Who sent, in order, as positions in `peers`: `0 1 2`. */
export function hops(peers: readonly TestPeer[], sent: readonly Sent[]): string {
  return sent.map(({ from }) => peers.findIndex((peer) => peer.host === from)).join(' ');
}
