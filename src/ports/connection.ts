import type { Outcome } from '../base/outcome.ts';
import type { Certificate } from './certificates.ts';

/** An IP address in text form (no brackets, no zone) and a port. */
export interface TransportAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * A TLS (or DTLS) connection on which both sides proved possession of the key of the certificate
 * they showed. Whether that certificate is acceptable is for the core to decide.
 */
export interface SecureConnection {
  readonly role: 'client' | 'server';
  readonly local: TransportAddress;
  readonly remote: TransportAddress;
  /** Leaf first, as received; empty only with {@link sharedSecret}. */
  readonly peerChain: readonly Certificate[];
  /**
   * True when both sides proved that they know the shared secret of the overlay instead: whose link it
   * is, the first validly signed message tells (RFC 6940 §13.4, A-51).
   */
  readonly sharedSecret?: boolean;
  /** 32 bytes that nobody but the two ends of this very connection knows (RFC 5705); with {@link sharedSecret}. */
  readonly binding?: Uint8Array;
  /** Frames of a link that this end has sent before the link took the connection over. Absent: none. */
  readonly framesSent?: number;
  /**
   * Largest payload of one datagram (bytes) on DTLS; then every `send` and every `data` is one whole
   * datagram, which may be lost, repeated or overtaken. Absent on a stream.
   */
  readonly datagramBytes?: number | undefined;
  /** Round trip of the STUN check that found the path (ms), where there was one. */
  readonly stunRttMs?: number;
  /** Bytes handed to `send` and not yet taken by the network. */
  readonly bufferedBytes: number;
  /** Data that arrives before a handler is set is kept (bounded) and delivered then. Set exactly once. */
  setHandler(handler: ConnectionHandler): void;
  /** Queues bytes. Ignored after close. */
  send(bytes: Uint8Array): void;
  /** Sends what is queued, then closes. Idempotent. */
  close(reason: string): void;
}

export interface ConnectionHandler {
  /** Stream bytes in order; boundaries mean nothing. */
  data(bytes: Uint8Array): void;
  /** `bufferedBytes` fell below the low-water mark after it was above the high one. */
  drained?(): void;
  /** The last event; also after our own close. */
  closed(reason: string): void;
}

/** Where to dial, and how where that is known: the overlay link types without ICE. */
export interface DialTarget extends TransportAddress {
  /** Absent: whatever the overlay uses, one after the other. */
  readonly linkType?: 'TLS-TCP-FH-NO-ICE' | 'DTLS-UDP-SR-NO-ICE';
}

/** Opens connections with the node's own certificate. */
export interface Dialer {
  /**
   * Connects and completes the handshake; `done` is called later, exactly once.
   * A call of the returned function abandons the attempt (then `done` reports a failure).
   */
  dial(
    target: DialTarget,
    timeoutMs: number,
    done: (outcome: Outcome<SecureConnection>) => void,
  ): () => void;
}
