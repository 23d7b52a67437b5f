import type { Clock } from '../../ports/clock.ts';
import type { Flow, FlowOpener } from '../../ports/flow.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import type { Accounts } from '../auth/accounts.ts';
import type { LocationTable } from '../location/location-table.ts';
import type { CallerScreen, HopAddressing, TargetResolver } from '../proxy/targets.ts';
import type { RegistrationAdmission } from '../registrar/admission.ts';
import type { Domains } from './domains.ts';
import type { ListenerPolicy, SipSettings } from './settings.ts';

export interface SipServerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly domains: Domains;
  readonly accounts: Accounts;
  readonly location: LocationTable;
  readonly flows: FlowOpener;
  /** Usually `createPhoneHops(...)`, wrapped by the adapter for overlay flows. */
  readonly hops: HopAddressing;
  readonly resolver: TargetResolver;
  /** Absent: every change takes effect at once. */
  readonly admission?: RegistrationAdmission;
  /** Absent: requests from the overlay pass unchanged. */
  readonly screen?: CallerScreen;
  readonly settings: SipSettings;
  /** Policy by listener name; absent: `defaultListenerPolicy`. */
  listener?(name: string): ListenerPolicy;
  /** Secret for nonces, at least 16 bytes, durable. */
  readonly nonceKey: Uint8Array;
  /** Status of one more than the given load: true refuses new calls with 503 (established ones go on). */
  overloaded?(): boolean;
}

/** The SIP side of an adapter: transaction layer, registrar, proxy, redirect server in one. */
export interface SipServer {
  /** One whole message as framed by the transport. */
  receive(flow: Flow, bytes: Uint8Array): void;
  flowClosed(flow: Flow): void;
  /** Stops accepting new work and ends timers; established calls are not torn down. `done` when durable. */
  stop(done: () => void): void;
  snapshot(): SipServerSnapshot;
}

export interface SipServerSnapshot {
  /** INVITE response contexts without a final answer. */
  readonly callsRinging: number;
  /** Response contexts of any method. */
  readonly contexts: number;
  readonly transactions: number;
  readonly aors: number;
  readonly bindings: number;
}
