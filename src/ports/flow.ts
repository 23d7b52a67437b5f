import type { Outcome } from '../base/outcome.ts';
import type { NodeId } from '../base/ids.ts';
import type { TransportAddress } from './connection.ts';

export type SipTransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/**
 * A way to and from one SIP neighbour (RFC 5626 §3.1): one stream connection, or one pair of
 * datagram addresses. Roles never see sockets.
 */
export interface Flow {
  /** Unique for the life of the process and, for UDP, the same again after a restart (printable ASCII, at most 128). */
  readonly id: string;
  readonly transport: SipTransportName;
  /** True when the transport retransmits and keeps order (everything but UDP). */
  readonly reliable: boolean;
  /** True when the hop is encrypted (TLS, WSS, overlay connection). */
  readonly secure: boolean;
  readonly local: TransportAddress;
  readonly remote: TransportAddress;
  /** Name of the listener it belongs to; `overlay` for connections made by AppAttach. */
  readonly listener: string;
  /** Node-ID proved by the certificate at the other end (overlay connections), else `undefined`. */
  readonly peer: NodeId | undefined;
  readonly closed: boolean;
  /** Queues one whole SIP message (or keep-alive); false when the flow is closed or its buffer is full. */
  send(bytes: Uint8Array): boolean;
  close(reason: string): void;
  /** From now on the flow is closed after so long without any traffic (RFC 5626 §5.4); TCP and TLS only. */
  expectTraffic?(withinMs: number): void;
}

/** What the transports report to the SIP core. */
export interface FlowEvents {
  /** One whole message as framed by the transport (datagram, Content-Length, WebSocket message). */
  message(flow: Flow, bytes: Uint8Array): void;
  closed(flow: Flow, reason: string): void;
}

export interface FlowTarget {
  readonly transport: SipTransportName;
  readonly address: string;
  readonly port: number;
  /** Server name for TLS. */
  readonly host?: string;
  /** Send from this listener; else the first that fits transport and address family. */
  readonly listener?: string;
}

/** Opens flows towards phones and other SIP servers. */
export interface FlowOpener {
  /** An open flow to the target is reused; `done` is called later, exactly once. */
  open(target: FlowTarget, done: (outcome: Outcome<Flow>) => void): void;
  /** The flow with that id when it is still usable (a UDP flow always is while its listener exists). */
  find(id: string): Flow | undefined;
}

/** Cuts a byte stream into whole SIP messages; one for each connection. RFC 3261 §18.3, RFC 5626 §4.4.1. */
export interface StreamFramer {
  /**
   * Takes the next bytes, calls `events` for everything that became complete, in order. A word when
   * the stream cannot be followed any further: the connection must be closed then.
   */
  push(bytes: Uint8Array, events: StreamFramerEvents): string | undefined;
}

export interface StreamFramerEvents {
  /** One whole message; the bytes are not changed afterwards. */
  message(bytes: Uint8Array): void;
  /** CRLF CRLF between messages: to be answered with CRLF. */
  ping(): void;
  /** A single CRLF between messages. */
  pong(): void;
}
