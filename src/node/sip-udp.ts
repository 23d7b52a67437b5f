import dgram from 'node:dgram';
import { limits } from '../base/limits.ts';
import type { Flow, FlowEvents } from '../ports/flow.ts';
import type { TransportAddress } from '../ports/connection.ts';
import type { Trace } from '../ports/trace.ts';
import { familyOf, hostPort, listenError } from './sip-addresses.ts';
import type { SipListener } from './sip-transports.ts';

/** One UDP socket with the flows of its neighbours. */
export interface SipUdpSocket {
  readonly listener: SipListener;
  /** Binds; the listener as bound. Rejects with an error that names the address. */
  start(): Promise<void>;
  close(): Promise<void>;
  /** The flow to a remote address; made on demand, never fails while the socket is open. */
  flowTo(remote: TransportAddress): Flow;
}

/** Datagrams that are no SIP: a STUN message, to be answered from the same port (RFC 5626 §8). */
export type StunHandler = (
  bytes: Uint8Array,
  remote: TransportAddress,
  reply: (bytes: Uint8Array) => void,
) => void;

/** What fits a UDP datagram over IPv4. */
const largestDatagram = 65_507;

interface UdpDeps {
  readonly listener: SipListener;
  readonly events: FlowEvents;
  readonly trace: Trace;
  readonly stun: StunHandler | undefined;
  readonly maxFlows: number;
}

export function createSipUdpSocket(deps: UdpDeps): SipUdpSocket {
  const { events, trace, stun, maxFlows } = deps;
  const ignored = trace.counter('sip_datagrams_ignored_total');
  const sendErrors = trace.counter('sip_datagram_errors_total');
  const family = familyOf(deps.listener.address);
  const socket = dgram.createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    ipv6Only: family === 6,
    recvBufferSize: limits.sipSockets.udpReceiveBufferBytes,
    // Targets are numeric; without this every datagram goes through the resolver's callback queue.
    lookup: (host, _options, callback) => {
      callback(null, host, family);
    },
  });
  let listener = deps.listener;
  let local: TransportAddress = { address: listener.address, port: listener.port };
  let open = false;
  /** Two generations in place of an exact LRU: no bookkeeping on a hit in the young one. */
  let young = new Map<string, UdpFlow>();
  let old = new Map<string, UdpFlow>();

  class UdpFlow implements Flow {
    readonly id: string;
    readonly transport = 'udp';
    readonly reliable = false;
    readonly secure = false;
    readonly local = local;
    readonly remote: TransportAddress;
    readonly listener = listener.name;
    readonly peer = undefined;

    constructor(id: string, remote: TransportAddress) {
      this.id = id;
      this.remote = remote;
    }

    get closed(): boolean {
      return !open;
    }

    send(bytes: Uint8Array): boolean {
      if (!open || bytes.length > largestDatagram) return false;
      // Without a callback: it would cost a tick for every datagram, and says nothing about delivery.
      socket.send(bytes, this.remote.port, this.remote.address);
      return true;
    }

    /** Datagram flows have nothing to close. */
    close(): void {
      return;
    }
  }

  function flowTo(remote: TransportAddress): UdpFlow {
    const key = `${remote.address} ${String(remote.port)}`;
    const known = young.get(key);
    if (known !== undefined) return known;
    const flow =
      old.get(key) ??
      new UdpFlow(`udp:${listener.name}:${hostPort(remote)}`, {
        address: remote.address,
        port: remote.port,
      });
    if (young.size >= maxFlows / 2) {
      old = young;
      young = new Map();
    }
    young.set(key, flow);
    return flow;
  }

  socket.on('message', (bytes, remote) => {
    const first = bytes[0] ?? 0;
    if (first < 32) {
      // Keep-alives of phones (CRLF, NUL) and STUN, whose first two bits are zero.
      if (bytes.length >= 20 && first < 4 && stun !== undefined) {
        stun(bytes, { address: remote.address, port: remote.port }, (reply) => {
          if (open) socket.send(reply, remote.port, remote.address);
        });
        return;
      }
      if (bytes.length < 20 || first !== 13) {
        ignored.add();
        return;
      }
    }
    if (remote.port === 0) ignored.add();
    else events.message(flowTo(remote), bytes);
  });

  return {
    get listener() {
      return listener;
    },
    start() {
      return new Promise((resolve, reject) => {
        socket.once('error', (error) => {
          reject(listenError(deps.listener, error));
        });
        socket.bind({ address: listener.address, port: listener.port, exclusive: true }, () => {
          const { port } = socket.address();
          listener = { ...listener, port };
          local = { address: listener.address, port };
          open = true;
          socket.removeAllListeners('error');
          socket.on('error', (error) => {
            sendErrors.add();
            trace.log('warn', 'sip-udp-error', { listener: listener.name, error: error.message });
          });
          resolve();
        });
      });
    },
    close() {
      const wasOpen = open;
      open = false;
      return new Promise((resolve) => {
        if (wasOpen) {
          socket.close(() => {
            resolve();
          });
        } else resolve();
      });
    },
    flowTo,
  };
}
