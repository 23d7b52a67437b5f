/** In-memory secure connections between addresses, with delay and faults. */
import { failure, success } from '../../../../src/base/outcome.ts';
import type { Certificate } from '../../../../src/ports/certificates.ts';
import type {
  ConnectionHandler,
  Dialer,
  SecureConnection,
  TransportAddress,
} from '../../../../src/ports/connection.ts';
import type { FakeClock } from '../../../support/fake-clock.ts';

export interface FakeNetwork {
  listen(address: TransportAddress, host: FakeHost, accept: (c: SecureConnection) => void): void;
  dialer(host: FakeHost): Dialer;
  /** Every chunk that a host sends, before it travels. */
  onSend?: (from: FakeHost, bytes: Uint8Array) => void;
  /** Connections made from now on carry datagrams of that size, and lose those for which this is true. */
  datagrams?: { readonly bytes: number; readonly loses: () => boolean };
  /** Connections made from now on go by a shared secret: nobody shows a certificate. */
  sharedSecret?: boolean;
}

export interface FakeHost {
  readonly address: string;
  chain: readonly Certificate[];
  /** Like SIGSTOP: connections stay, nothing is read or written; what arrives waits. */
  frozen: boolean;
  dead: boolean;
}

interface End extends SecureConnection {
  readonly host: FakeHost;
  handler: ConnectionHandler | undefined;
  inbox: (Uint8Array | string)[];
  open: boolean;
  other: End | undefined;
}

export function createFakeNetwork(clock: FakeClock, delayMs = 1): FakeNetwork {
  const listeners = new Map<string, { host: FakeHost; accept: (c: SecureConnection) => void }>();
  let nextPort = 20_000;

  function pump(end: End): void {
    if (end.host.frozen) {
      clock.after('thaw', 50, () => pump(end));
      return;
    }
    while (end.handler !== undefined && end.open) {
      const item = end.inbox.shift();
      if (item === undefined) return;
      if (typeof item === 'string') {
        end.open = false;
        end.handler.closed(item);
      } else end.handler.data(item);
    }
  }

  function makeEnd(
    role: 'client' | 'server',
    host: FakeHost,
    local: TransportAddress,
    remote: TransportAddress,
    peerChain: readonly Certificate[],
    binding: Uint8Array,
  ): End {
    const { datagrams } = network;
    const end: End = {
      ...(network.sharedSecret === true ? { sharedSecret: true, binding } : {}),
      ...(datagrams === undefined ? {} : { datagramBytes: datagrams.bytes }),
      role,
      local,
      remote,
      peerChain: network.sharedSecret === true ? [] : peerChain,
      bufferedBytes: 0,
      host,
      handler: undefined,
      inbox: [],
      open: true,
      other: undefined,
      setHandler(handler) {
        end.handler = handler;
        clock.after('pump', 0, () => pump(end));
      },
      send(bytes) {
        if (!end.open || host.dead) return;
        network.onSend?.(host, bytes);
        if (datagrams !== undefined) {
          if (bytes.length > datagrams.bytes) throw new Error('datagram too long');
          if (datagrams.loses()) return;
        }
        const copy = bytes.slice();
        clock.after('travel', delayMs, () => post(end.other, copy));
      },
      close(reason) {
        if (!end.open) return;
        clock.after('travel', delayMs, () => post(end.other, `peer closed: ${reason}`));
        clock.after('closed', 0, () => {
          if (!end.open) return;
          end.open = false;
          end.handler?.closed(reason);
        });
      },
    };
    return end;
  }

  function post(end: End | undefined, item: Uint8Array | string): void {
    if (end === undefined || !end.open || end.host.dead) return;
    end.inbox.push(item);
    pump(end);
  }

  const network: FakeNetwork = {
    listen(address, host, accept) {
      listeners.set(`${address.address}:${address.port}`, { host, accept });
    },
    dialer: (host) => ({
      dial(target, timeoutMs, done) {
        let settled = false;
        const settle = (outcome: Parameters<typeof done>[0]): void => {
          if (settled) return;
          settled = true;
          done(outcome);
        };
        clock.after('dial', 2 * delayMs, () => {
          const listener = listeners.get(`${target.address}:${target.port}`);
          if (host.dead || listener === undefined || listener.host.dead) {
            settle(failure('refused'));
            return;
          }
          if (listener.host.frozen || settled) {
            clock.after('dial-timeout', timeoutMs, () => settle(failure('timeout')));
            return;
          }
          const local = { address: host.address, port: nextPort++ };
          const binding = Uint8Array.from({ length: 32 }, (_, i) => (local.port >> (i % 16)) & 255);
          const client = makeEnd('client', host, local, target, listener.host.chain, binding);
          const server = makeEnd('server', listener.host, target, local, host.chain, binding);
          client.other = server;
          server.other = client;
          listener.accept(server);
          settle(success(client));
        });
        return () => settle(failure('abandoned'));
      },
    }),
  };
  return network;
}
