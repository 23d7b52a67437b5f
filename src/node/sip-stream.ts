import net from 'node:net';
import tls from 'node:tls';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { limits } from '../base/limits.ts';
import type { Flow, FlowTarget, StreamFramer } from '../ports/flow.ts';
import type { TransportAddress } from '../ports/connection.ts';
import { familyOf, listenError, plainAddress } from './sip-addresses.ts';
import type { ConnectionTable } from './sip-connections.ts';
import { checkSipServer } from './sip-identities.ts';
import { createTlsContexts, type SipTls } from './sip-tls.ts';
import type { SipListener } from './sip-transports.ts';

const pong = Buffer.from('\r\n');

/** What client connections check servers against. */
export interface TlsClientSettings {
  /** PEM certificates to trust in place of the well-known roots. */
  readonly ca?: string;
  readonly key?: string;
  readonly cert?: string;
}

export interface StreamDeps {
  readonly table: ConnectionTable;
  readonly createFramer: () => StreamFramer;
}

/** A TCP or TLS listener. */
export interface SipStreamServer {
  readonly listener: SipListener;
  start(): Promise<void>;
  close(): Promise<void>;
  /** Absent where there is no TLS. */
  readonly useTls?: (settings: SipTls) => void;
}

export function createSipStreamServer(deps: StreamDeps, wanted: SipListener): SipStreamServer {
  const { table } = deps;
  let listener = wanted;
  const accept = (socket: net.Socket): void => {
    const address = plainAddress(socket.remoteAddress);
    if (address === '' || !table.mayAccept(address)) {
      socket.destroy();
      return;
    }
    const remote = { address, port: socket.remotePort ?? 0 };
    const target =
      listener.transport === 'tcp' ? targetKey({ transport: 'tcp', ...remote }) : undefined;
    adoptSocket(deps, socket, listener, remote, target, 'server');
  };
  const secured = wanted.transport === 'tls' ? secure(wanted, accept) : undefined;
  const server = secured?.server ?? net.createServer(accept);
  const refusedHandshakes = table.trace.counter('sip_tls_handshake_errors_total');
  server.on('tlsClientError', () => {
    refusedHandshakes.add();
  });
  const close = closer(server);

  return {
    get listener() {
      return listener;
    },
    start: () =>
      listen(server, wanted).then((port) => {
        listener = { ...wanted, port };
      }),
    close,
    ...(secured === undefined ? {} : { useTls: secured.useTls }),
  };
}

function secure(
  wanted: SipListener,
  accept: (socket: tls.TLSSocket) => void,
): { readonly server: net.Server; readonly useTls: (settings: SipTls) => void } {
  const contexts = createTlsContexts(wanted.tls);
  const server = tls.createServer(contexts.options, accept);
  return {
    server,
    useTls: (settings) => {
      contexts.use(server, settings);
    },
  };
}

/** Binds; resolves with the port, rejects with an error that names the address. */
export function listen(server: net.Server, wanted: SipListener): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      reject(listenError(wanted, error));
    };
    server.once('error', failed);
    const { address: host, port } = wanted;
    server.listen({ host, port, ipv6Only: familyOf(host) === 6, backlog: 1024 }, () => {
      server.removeListener('error', failed);
      resolve((server.address() as net.AddressInfo).port);
    });
  });
}

/**
 * How to end a server: connections get a moment to send what they hold, then they are cut off, also
 * those whose TLS handshake never ended. Call before the server listens.
 */
export function closer(server: net.Server): () => Promise<void> {
  const open = new Set<net.Socket>();
  server.prependListener('connection', (socket: net.Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return async () => {
    if (!server.listening) return;
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => {
        for (const socket of open) socket.destroy();
      }, limits.sipSockets.closeMs);
      server.close(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  };
}

/** Under what a connection may be reused for requests. */
export function targetKey(target: FlowTarget): string {
  const key = `${target.transport} ${target.address} ${String(target.port)}`;
  return target.transport === 'tls' ? `${key} ${target.host ?? ''}` : key;
}

/** Connects (and completes the TLS handshake) within `limits.sipSockets.connectMs`. */
export function connectStream(
  deps: StreamDeps,
  target: FlowTarget,
  listener: SipListener,
  tlsClient: TlsClientSettings,
  done: (outcome: Outcome<Flow>) => void,
): void {
  const { address: host, port } = target;
  const isWildcard = listener.address === '0.0.0.0' || listener.address === '::';
  const isOtherFamily = familyOf(listener.address) !== familyOf(host);
  const from = isWildcard || isOtherFamily ? {} : { localAddress: listener.address };
  const servername =
    target.host === undefined || net.isIP(target.host) !== 0 ? {} : { servername: target.host };
  const socket =
    target.transport === 'tls'
      ? tls.connect({
          ...{ host, port, ...from, ...servername, ...tlsClient },
          checkServerIdentity: (_name, certificate) =>
            checkSipServer(target.host ?? host, certificate),
        })
      : net.connect({ host, port, ...from });
  const settle = (outcome: Outcome<Flow>): void => {
    clearTimeout(timer);
    socket.removeListener('error', failed);
    done(outcome);
  };
  const failed = (error: Error): void => {
    socket.on('error', () => undefined);
    socket.destroy();
    settle(failure((error as NodeJS.ErrnoException).code ?? error.message));
  };
  const timer = setTimeout(() => {
    failed(new Error('connect-timeout'));
  }, limits.sipSockets.connectMs);
  socket.once('error', failed);
  socket.once(target.transport === 'tls' ? 'secureConnect' : 'connect', () => {
    const remote = { address: plainAddress(socket.remoteAddress), port };
    settle(success(adoptSocket(deps, socket, listener, remote, targetKey(target), 'client')));
  });
}

/** Makes the flow of a connected socket. */
function adoptSocket(
  deps: StreamDeps,
  socket: net.Socket,
  listener: SipListener,
  remote: TransportAddress,
  target: string | undefined,
  role: 'client' | 'server',
): Flow {
  const { table } = deps;
  const { events, limits: bounds } = table;
  const framer = deps.createFramer();
  const transport = socket instanceof tls.TLSSocket ? 'tls' : 'tcp';
  // The neighbour must be told the port that takes connections, RFC 3261 §18.1.1.
  const localPort =
    role === 'client' && listener.port !== 0 ? listener.port : (socket.localPort ?? 0);
  let closed = false;
  let reason = 'closed-by-peer';

  const flow: Flow = {
    id: table.newId(transport, listener.name),
    transport,
    reliable: true,
    secure: transport === 'tls',
    local: { address: plainAddress(socket.localAddress), port: localPort },
    remote,
    listener: listener.name,
    peer: undefined,
    get closed() {
      return closed;
    },
    send(bytes) {
      if (closed) return false;
      if (socket.writableLength + bytes.length > bounds.outputBytes) {
        end('output-full');
        socket.destroy();
        return false;
      }
      socket.write(bytes);
      return true;
    },
    close(why) {
      if (closed) return;
      socket.setTimeout(limits.sipSockets.flushMs);
      socket.destroySoon();
      end(why);
    },
    expectTraffic(withinMs) {
      if (!closed) socket.setTimeout(withinMs);
    },
  };

  function end(why: string): void {
    if (closed) return;
    closed = true;
    table.remove(flow, why);
  }

  let greeted = role === 'client';
  const framed = {
    message(bytes: Uint8Array): void {
      greet();
      if (!closed) events.message(flow, bytes);
    },
    ping(): void {
      greet();
      if (!closed) flow.send(pong);
    },
    pong(): void {
      greet();
    },
  };
  function greet(): void {
    if (greeted) return;
    greeted = true;
    socket.setTimeout(bounds.idleMs);
  }

  const streamErrors = table.trace.counter('sip_stream_errors_total');
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 60_000);
  socket.setTimeout(greeted ? bounds.idleMs : bounds.firstMessageMs);
  socket.on('data', (bytes: Buffer) => {
    if (closed) return;
    const problem = framer.push(bytes, framed);
    if (problem === undefined) return;
    streamErrors.add();
    flow.close(problem);
  });
  socket.on('timeout', () => {
    if (closed) socket.destroy();
    else flow.close('idle');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message;
  });
  socket.on('close', () => {
    end(reason);
  });
  table.add(flow, target);
  return flow;
}
