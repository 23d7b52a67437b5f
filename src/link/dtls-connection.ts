/** A secure connection out of a DTLS session and the path that carries its datagrams. RFC 6940 §6.6. */
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { ConnectionHandler, SecureConnection, TransportAddress } from '../ports/connection.ts';
import type { DtlsHandler, DtlsHost, DtlsSession } from '../ports/dtls.ts';

/** Carries datagrams between two addresses; belongs to one connection. */
export interface DatagramPath {
  readonly local: TransportAddress;
  readonly remote: TransportAddress;
  /** Round trip of the STUN check that found the path, ms. */
  readonly stunRttMs?: number;
  send(datagram: Uint8Array): void;
  /** The connection has ended or never came about. Called once. */
  close(reason: string): void;
}

/** A connection from its first flight on. */
export interface DtlsConnecting {
  /** A datagram that the path delivers. */
  receive(datagram: Uint8Array): void;
  /** The path is gone. */
  lost(reason: string): void;
}

export interface DtlsConnectionDependencies {
  readonly clock: Clock;
  readonly role: 'client' | 'server';
  readonly path: DatagramPath;
  /** Called later, once. */
  readonly done: (outcome: Outcome<SecureConnection>) => void;
}

/** Begins a session on a path whose far end is proved. */
export function connectDtls(
  dtls: DtlsHost,
  dependencies: DtlsConnectionDependencies,
): DtlsConnecting {
  const made = createDtlsConnection(dependencies);
  const session = dtls.open(dependencies.role, made.handler);
  if (session === undefined) {
    dependencies.clock.after('dtls-busy', 0, () => made.connecting.lost('too many DTLS sessions'));
  } else made.begin(session);
  return made.connecting;
}

/** The same where the session is there already: see {@link DtlsHost.listen}. */
export function createDtlsConnection(dependencies: DtlsConnectionDependencies): {
  readonly handler: DtlsHandler;
  readonly connecting: DtlsConnecting;
  begin(session: DtlsSession): void;
} {
  const { clock, role, path } = dependencies;
  let session: DtlsSession | undefined;
  let handler: ConnectionHandler | undefined;
  let early: Uint8Array[] = [];
  let state: 'handshake' | 'open' | 'closed' = 'handshake';
  let endReason: string | undefined;

  function end(reason: string): void {
    if (state === 'closed') return;
    const wasOpen = state === 'open';
    state = 'closed';
    endReason = reason;
    session?.close();
    path.close(reason);
    if (!wasOpen) dependencies.done(failure(reason));
    else handler?.closed(reason);
  }

  function connection(peerChain: readonly Certificate[], maxBytes: number): SecureConnection {
    return {
      role,
      local: path.local,
      remote: path.remote,
      peerChain,
      sharedSecret: false,
      datagramBytes: maxBytes,
      ...(path.stunRttMs === undefined ? {} : { stunRttMs: path.stunRttMs }),
      bufferedBytes: 0,
      setHandler(given) {
        clock.after('dtls-early', 0, () => {
          handler = given;
          const waiting = early;
          early = [];
          for (const bytes of waiting) given.data(bytes);
          if (endReason !== undefined) given.closed(endReason);
        });
      },
      send(bytes) {
        if (state === 'open') session?.send(bytes);
      },
      close(reason) {
        if (state !== 'open') return;
        state = 'closed';
        session?.close();
        path.close(reason);
        if (handler === undefined) endReason = reason;
        else clock.after('dtls-closed', 0, () => handler?.closed(reason));
      },
    };
  }

  return {
    begin(given) {
      session = given;
    },
    handler: {
      output: (datagram) => path.send(datagram),
      connected(peerChain) {
        if (state !== 'handshake') return;
        state = 'open';
        dependencies.done(success(connection(peerChain, session?.maxBytes ?? 0)));
      },
      data(bytes) {
        if (state !== 'open') return;
        if (handler !== undefined) handler.data(bytes);
        else if (early.length < limits.link.earlyDatagrams) early.push(bytes);
      },
      closed: end,
    },
    connecting: {
      receive: (datagram) => session?.receive(datagram),
      lost: end,
    },
  };
}
