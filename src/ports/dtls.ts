import type { Certificate } from './certificates.ts';
import type { TransportAddress } from './connection.ts';

/**
 * DTLS 1.2 without sockets (RFC 6347): datagrams in, datagrams out. Both sides show certificates and
 * prove possession of their keys; whether a certificate is acceptable is for the core to decide.
 * Retransmission timers run inside the host.
 */
export interface DtlsHost {
  /**
   * Begins a session with a far end whose address has been proved (by ICE, or by being the one dialed);
   * a client sends its first flight at once, a server waits for it. `undefined` when there are too many.
   */
  open(role: 'client' | 'server', handler: DtlsHandler): DtlsSession | undefined;
  /**
   * The side of a port that strangers may address: keeps no state for an address that has not
   * returned its cookie (RFC 6347 §4.2.1).
   */
  listen(handler: DtlsListenerHandler): DtlsListener;
}

export interface DtlsSession {
  /** Largest argument of {@link send} (bytes). */
  readonly maxBytes: number;
  /** One datagram of the far end; anything that is not of this session is ignored. */
  receive(datagram: Uint8Array): void;
  /** One datagram of application data, at most {@link maxBytes}; ignored before `connected` and after the end. */
  send(bytes: Uint8Array): void;
  /** Tells the far end and frees the session; `closed` is not called. Idempotent. */
  close(): void;
}

/** Nothing is called inside {@link DtlsHost.open}. */
export interface DtlsHandler {
  /** One datagram for the far end. */
  output(datagram: Uint8Array): void;
  /** The handshake is complete; the chain is the far end's, leaf first, with its possession proved. */
  connected(peerChain: readonly Certificate[]): void;
  /** One datagram of application data. */
  data(bytes: Uint8Array): void;
  /** The last event: the far end closed, or the handshake failed. */
  closed(reason: string): void;
}

export interface DtlsListener {
  /** A datagram from an address that has no session. */
  receive(datagram: Uint8Array, from: TransportAddress): void;
  close(): void;
}

export interface DtlsListenerHandler {
  /** An answer to a datagram, for a stranger. */
  reply(datagram: Uint8Array, to: TransportAddress): void;
  /**
   * The address is proved. Returns the handler of the session that begins, or `undefined` to refuse it.
   * The session's first output comes after this call.
   */
  accepted(from: TransportAddress, session: DtlsSession): DtlsHandler | undefined;
}
