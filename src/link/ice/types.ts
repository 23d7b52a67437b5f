/**
 * The ICE agent as its users see it: one agent makes one path (one stream, one component, one
 * exchange of candidates) for an Attach or an AppAttach. RFC 6940 §6.5.1.3 to §6.5.1.14, RFC 8445.
 */
import type { Outcome } from '../../base/outcome.ts';
import type { Clock } from '../../ports/clock.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { DatagramOpener } from '../../ports/datagram.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import type { IceCandidate } from '../../wire/reload/ice-candidate.ts';
import type { IcePacer } from './pacer.ts';

/** What the two sides tell each other: the fields of AttachReqAns that ICE owns. RFC 6940 §6.5.1.1. */
export interface IceParameters {
  readonly ufrag: string;
  readonly password: string;
  readonly candidates: readonly IceCandidate[];
}

/** The sender of the Attach request is controlling, the answerer controlled. RFC 6940 §6.5.1.9. */
export type IceRole = 'controlling' | 'controlled';

/**
 * `new` until `gather`, `gathering` until its `done`, `gathered` until `start`, `checking` until
 * `connected` or `failed`; `closed` is the end of every agent.
 */
export type IceState = 'new' | 'gathering' | 'gathered' | 'checking' | 'connected' | 'closed';

/** A TURN server with long-term credentials. RFC 8656 §5. */
export interface TurnServer {
  readonly server: TransportAddress;
  readonly username: string;
  readonly password: string;
}

/** Where an agent learns its reflexive and relayed addresses; bounded by limits.ice. */
export interface IceServers {
  readonly stun: readonly TransportAddress[];
  readonly turn: readonly TurnServer[];
}

/** The path that was chosen. */
export interface IcePath {
  /** The address of our socket, or of our relay. */
  readonly local: TransportAddress;
  /** Where the far end receives, as seen from here. */
  readonly remote: TransportAddress;
  /** True when one of both sides is a relayed candidate. */
  readonly relayed: boolean;
  /**
   * Our address as the far end sees it, when it differs from {@link local}: for the grouping of
   * STUN servers (RFC 6940 §6.5.1.4) and for the choice of TURN servers (§9).
   */
  readonly reflexive: TransportAddress | undefined;
  /** Round trip of the last successful check: the first RTT estimate of the link (RFC 6940 §6.6.3.1). */
  readonly rttMs: number;
}

export interface IceEvents {
  /**
   * Once: the path may be used. Data that came before (§6.5.1.14: at any time, from far-end
   * candidates) was kept, bounded, and follows through {@link datagram} right after this event.
   */
  connected(path: IcePath): void;
  /** Instead of {@link connected}: no path within the bound. The agent is closed; the last event. */
  failed(reason: string): void;
  /** Application data (its first byte is no STUN one). The bytes are not written to by anybody else. */
  datagram(bytes: Uint8Array): void;
  /** After {@link connected}: the path is gone, or the own `close`. The last event. */
  closed(reason: string): void;
}

export interface IceAgent {
  readonly state: IceState;
  /** Set once connected. */
  readonly path: IcePath | undefined;
  /**
   * Opens the sockets and asks the servers; within limits.ice.gatherMs. `done` is called later, once,
   * and not at all after `close`. A failure means that there is not a single candidate; the agent is
   * closed then. Only in state `new`.
   */
  gather(done: (outcome: Outcome<IceParameters>) => void): void;
  /**
   * Starts the checks with what the far end sent; ends in `connected` or `failed` within
   * limits.ice.checksMs. Only in state `gathered`; there is no second time (RFC 6940 §6.5.1.12).
   */
  start(remote: IceParameters, role: IceRole): void;
  /** Sends application data on the path; ignored unless connected. */
  send(bytes: Uint8Array): void;
  /**
   * Frees sockets and relays. Idempotent. `closed` follows, later, when it was connected; otherwise
   * nothing follows.
   */
  close(reason: string): void;
}

export interface IceAgentDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly sockets: DatagramOpener;
  /** One for all agents of a process. */
  readonly pacer: IcePacer;
  /** Own IP addresses to open a socket on, best first. */
  readonly addresses: readonly string[];
  readonly servers: IceServers;
  readonly events: IceEvents;
}

/** Makes an agent; injected where tests or simulations bring their own. */
export type IceAgentFactory = (dependencies: IceAgentDependencies) => IceAgent;
