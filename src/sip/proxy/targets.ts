import type { Outcome } from '../../base/outcome.ts';
import type { Flow, FlowTarget } from '../../ports/flow.ts';
import type { SipFailure } from '../core/failure.ts';
import type { SipRequest } from '../message/message.ts';

/**
 * Finds or opens a flow. `done` is called exactly once, later or inside the call. The returned function
 * gives the attempt up (then `done` need not be called). `next` opens the next address of the same place,
 * to be tried after a transport error, a time-out without any answer, or a 503 (RFC 3263 §4.3).
 */
export type OpenFlow = (done: OpenedFlow) => () => void;
export type OpenedFlow = (outcome: Outcome<Flow, SipFailure>, next?: OpenFlow) => void;

/** One place a request may be sent to. RFC 3261 §16.5. */
export interface ProxyTarget {
  /** The new Request-URI, without angle brackets. */
  readonly uri: string;
  /** 0..1000; targets of equal q ring together, lower ones only after the higher ones failed. */
  readonly q: number;
  /** Route values to push (with angle brackets), first hop first. */
  readonly route: readonly string[];
  readonly side: 'phone' | 'overlay' | 'outside';
  /** Finds or opens the flow. A failure counts as that branch's answer. */
  readonly open: OpenFlow;
  /**
   * Other ways to the same phone: tried in turn after 408 or 430, a time-out, a transport error, or when
   * `open` failed. At most `limits.sipRoles.alternates`.
   */
  readonly alternates?: readonly ProxyTarget[];
  /** Part of the trusted set of RFC 3325: asserted identities go there whatever privacy was asked for. */
  readonly trusted?: boolean;
  /** The place takes connections on the port of its datagrams: large requests go there by TCP. RFC 3261 §18.1.1. */
  readonly streams?: boolean;
  /**
   * What a redirected caller is told instead of `uri`, which would lead it back here or nowhere;
   * `undefined` where nobody but this server reaches the place.
   */
  readonly toldAs?: () => string | undefined;
  /** For logs. */
  readonly label: string;
  /** Parameters of the Contact as registered, for caller preferences; absent: nothing is known. RFC 3841 §7.2.3. */
  readonly features?: string;
  /** Headers to set on the forwarded request (replacing rows of that name). */
  readonly extraHeaders?: readonly (readonly [name: string, value: string])[];
}

export interface ResolveContext {
  /** As received, Route values of our own already removed. */
  readonly request: SipRequest;
  /** The flow the request came on. */
  readonly flow: Flow;
  /** Canonical address of record of the Request-URI when its domain is served here, else `undefined`. */
  readonly aor: string | undefined;
  /** Canonical address of record of the authenticated sender, `undefined` when not authenticated. */
  readonly authenticatedAor: string | undefined;
  /** The request came over the overlay: only local bindings may be named. */
  readonly fromOverlay: boolean;
}

export interface TargetSink {
  /** May be called repeatedly as targets become known, within `resolve` or later; ignored after `done`. */
  targets(targets: readonly ProxyTarget[]): void;
  /** No more targets. The failure is the answer when there was no target at all (404, 480, …). */
  done(failure?: SipFailure): void;
}

/** Turns a Request-URI into targets: local bindings, overlay lookup, outside domains. */
export interface TargetResolver {
  /** The returned function gives the search up; no calls follow it. */
  resolve(context: ResolveContext, sink: TargetSink): () => void;
}

/** Via sent-by of one hop. */
export interface ViaSentBy {
  /** With brackets when IPv6. */
  readonly host: string;
  readonly port?: number;
  /** Parameters before the branch, each starting with `;`. */
  readonly extraParams?: string;
}

/** What an own Route or Record-Route value says. */
export type OwnRoute =
  /** Ours, without a flow (preloaded route, overlay side). */
  | { readonly kind: 'plain' }
  /** Ours, names a flow with a genuine token. */
  | {
      readonly kind: 'flow';
      readonly flowId: string;
      /** Where the flow can be opened again: set for connections that this server made. */
      readonly place?: FlowTarget;
    }
  /** Ours, but the token is not genuine: answer 403. RFC 5626 §5.3.1. */
  | { readonly kind: 'forged' };

/**
 * How this server writes itself into messages, and how it finds the next hop of a Route.
 * The adapter wraps the one of `createPhoneHops` and adds overlay connections.
 */
export interface HopAddressing {
  /** Sent-by for requests leaving on the flow. */
  via(flow: Flow): ViaSentBy;
  /** Record-Route URI (no brackets, with `lr`) for the side of the dialog reached by the flow. */
  recordRoute(flow: Flow, secure: boolean): string;
  /** `undefined` when the Route or Request-URI is not one this server wrote or answers for. */
  ownRoute(uri: string): OwnRoute | undefined;
  /**
   * Finds or opens the flow to the next hop: a foreign Route value, or the Request-URI when no Route is
   * left. `done` exactly once, later or inside the call; the returned function gives up.
   * `authenticated` says that the sender proved an account: without it nothing may be relayed to places
   * that only the message names.
   */
  openRoute(
    uri: string,
    context: {
      readonly request: SipRequest;
      readonly flow: Flow;
      readonly authenticated?: boolean;
    },
    done: OpenedFlow,
  ): () => void;
}

/** Checks a request that came over the overlay: does the From belong to the connecting node? */
export interface CallerScreen {
  /**
   * `done` exactly once, later or inside the call: the request to go on with (the same, or one with the
   * identity removed), or the refusal (403).
   */
  screen(
    request: SipRequest,
    flow: Flow,
    done: (outcome: Outcome<SipRequest, SipFailure>) => void,
  ): void;
  /**
   * For a request inside a recorded dialog, whose phones know each other by its tags: assertions of
   * identities that are not proved at this moment are removed. The same request when there are none.
   */
  withoutAssertions(request: SipRequest, flow: Flow): SipRequest;
}
