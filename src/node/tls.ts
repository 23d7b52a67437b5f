/** Secure connections over TCP: TLS 1.2 and newer, certificates on both sides. RFC 6940 §6.6.5; A-43. */
import { createWriteStream } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { constants } from 'node:crypto';
import { connect, createSecureContext, createServer } from 'node:tls';
import type { SecureContext, SecureContextOptions, TLSSocket } from 'node:tls';
import type { Socket } from 'node:net';
import type { KeyObject } from 'node:crypto';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';
import type { Dialer, SecureConnection, TransportAddress } from '../ports/connection.ts';
import type { Trace } from '../ports/trace.ts';
import { createAdmission } from './admission.ts';
import type { Admitted } from './admission.ts';
import { peerChain } from './peer-chain.ts';
import { pemCertificate } from './pem.ts';
import { pskOptions } from './tls-psk.ts';
import type { PskOptions } from './tls-psk.ts';
import { secureConnection } from './secure-connection.ts';

/** What this node shows on its connections. */
export interface TlsIdentity {
  readonly privateKey: KeyObject;
  /** Leaf first, without the root. */
  readonly chain: readonly Certificate[];
}

export interface TlsDependencies {
  readonly verifier: Verifier;
  readonly trace: Trace;
  /** Read for every connection: the same object until the identity is replaced. */
  readonly identity: () => TlsIdentity;
  /**
   * Set where the overlay uses a shared secret: then it takes the place of certificates on
   * connections (RFC 6940 §13.4).
   */
  readonly sharedSecret?: string | undefined;
  /** Receives the secrets of each connection in NSS format; see {@link openKeyLog}. */
  readonly keyLog?: KeyLog | undefined;
}

export interface DialerOptions extends TlsDependencies {
  /** Address that connections come from; the system chooses by default. */
  readonly localAddress?: string | undefined;
}

export interface ListenOptions extends TlsDependencies {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly onConnection: (connection: SecureConnection) => void;
  readonly handshakeTimeoutMs: number;
  /** Established connections; beyond it new ones are closed at once. */
  readonly maxConnections: number;
}

export interface SecureListener {
  readonly local: TransportAddress;
  /** Stops accepting; established connections stay unless `connections` is true. */
  close(connections: boolean): Promise<void>;
}

export interface KeyLog {
  write(line: Buffer): void;
  close(): void;
}

/** The Dialer port. The error texts name the address. */
export function createDialer(options: DialerOptions): Dialer {
  const failed = options.trace.counter('tls_handshakes_total', {
    role: 'client',
    result: 'failed',
  });
  const good = options.trace.counter('tls_handshakes_total', { role: 'client', result: 'ok' });
  const { sharedSecret } = options;
  const psk = sharedSecret === undefined ? undefined : pskOptions(sharedSecret);

  return {
    dial(target, timeoutMs, done) {
      const name = addressText(target);
      let settled = false;
      const socket = connect({
        host: target.address,
        port: target.port,
        ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
        ...(psk === undefined
          ? { secureContext: contextOf(options.identity()) }
          : { ...psk.client, secureContext: createSecureContext(pskContext(psk)) }),
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
      });
      const timer = setTimeout(() => {
        fail(`no connection to ${name} within ${String(timeoutMs)} ms`);
      }, timeoutMs);

      function settle(outcome: Outcome<SecureConnection>): void {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        (outcome.ok ? good : failed).add();
        setImmediate(done, outcome);
      }
      function fail(reason: string): void {
        settle(failure(reason));
        socket.destroy();
      }

      logKeys(socket, options.keyLog);
      socket.on('error', (error: Error) => {
        fail(`cannot connect to ${name}: ${error.message}`);
      });
      socket.once('close', () => {
        settle(failure(`${name} closed the connection during the handshake`));
      });
      socket.once('secureConnect', () => {
        if (settled) return;
        const chain = psk === undefined ? peerChain(socket, options.verifier) : success([]);
        if (!chain.ok) {
          fail(`${name}: ${chain.error}`);
          return;
        }
        settle(success(secureConnection(socket, 'client', chain.value, options.trace)));
      });
      return () => {
        fail(`the attempt to connect to ${name} was abandoned`);
      };
    },
  };
}

/** Opens a listener; the error names address and port. */
export async function listenSecure(options: ListenOptions): Promise<Outcome<SecureListener>> {
  const { trace, verifier, host, port } = options;
  const result = (name: string) => {
    return trace.counter('tls_handshakes_total', { role: 'server', result: name });
  };
  const good = result('ok');
  const failed = result('failed');
  const shed = result('refused-busy');
  const refused = result('refused-certificate');
  const admission = createAdmission(options.maxConnections);
  const open = new Set<Socket>();
  const admittedBy = new Map<string, Admitted>();
  let identity = options.identity();
  const { sharedSecret } = options;
  const psk = sharedSecret === undefined ? undefined : pskOptions(sharedSecret);
  const server = createServer({
    ...(psk === undefined
      ? { ...contextOptions(identity), requestCert: true }
      : { ...pskContext(psk), ...psk.server }),
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs,
  });

  server.prependListener('connection', (socket: Socket) => {
    const admitted = admission.begin(socket.remoteAddress ?? '', performance.now());
    if (admitted === undefined) {
      shed.add();
      socket.destroy();
      return;
    }
    const endpoint = endpointOf(socket);
    admittedBy.set(endpoint, admitted);
    open.add(socket);
    socket.once('close', () => {
      open.delete(socket);
      admittedBy.delete(endpoint);
      admitted.closed();
    });
    const current = options.identity();
    if (current !== identity && psk === undefined) {
      identity = current;
      server.setSecureContext(contextOptions(identity));
    }
  });
  server.on('keylog', (line) => options.keyLog?.write(line));
  server.on('tlsClientError', (_error, socket) => {
    failed.add();
    socket.destroy();
  });
  server.on('secureConnection', (socket) => {
    admittedBy.get(endpointOf(socket))?.established();
    const chain = socket.isSessionReused()
      ? failure('session resumption is not accepted')
      : psk === undefined
        ? peerChain(socket, verifier)
        : success([]);
    if (!chain.ok) {
      refused.add();
      trace.log('info', 'tls-refused', { remote: socket.remoteAddress, why: chain.error });
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    good.add();
    options.onConnection(secureConnection(socket, 'server', chain.value, trace));
  });

  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      resolve(failure(listenError({ address: host, port }, error)));
    };
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.off('error', onError);
      server.on('error', (error) => {
        trace.log('error', 'tls-listener-failed', { error });
      });
      const bound = server.address();
      const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
      resolve(
        success({
          local: { address: host, port: boundPort },
          async close(connections) {
            const closed = new Promise<void>((stopped) =>
              server.close(() => {
                stopped();
              }),
            );
            if (!connections) {
              server.unref();
              return;
            }
            for (const socket of open) socket.destroy();
            await closed;
          },
        }),
      );
    });
  });
}

/** Text for a listener that could not be opened, whatever the protocol. */
export function listenError(address: TransportAddress, error: NodeJS.ErrnoException): string {
  const name = addressText(address);
  switch (error.code) {
    case 'EADDRINUSE':
      return `cannot listen on ${name}: the port is in use by another process`;
    case 'EACCES':
      return `cannot listen on ${name}: permission denied (ports below 1024 need privileges)`;
    case 'EADDRNOTAVAIL':
      return `cannot listen on ${name}: this machine does not have the address`;
    default:
      return `cannot listen on ${name}: ${error.message}`;
  }
}

/** `address:port`, brackets around IPv6. */
export function addressText({ address, port }: TransportAddress): string {
  return `${address.includes(':') ? `[${address}]` : address}:${String(port)}`;
}

/** A file of NSS key log lines, readable by its owner only; for analysis in laboratories. */
export function openKeyLog(path: string, onError: (error: Error) => void): KeyLog {
  const stream: WriteStream = createWriteStream(path, { flags: 'a', mode: 0o600 });
  stream.on('error', onError);
  return {
    write(line) {
      stream.write(line);
    },
    close() {
      stream.end();
    },
  };
}

function logKeys(socket: TLSSocket, keyLog: KeyLog | undefined): void {
  if (keyLog === undefined) return;
  socket.on('keylog', (line) => {
    keyLog.write(line);
  });
}

function endpointOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ''} ${String(socket.remotePort)}`;
}

function pskContext(psk: PskOptions): SecureContextOptions {
  return { ...psk.context, secureOptions };
}

const contexts = new WeakMap<TlsIdentity, SecureContext>();

/** Making a context costs as much as a handshake; one serves until the identity changes. */
function contextOf(identity: TlsIdentity): SecureContext {
  let context = contexts.get(identity);
  if (context === undefined) {
    context = createSecureContext(contextOptions(identity));
    contexts.set(identity, context);
  }
  return context;
}

/** A resumed session would show a certificate without proving its key again. */
const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

function contextOptions(identity: TlsIdentity): SecureContextOptions {
  return {
    key: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: identity.chain.map(({ der }) => pemCertificate(der)).join(''),
    minVersion: 'TLSv1.2',
    secureOptions,
    // Forward secrecy and authentication throughout; no CBC, NULL, anonymous or PSK suites.
    ciphers:
      'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:' +
      'ECDHE+AESGCM:ECDHE+CHACHA20',
  };
}
