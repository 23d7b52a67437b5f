/**
 * One allocation at a TURN server over UDP, with long-term credentials. Knows nothing of sockets:
 * the owner transmits, and hands over what comes from the server. RFC 8656.
 */
import { limits } from '../../base/limits.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { Random } from '../../ports/random.ts';
import {
  decodeChannelData,
  encodeChannelData,
  firstChannel,
} from '../../wire/stun/channel-data.ts';
import { hexEncode } from '../../base/text.ts';
import { datagramKind } from '../../wire/stun/demultiplex.ts';
import type { StunAttributes } from '../../wire/stun/attributes.ts';
import {
  decodeStun,
  encodeStun,
  type ReceivedStun,
  type StunMethod,
} from '../../wire/stun/message.ts';
import { canonicalAddress, familyOf, sameAddress, type Family } from './address.ts';
import { createStunRequests, type Answer } from './stun-requests.ts';
import { createTurnCredentials } from './turn-credentials.ts';
import type { TurnServer } from './types.ts';

export interface Allocation {
  /** The address at which the server receives for us. */
  readonly relayed: TransportAddress;
  /** Our address as the server sees it. */
  readonly mapped: TransportAddress;
}

export interface TurnClient {
  /** Whom to transmit to: another server once the first one sent us on (RFC 8489 §10). */
  readonly server: TransportAddress;
  /** `done` is called once, later; not after `close`. */
  allocate(done: (outcome: Outcome<Allocation>) => void): void;
  /** A datagram that came from {@link server}. */
  receive(bytes: Uint8Array): void;
  /** Sends through the relay; asks for the permission first. */
  send(bytes: Uint8Array, to: TransportAddress): void;
  /** Binds a channel to that peer and lets the permissions of all others expire. */
  settle(to: TransportAddress): void;
  /** Gives the allocation back; `done` is called once, later, when nothing more is to be sent. Call once. */
  close(done: () => void): void;
}

export interface TurnEvents {
  /** Data that a peer sent to the relayed address. */
  data(bytes: Uint8Array, from: TransportAddress): void;
  /** The allocation is gone: the server does not prolong it. The last event. */
  lost(reason: string): void;
}

export interface TurnClientDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly server: TurnServer;
  /** Of the relayed address. */
  readonly family: Family;
  readonly transmit: (bytes: Uint8Array, to: TransportAddress) => void;
  readonly events: TurnEvents;
}

interface Permission {
  granted: boolean;
  /** Waiting for the grant. */
  queue: { readonly bytes: Uint8Array; readonly to: TransportAddress }[];
}

const udp = 17;

export function createTurnClient(dependencies: TurnClientDependencies): TurnClient {
  const { clock, random, family, events } = dependencies;
  const credentials = createTurnCredentials(dependencies.server);
  const requests = createStunRequests<undefined>(clock, random);
  const permissions = new Map<string, Permission>();
  let server = dependencies.server.server;
  let redirects = 0;
  let state: 'new' | 'allocated' | 'closing' | 'closed' = 'new';
  let channel: { readonly peer: TransportAddress; bound: boolean } | undefined;
  let refreshTimer: Timer | undefined;
  let renewalTimer: Timer | undefined;

  /** A request with the credentials of the moment; renewed ones are tried a few times. */
  function request(
    method: StunMethod,
    attributes: StunAttributes,
    done: (outcome: Outcome<ReceivedStun>) => void,
    options: { readonly attempts?: number; readonly round?: number } = {},
  ): void {
    const { round = 0, attempts } = options;
    const key = credentials.key;
    const finish = (outcome: Outcome<Answer<undefined>>): void => {
      if (!outcome.ok) {
        done(outcome);
        return;
      }
      const { message } = outcome.value;
      const code = message.attributes.errorCode?.code;
      const challenged = code === 401 || code === 438;
      if (challenged && round < limits.ice.turnChallenges && credentials.challenged(message)) {
        request(method, attributes, done, { ...options, round: round + 1 });
      } else if (message.class === 'success') done(success(message));
      else done(failure(`TURN error ${String(code ?? 'without code')}`));
    };
    requests.send(
      {
        method,
        attributes: { ...credentials.attributes, ...attributes },
        ...(key === undefined ? {} : { key }),
        ...(attempts === undefined ? {} : { attempts }),
        unsignedErrors: true,
        transmit: (bytes) => {
          dependencies.transmit(bytes, server);
        },
      },
      (outcome) => {
        const redirect = redirection(outcome);
        if (redirect === undefined) {
          finish(outcome);
          return;
        }
        redirects += 1;
        server = redirect;
        credentials.forget();
        request(method, attributes, done);
      },
    );
  }

  /** Only while there is no allocation, to another server of the same family. RFC 8489 §10. */
  function redirection(outcome: Outcome<Answer<undefined>>): TransportAddress | undefined {
    if (!outcome.ok || state !== 'new' || redirects >= limits.ice.turnRedirects) return undefined;
    const { errorCode, alternateServer } = outcome.value.message.attributes;
    if (errorCode?.code !== 300 || alternateServer === undefined) return undefined;
    if (familyOf(alternateServer.address) !== familyOf(server.address)) return undefined;
    return sameAddress(alternateServer, server) ? undefined : alternateServer;
  }

  function scheduleRefresh(lifetimeS: number): void {
    refreshTimer?.cancel();
    // A minute ahead, as RFC 8656 §8 advises; short lifetimes are prolonged at their half.
    const delayMs = Math.max(lifetimeS - 60, lifetimeS / 2, 1) * 1000;
    refreshTimer = clock.after('turn-refresh', delayMs, () => {
      request('refresh', { lifetime: limits.ice.allocationS }, (outcome) => {
        if (state !== 'allocated') return;
        if (outcome.ok)
          scheduleRefresh(outcome.value.attributes.lifetime ?? limits.ice.allocationS);
        else lose(outcome.error);
      });
    });
  }

  function lose(reason: string): void {
    if (state !== 'allocated') return;
    end();
    events.lost(reason);
  }

  function end(): void {
    state = 'closed';
    refreshTimer?.cancel();
    renewalTimer?.cancel();
    requests.close();
    permissions.clear();
  }

  function askPermission(address: string, permission: Permission): void {
    const xorPeerAddress = { address, port: 0 };
    request('createPermission', { xorPeerAddress }, (outcome) => {
      if (permissions.get(address) !== permission) return;
      if (!outcome.ok) {
        permissions.delete(address);
        return;
      }
      permission.granted = true;
      const waiting = permission.queue;
      permission.queue = [];
      for (const { bytes, to } of waiting) sendIndication(bytes, to);
    });
  }

  function sendIndication(data: Uint8Array, to: TransportAddress): void {
    const message = {
      class: 'indication',
      method: 'send',
      transactionId: hexEncode(random.bytes(12)),
      attributes: { xorPeerAddress: to, data },
    } as const;
    dependencies.transmit(encodeStun(message), server);
  }

  function bindChannel(): void {
    const wanted = channel;
    if (wanted === undefined) return;
    const attributes = { channelNumber: firstChannel, xorPeerAddress: wanted.peer };
    request('channelBind', attributes, (outcome) => {
      if (outcome.ok) wanted.bound = true;
      // Out of step with the server: without permission and channel nothing gets through.
      else if (wanted.bound) lose(outcome.error);
    });
  }

  /** One timer for all that expires earlier than the allocation. */
  function scheduleRenewal(): void {
    renewalTimer?.cancel();
    renewalTimer = clock.after('turn-renewal', limits.ice.permissionRenewalMs, () => {
      for (const [address, permission] of permissions) askPermission(address, permission);
      bindChannel();
      scheduleRenewal();
    });
  }

  function handleMessage(message: ReceivedStun): void {
    if (message.class === 'success' || message.class === 'error') {
      requests.receive(message, undefined);
      return;
    }
    const { xorPeerAddress, data } = message.attributes;
    if (message.class !== 'indication' || message.method !== 'data') return;
    if (xorPeerAddress === undefined || data === undefined) return;
    events.data(data, xorPeerAddress);
  }

  function allocated(message: ReceivedStun): Outcome<Allocation> {
    const { xorRelayedAddress, xorMappedAddress, lifetime } = message.attributes;
    if (xorRelayedAddress === undefined || xorMappedAddress === undefined) {
      return failure('an allocation without addresses');
    }
    if (familyOf(xorRelayedAddress.address) !== family || xorRelayedAddress.port === 0) {
      return failure('an allocation of another address family');
    }
    state = 'allocated';
    scheduleRefresh(lifetime ?? limits.ice.allocationS);
    scheduleRenewal();
    return success({ relayed: xorRelayedAddress, mapped: xorMappedAddress });
  }

  return {
    get server() {
      return server;
    },
    allocate(done) {
      const attributes: StunAttributes = {
        requestedTransport: udp,
        lifetime: limits.ice.allocationS,
        ...(family === 'ipv6' ? { requestedAddressFamily: 2 } : {}),
      };
      request('allocate', attributes, (outcome) => {
        done(outcome.ok ? allocated(outcome.value) : outcome);
      });
    },
    receive(bytes) {
      if (state === 'closed') return;
      if (datagramKind(bytes) === 'channel-data') {
        const received = decodeChannelData(bytes);
        if (received?.channel === firstChannel && channel !== undefined) {
          events.data(received.data, channel.peer);
        }
        return;
      }
      const decoded = decodeStun(bytes);
      if (decoded.ok) handleMessage(decoded.value);
    },
    send(bytes, to) {
      if (state !== 'allocated') return;
      if (channel?.bound === true && sameAddress(channel.peer, to)) {
        dependencies.transmit(encodeChannelData(firstChannel, bytes), server);
        return;
      }
      const address = canonicalAddress(to.address);
      if (address === undefined) return;
      let permission = permissions.get(address);
      if (permission === undefined) {
        if (permissions.size >= limits.ice.permissions) return;
        permission = { granted: false, queue: [] };
        permissions.set(address, permission);
        askPermission(address, permission);
      }
      if (permission.granted) sendIndication(bytes, to);
      else if (permission.queue.length < limits.ice.datagramsPerPermission) {
        permission.queue.push({ bytes, to });
      }
    },
    settle(to) {
      if (state !== 'allocated' || channel !== undefined) return;
      channel = { peer: to, bound: false };
      for (const address of [...permissions.keys()]) {
        if (address !== to.address) permissions.delete(address);
      }
      bindChannel();
    },
    close(done) {
      const wasAllocated = state === 'allocated';
      if (state === 'closing') return;
      end();
      if (!wasAllocated) {
        clock.after('turn-close', 0, done);
        return;
      }
      state = 'closing';
      request(
        'refresh',
        { lifetime: 0 },
        () => {
          end();
          done();
        },
        { attempts: 2 },
      );
    },
  };
}
