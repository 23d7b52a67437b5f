import { limits } from '../../base/limits.ts';
import type { Flow, FlowTarget } from '../../ports/flow.ts';
import { servedDomainOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { type SipUri, parseUri } from '../message/uri.ts';
import {
  type HiddenCaller,
  type PhoneSpelling,
  readHiddenCaller,
  readSpelling,
} from './identity.ts';
import type { HopAddressing } from './targets.ts';
import { withoutOwnMaddr } from './validation.ts';

/** A request after the route work of RFC 3261 §16.4. */
export interface RoutedRequest {
  /** Own Route values removed, strict routing undone. */
  readonly request: SipRequest;
  /** The flow named by the last own Route value, when it named one. */
  readonly flowId: string | undefined;
  /** Where that flow can be opened again. */
  readonly place: FlowTarget | undefined;
  /** At least one own Route carried a genuine flow token: the sender takes part in a dialog we recorded. */
  readonly recorded: boolean;
  /** One of those tokens names the very flow the request came on: the sender is who we recorded. */
  readonly fromRecordedFlow: boolean;
  /** Spelling of the phone at the end of the last own Route. */
  readonly spelling: PhoneSpelling | undefined;
  /** Set in dialogs whose caller could not be proved. */
  readonly hidden: HiddenCaller | undefined;
  /** URI of the next foreign Route value. */
  readonly nextRoute: string | undefined;
}

export type RouteResult =
  | { readonly ok: true; readonly routed: RoutedRequest }
  | { readonly ok: false; readonly failure: SipFailure };

/** Removes what this server once put in, and finds out what it says about the next hop. */
export function readRoutes(
  received: SipRequest,
  flow: Flow,
  hops: HopAddressing,
  domains: Domains,
): RouteResult {
  const request = undoStrictRouting(received, hops);
  if (!request.has('Route')) {
    return { ok: true, routed: unrouted(normalise(request, flow, domains)) };
  }
  const values = request.values('Route');
  let own = 0;
  let flowId: string | undefined;
  let place: FlowTarget | undefined;
  let recorded = false;
  let fromRecordedFlow = false;
  let lastOwn = '';
  let nextRoute: string | undefined;
  for (const value of values) {
    const route = parseNameAddr(value);
    if (!route.ok) return { ok: false, failure: sipFailure(400, 'Malformed Route') };
    const meaning = hops.ownRoute(route.value.uri);
    if (meaning === undefined) {
      nextRoute = route.value.uri;
      break;
    }
    if (meaning.kind === 'forged') {
      return { ok: false, failure: sipFailure(403, 'Invalid Flow Token') };
    }
    if (++own > limits.sipRoles.ownRoutes) {
      return { ok: false, failure: sipFailure(400, 'Too Many Routes') };
    }
    lastOwn = route.value.uri;
    flowId = meaning.kind === 'flow' ? meaning.flowId : undefined;
    place = meaning.kind === 'flow' ? meaning.place : undefined;
    recorded ||= meaning.kind === 'flow';
    fromRecordedFlow ||= flowId === flow.id;
  }
  const stripped = own === 0 ? request : withRoutes(request, values.slice(own));
  return {
    ok: true,
    routed: {
      request: nextRoute === undefined ? normalise(stripped, flow, domains) : stripped,
      flowId,
      place,
      recorded,
      fromRecordedFlow,
      spelling: own === 0 ? undefined : readSpelling(lastOwn, domains),
      hidden: own === 0 ? undefined : readHiddenCaller(lastOwn),
      nextRoute,
    },
  };
}

function unrouted(request: SipRequest): RoutedRequest {
  return {
    request,
    flowId: undefined,
    place: undefined,
    recorded: false,
    fromRecordedFlow: false,
    spelling: undefined,
    hidden: undefined,
    nextRoute: undefined,
  };
}

/** The Request-URI is our own Record-Route value: the last Route is the real one. */
function undoStrictRouting(request: SipRequest, hops: HopAddressing): SipRequest {
  if (!request.uri.includes(';lr') || !request.has('Route')) return request;
  if (hops.ownRoute(request.uri) === undefined) return request;
  const values = request.values('Route');
  const last = parseNameAddr(values.at(-1) ?? '');
  if (!last.ok) return request;
  return withRoutes(request, [`<${request.uri}>`, ...values.slice(0, -1)], last.value.uri);
}

function withRoutes(request: SipRequest, values: readonly string[], uri?: string): SipRequest {
  const editor = request.edit();
  if (uri !== undefined) editor.setUri(uri);
  if (values.length === 0) editor.remove('Route');
  else editor.set('Route', values.join(', '));
  return editor.build();
}

function normalise(request: SipRequest, flow: Flow, domains: Domains): SipRequest {
  if (!request.uri.includes('maddr=')) return request;
  const uri = parseUri(request.uri);
  const plain = uri.ok ? withoutOwnMaddr(uri.value, flow, domains) : undefined;
  return plain === undefined ? request : request.edit().setUri(plain).build();
}

/** The Request-URI names this server itself: own domain or address, no user. RFC 3261 §11, §16.4. */
export function addressesServer(uri: SipUri, domains: Domains): boolean {
  return (uri.user === undefined || uri.user === '') && servedDomainOf(uri, domains) !== undefined;
}
