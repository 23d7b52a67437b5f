import type { FlowEvents, FlowOpener, SipTransportName } from '../ports/flow.ts';
import type { Trace } from '../ports/trace.ts';

/** One address on which SIP is served. */
export interface SipListener {
  /** Unique; printable ASCII without `:`; appears in flow ids. */
  readonly name: string;
  readonly transport: SipTransportName;
  /** Numeric IPv4 or IPv6 address. */
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** PEM; needed for tls and wss. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string };
}

export interface SipTransportsOptions {
  readonly listeners: readonly SipListener[];
  readonly events: FlowEvents;
  readonly trace: Trace;
  readonly limits?: {
    readonly connections?: number;
    readonly outputBytes?: number;
    readonly idleMs?: number;
    readonly udpFlows?: number;
  };
}

export interface SipTransports {
  /** Binds all listeners; rejects with an error that names the address and port that failed. */
  start(): Promise<void>;
  close(): Promise<void>;
  readonly opener: FlowOpener;
  /** Addresses after `start`, with the ports the system chose. */
  readonly bound: readonly SipListener[];
}

export declare function createSipTransports(options: SipTransportsOptions): SipTransports;
