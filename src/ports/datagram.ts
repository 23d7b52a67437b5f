import type { Outcome } from '../base/outcome.ts';
import type { TransportAddress } from './connection.ts';

/** UDP sockets of the host. */
export interface DatagramOpener {
  /**
   * Binds a socket; port 0 lets the system choose. `done` is called later, exactly once; the error
   * names address and port. Sockets at once are bounded: beyond it opening fails.
   */
  open(
    at: TransportAddress,
    handler: DatagramHandler,
    done: (outcome: Outcome<DatagramSocket>) => void,
  ): void;
}

export interface DatagramSocket {
  /** As bound, with the port that the system chose. */
  readonly local: TransportAddress;
  /**
   * Sends one datagram, or loses it: when too much waits for the network, the address is of another
   * family, or nobody is there. The bytes must not be changed afterwards.
   */
  send(bytes: Uint8Array, to: TransportAddress): void;
  /** Nothing is delivered afterwards. Idempotent. */
  close(): void;
}

export interface DatagramHandler {
  /** One datagram; the bytes belong to the receiver. IPv4 senders appear as IPv4. */
  received(bytes: Uint8Array, from: TransportAddress): void;
  /** The socket failed and is closed. */
  failed?(reason: string): void;
}
