import { latin1Decode, latin1Encode } from '../../base/text.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Domains } from '../core/domains.ts';
import { isAnonymous } from '../auth/authenticator.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { escapeUser } from '../message/uri.ts';
import {
  anonymousParam,
  anonymousValue,
  canonicalValue,
  ownUriParam,
  spelledValue,
  spellingOf,
  spellingParams,
} from './identity.ts';
import type { RoutedRequest } from './routing.ts';
import { type SessionTimer, confirmTimer } from './session-timer.ts';
import type { HopAddressing, ProxyTarget } from './targets.ts';
import { maxForwardsOf, requestUriOf } from './validation.ts';

/** Who sent a request, as far as it is known. */
export interface Sender {
  /** Address of record proved by digest. */
  readonly aor: string | undefined;
  readonly fromOverlay: boolean;
  /** A trunk inside the trusted set: what it asserts about its callers stands (RFC 3325 §5). */
  readonly trusted?: boolean;
  /** The URI of From as it came, where it was removed because nothing proved it. */
  readonly removedFrom?: string;
}

/** What every forwarded copy of one request has in common. RFC 3261 §16.6. */
export interface ForwardPlan {
  readonly request: SipRequest;
  readonly flow: Flow;
  /** Appended to our Via: the loop mark, or empty. */
  readonly viaMark: string;
  /** This server stays in the dialog. */
  readonly record: boolean;
  /** Parameters of the Record-Route values on the sender's and on the receiver's side. */
  readonly recordParams: string;
  readonly receiverParams: string;
  readonly maxForwards: string;
  readonly limitsBreadth: boolean;
  /** New header values; `undefined` leaves them as received. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Proxy-Authorization rows to pass on; `undefined` leaves them as received. */
  readonly credentials: readonly string[] | undefined;
  /** P-Asserted-Identity to state instead of what came: a value, none (`''`), or as received. */
  readonly asserted: string | undefined;
  readonly hidesIdentity: boolean;
  /** Set where a session timer is asked for. */
  readonly session: SessionTimer | undefined;
}

const dialogForming: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE', 'REFER']);

export function planForwarding(
  routed: RoutedRequest,
  flow: Flow,
  sender: Sender,
  viaMark: string,
  domains: Domains,
  defaultMaxForwards: number,
  session?: SessionTimer,
): ForwardPlan {
  const { request } = routed;
  const fresh = request.to.tag === undefined;
  const { spelling } = routed;
  const toPhone = spelling !== undefined;
  const record = fresh
    ? dialogForming.has(request.method)
    : request.method === 'NOTIFY' && routed.recorded;
  const ours = !sender.fromOverlay;
  const { removedFrom } = sender;
  return {
    request,
    flow,
    viaMark,
    record,
    recordParams: record ? senderParams(request, sender, domains) : '',
    receiverParams: record && removedFrom !== undefined ? anonymousParam : '',
    maxForwards: String((maxForwardsOf(request) ?? defaultMaxForwards + 1) - 1),
    limitsBreadth: fresh,
    // The caller's phone is now the receiver: its spelling of From is our To, and the reverse.
    from:
      routed.hidden?.staysAnonymous === true
        ? anonymousValue(request.from)
        : toPhone
          ? respelled(request, 'from', spelling.to, domains)
          : ours
            ? canonicalValue(request.from, domains)
            : undefined,
    to:
      ownTo(routed) ??
      (toPhone
        ? respelled(request, 'to', spelling.from, domains)
        : ours
          ? canonicalValue(request.to, domains)
          : undefined),
    credentials: foreignCredentials(request, domains),
    asserted: ours && sender.trusted !== true ? assertedIdentity(request, sender) : undefined,
    hidesIdentity: request.has('Privacy') && /\bid\b/i.test(request.rows('Privacy').join(';')),
    session,
  };
}

function senderParams(request: SipRequest, sender: Sender, domains: Domains): string {
  if (sender.removedFrom !== undefined) return ownUriParam(sender.removedFrom);
  if (sender.fromOverlay) return '';
  return spellingParams({
    from: spellingOf(request.from, domains),
    to: spellingOf(request.to, domains),
  });
}

/** To of a request to a caller that everybody but itself knows as anonymous. */
function ownTo({ hidden, request }: RoutedRequest): string | undefined {
  const uri = request.to.parsedUri;
  if (hidden?.ownUri === undefined || !uri.ok || !isAnonymous(uri.value.host)) return undefined;
  return `<${hidden.ownUri}>${request.to.tag === undefined ? '' : `;tag=${request.to.tag}`}`;
}

function respelled(
  request: SipRequest,
  which: 'from' | 'to',
  spelling: string | undefined,
  domains: Domains,
): string | undefined {
  return spelling === undefined
    ? canonicalValue(request[which], domains)
    : spelledValue(request[which], spelling, domains);
}

/** Credentials for our realm end here; those for others pass. RFC 3261 §22.3. */
function foreignCredentials(request: SipRequest, domains: Domains): readonly string[] | undefined {
  if (!request.has('Proxy-Authorization')) return undefined;
  const realm = `realm="${domains.canonical}"`;
  const rows = request.rows('Proxy-Authorization');
  const foreign = rows.filter((row) => !row.includes(realm));
  return foreign.length === rows.length ? undefined : foreign;
}

/**
 * What a phone asserts about itself is replaced by what it proved (RFC 3325 §5): stated when it asked
 * for it or shows no identity in From.
 */
function assertedIdentity(request: SipRequest, sender: Sender): string | undefined {
  const claims = request.has('P-Asserted-Identity') || request.has('P-Preferred-Identity');
  if (sender.aor === undefined) return claims ? '' : undefined;
  const from = request.from.parsedUri;
  const hidden = from.ok && isAnonymous(from.value.host);
  if (!claims && !hidden) return undefined;
  const at = sender.aor.lastIndexOf('@');
  return `<sip:${escapeUser(sender.aor.slice(0, at))}${sender.aor.slice(at)}>`;
}

/** The copy for one target, without Via. */
export function buildForward(
  plan: ForwardPlan,
  target: ProxyTarget,
  out: Flow,
  breadth: number,
  hops: HopAddressing,
): SipRequest {
  const { request } = plan;
  const uri = requestUriOf(target.uri);
  const editor = request.edit();
  if (uri !== request.uri) editor.setUri(uri);
  editor.set('Max-Forwards', plan.maxForwards);
  if (plan.limitsBreadth) editor.set('Max-Breadth', String(breadth));
  if (plan.from !== undefined) editor.set('From', plan.from);
  if (plan.to !== undefined) editor.set('To', plan.to);
  if (plan.record) editor.prepend('Record-Route', recordRoutes(plan, out, hops, uri));
  if (plan.credentials !== undefined) {
    editor.remove('Proxy-Authorization');
    for (const row of plan.credentials) editor.append('Proxy-Authorization', row);
  }
  if (plan.asserted !== undefined) {
    editor.remove('P-Preferred-Identity').remove('P-Asserted-Identity');
    if (plan.asserted !== '' && mayLearnIdentity(plan, target)) {
      editor.append('P-Asserted-Identity', plan.asserted);
    }
  } else if (!mayLearnIdentity(plan, target)) {
    editor.remove('P-Asserted-Identity');
  }
  if (plan.session !== undefined) {
    for (const [name, value] of plan.session.headers) editor.set(name, value);
  }
  for (const [name, value] of target.extraHeaders ?? noHeaders) editor.set(name, value);
  if (target.route.length > 0) editor.prepend('Route', target.route.join(', '));
  return strictlyRouted(editor.build(), uri);
}

/** Other adapters and trusted trunks always, other domains never, phones unless privacy was asked for. */
function mayLearnIdentity(plan: ForwardPlan, { side, trusted }: ProxyTarget): boolean {
  if (side === 'overlay' || trusted === true) return true;
  return side === 'phone' && !plan.hidesIdentity;
}

const noHeaders: readonly (readonly [string, string])[] = [];

/** Two values: the outgoing side on top, the side the request came from below. RFC 5658 §5. */
function recordRoutes(plan: ForwardPlan, out: Flow, hops: HopAddressing, uri: string): string {
  const secure = uri.startsWith('sips:') || plan.request.uri.startsWith('sips:');
  const inner = `<${hops.recordRoute(plan.flow, secure)}${plan.recordParams}>`;
  const outer = `<${hops.recordRoute(out, secure)}${plan.receiverParams}>`;
  return outer === inner ? outer : `${outer}, ${inner}`;
}

/** A next hop without `lr` wants the Request-URI last in Route and itself in front. RFC 3261 §16.6 step 6. */
function strictlyRouted(request: SipRequest, uri: string): SipRequest {
  if (!request.has('Route')) return request;
  const values = request.values('Route');
  const first = parseNameAddr(values[0] ?? '');
  if (!first.ok || !first.value.parsedUri.ok) return request;
  if (first.value.parsedUri.value.params.has('lr')) return request;
  const route = [...values.slice(1), `<${uri}>`].join(', ');
  return request.edit().setUri(first.value.uri).set('Route', route).build();
}

/** What responses need to look as the sender of the request must see them. */
export interface Restoration {
  readonly session: Pick<SessionTimer, 'intervalS' | 'callerKnowsTimers'> | undefined;
  /** From and To as it wrote them; `undefined` where nothing of them was changed. */
  readonly spelled:
    { readonly from: string; readonly to: string; readonly hasTag: boolean } | undefined;
}

export function restorationOf(plan: ForwardPlan, received: SipRequest): Restoration {
  const { from, to } = received;
  const isAsReceived = from === plan.request.from || from.raw === plan.request.from.raw;
  const isSame = plan.from === undefined && plan.to === undefined && isAsReceived;
  return {
    session: plan.session,
    spelled: isSame ? undefined : { from: from.raw, to: to.raw, hasTag: to.tag !== undefined },
  };
}

/** The same without holding on to the text of the request. */
export function lastingRestoration({ session, spelled }: Restoration): Restoration {
  return {
    session: session && {
      intervalS: session.intervalS,
      callerKnowsTimers: session.callerKnowsTimers,
    },
    spelled: spelled && { ...spelled, from: copyOf(spelled.from), to: copyOf(spelled.to) },
  };
}

function copyOf(text: string): string {
  return latin1Decode(latin1Encode(text));
}

/** A response as the sender of the request must see it: From and To as it wrote them. */
export function restoreResponse(
  { session, spelled }: Restoration,
  given: SipResponse,
): SipResponse {
  const response = session === undefined ? given : confirmTimer(session, given);
  if (spelled === undefined) return response;
  const tag = spelled.hasTag ? undefined : response.to.tag;
  return response
    .edit()
    .set('From', spelled.from)
    .set('To', tag === undefined ? spelled.to : `${spelled.to};tag=${tag}`)
    .build();
}
