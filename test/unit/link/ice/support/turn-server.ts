/** STUN and TURN servers in the simulated network, written from RFC 8489 and RFC 8656 for tests. */
import type { TransportAddress } from '../../../../../src/ports/connection.ts';
import type { DatagramOpener, DatagramSocket } from '../../../../../src/ports/datagram.ts';
import { bindingAnswer } from '../../../../../src/wire/stun/binding-answer.ts';
import { decodeChannelData, encodeChannelData } from '../../../../../src/wire/stun/channel-data.ts';
import { longTermKey } from '../../../../../src/wire/stun/integrity.ts';
import type { StunAttributes } from '../../../../../src/wire/stun/attributes.ts';
import {
  decodeStun,
  encodeStun,
  isAuthentic,
  type ReceivedStun,
} from '../../../../../src/wire/stun/message.ts';
import type { SimulatedClock } from './network.ts';

const realm = 'overlay.example';

export interface TestTurnServer {
  readonly address: TransportAddress;
  /** Allocations that live. */
  readonly allocations: number;
  /** Requests by method, those that were refused too. */
  readonly seen: Map<string, number>;
  /** Makes all nonces stale. */
  newNonce(): void;
  /** Forgets all allocations, as after a restart. */
  restart(): void;
  /** Sends every Allocate on to another server. */
  alternate: TransportAddress | undefined;
}

interface Allocation {
  relay: DatagramSocket | undefined;
  expiresMs: number;
  readonly permissions: Map<string, number>;
  /** By channel number. */
  readonly channels: Map<number, { readonly peer: TransportAddress; expiresMs: number }>;
}

const key = ({ address, port }: TransportAddress): string => `${address} ${port}`;

export function startStunServer(opener: DatagramOpener, address: TransportAddress): void {
  let socket: DatagramSocket | undefined;
  opener.open(
    address,
    {
      received(bytes, from) {
        const answer = bindingAnswer(bytes, from);
        if (answer !== undefined) socket?.send(answer, from);
      },
    },
    (outcome) => {
      if (outcome.ok) socket = outcome.value;
    },
  );
}

export function startTurnServer(
  clock: SimulatedClock,
  opener: DatagramOpener,
  address: TransportAddress,
  users: Readonly<Record<string, string>>,
): TestTurnServer {
  const allocations = new Map<string, Allocation>();
  const seen = new Map<string, number>();
  let nonce = 1;
  let socket: DatagramSocket | undefined;

  function answer(
    request: ReceivedStun,
    to: TransportAddress,
    attributes: StunAttributes,
    secret?: Uint8Array,
  ): void {
    const kind = attributes.errorCode === undefined ? 'success' : 'error';
    const { method, transactionId } = request;
    socket?.send(encodeStun({ class: kind, method, transactionId, attributes }, secret), to);
  }

  function refuse(request: ReceivedStun, to: TransportAddress, code: number): void {
    const challenge = code === 401 || code === 438 ? { realm, nonce: String(nonce) } : {};
    answer(request, to, { errorCode: { code, reason: 'refused' }, ...challenge });
  }

  function received(bytes: Uint8Array, from: TransportAddress): void {
    const channelData = decodeChannelData(bytes);
    if (channelData !== undefined) {
      const allocation = live(from);
      const channel = allocation?.channels.get(channelData.channel);
      if (channel === undefined || channel.expiresMs <= clock.monotonicMs()) return;
      relayOut(allocation!, channel.peer, channelData.data);
      return;
    }
    const decoded = decodeStun(bytes);
    if (!decoded.ok) return;
    const message = decoded.value;
    if (message.class === 'indication' && message.method === 'send') {
      const { xorPeerAddress, data } = message.attributes;
      const allocation = live(from);
      if (allocation !== undefined && xorPeerAddress !== undefined && data !== undefined) {
        relayOut(allocation, xorPeerAddress, data);
      }
    } else if (message.class === 'request') authenticate(message, from);
  }

  function live(client: TransportAddress): Allocation | undefined {
    const allocation = allocations.get(key(client));
    if (allocation === undefined || allocation.expiresMs > clock.monotonicMs()) return allocation;
    remove(client);
    return undefined;
  }

  function remove(client: TransportAddress): void {
    allocations.get(key(client))?.relay?.close();
    allocations.delete(key(client));
  }

  function relayOut(allocation: Allocation, to: TransportAddress, data: Uint8Array): void {
    if ((allocation.permissions.get(to.address) ?? 0) <= clock.monotonicMs()) return;
    allocation.relay?.send(data, to);
  }

  function authenticate(request: ReceivedStun, from: TransportAddress): void {
    const name = `${request.method}${request.attributes.lifetime === 0 ? ' 0' : ''}`;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    if (request.method === 'binding') {
      answer(request, from, { xorMappedAddress: from });
      return;
    }
    const { username } = request.attributes;
    const password = username === undefined ? undefined : users[username];
    if (username === undefined || !request.hasIntegrity) refuse(request, from, 401);
    else if (request.attributes.nonce !== String(nonce)) refuse(request, from, 438);
    else if (password === undefined) refuse(request, from, 401);
    else {
      const secret = longTermKey(username, realm, password);
      if (isAuthentic(request, secret)) serve(request, from, secret);
      else refuse(request, from, 401);
    }
  }

  function serve(request: ReceivedStun, from: TransportAddress, secret: Uint8Array): void {
    const now = clock.monotonicMs();
    const { lifetime = 600, xorPeerAddress, channelNumber } = request.attributes;
    if (request.method === 'allocate') {
      if (server.alternate === undefined) allocate(request, from, secret);
      else {
        const attributes = {
          errorCode: { code: 300, reason: 'Try Alternate' },
          alternateServer: server.alternate,
        };
        answer(request, from, attributes, secret);
      }
      return;
    }
    const allocation = live(from);
    if (allocation === undefined) {
      refuse(request, from, 437);
      return;
    }
    if (request.method === 'refresh') {
      if (lifetime === 0) remove(from);
      else allocation.expiresMs = now + lifetime * 1000;
      answer(request, from, { lifetime }, secret);
      return;
    }
    if (xorPeerAddress === undefined) {
      refuse(request, from, 400);
      return;
    }
    allocation.permissions.set(xorPeerAddress.address, now + 300_000);
    if (request.method === 'channelBind') {
      const other = allocation.channels.get(channelNumber!);
      if (other !== undefined && key(other.peer) !== key(xorPeerAddress)) {
        refuse(request, from, 400);
        return;
      }
      allocation.channels.set(channelNumber!, { peer: xorPeerAddress, expiresMs: now + 600_000 });
    }
    answer(request, from, {}, secret);
  }

  function allocate(request: ReceivedStun, from: TransportAddress, secret: Uint8Array): void {
    if (request.attributes.requestedTransport !== 17) {
      refuse(request, from, 442);
      return;
    }
    const known = allocations.get(key(from));
    if (known !== undefined) {
      // A retransmission: the first answer was lost.
      if (known.relay === undefined) return;
      answerAllocate(request, from, known.relay.local, secret);
      return;
    }
    const { lifetime = 600 } = request.attributes;
    const allocation: Allocation = {
      relay: undefined,
      expiresMs: clock.monotonicMs() + lifetime * 1000,
      permissions: new Map(),
      channels: new Map(),
    };
    allocations.set(key(from), allocation);
    const receive = (bytes: Uint8Array, peer: TransportAddress): void => {
      relayIn(allocation, from, bytes, peer);
    };
    opener.open({ address: address.address, port: 0 }, { received: receive }, (outcome) => {
      if (!outcome.ok) return;
      allocation.relay = outcome.value;
      answerAllocate(request, from, outcome.value.local, secret);
    });
  }

  function answerAllocate(
    request: ReceivedStun,
    client: TransportAddress,
    relayed: TransportAddress,
    secret: Uint8Array,
  ): void {
    const { lifetime = 600 } = request.attributes;
    const attributes = { xorRelayedAddress: relayed, xorMappedAddress: client, lifetime };
    answer(request, client, attributes, secret);
  }

  function relayIn(
    allocation: Allocation,
    client: TransportAddress,
    data: Uint8Array,
    peer: TransportAddress,
  ): void {
    const now = clock.monotonicMs();
    if (allocation.expiresMs <= now) return;
    if ((allocation.permissions.get(peer.address) ?? 0) <= now) return;
    for (const [number, channel] of allocation.channels) {
      if (key(channel.peer) !== key(peer) || channel.expiresMs <= now) continue;
      socket?.send(encodeChannelData(number, data), client);
      return;
    }
    const transactionId = '00'.repeat(12);
    const attributes = { xorPeerAddress: peer, data };
    const message = { class: 'indication', method: 'data', transactionId, attributes } as const;
    socket?.send(encodeStun(message), client);
  }

  opener.open(address, { received }, (outcome) => {
    if (outcome.ok) socket = outcome.value;
  });

  const server: TestTurnServer = {
    address,
    get allocations() {
      return allocations.size;
    },
    seen,
    newNonce() {
      nonce += 1;
    },
    restart() {
      for (const allocation of allocations.values()) allocation.relay?.close();
      allocations.clear();
    },
    alternate: undefined,
  };
  return server;
}
