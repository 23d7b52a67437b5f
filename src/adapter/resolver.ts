/**
 * Where a request goes (DESIGN §5.1): the bindings of this adapter and, in the same step, the records
 * in the overlay. What came over the overlay goes to local bindings only: its sender has resolved.
 */
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { AccountDirectory } from '../ports/accounts.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Trace } from '../ports/trace.ts';
import { sipFailure } from '../sip/core/failure.ts';
import type { SipFailure } from '../sip/core/failure.ts';
import type { LocationTable } from '../sip/location/location-table.ts';
import type { LocalTargets } from '../sip/proxy/local-targets.ts';
import type {
  HopAddressing,
  ProxyTarget,
  ResolveContext,
  TargetResolver,
  TargetSink,
} from '../sip/proxy/targets.ts';
import { instanceHash } from '../usages/sip/contact-prefs.ts';
import { decodeGr, terminalNode } from '../usages/sip/gruu.ts';
import { arrangePlaces } from '../usages/sip/instances.ts';
import type { Resolution, SipLookup } from '../usages/sip/lookup.ts';
import { escapeAor } from './aor-uri.ts';
import type { AdapterForwarding } from './forwarding.ts';
import { createNodeTargets } from './node-targets.ts';
import type { Candidate } from './node-targets.ts';
import { numberOf } from './number-routes.ts';
import type { NumberRoutes, NumberTarget } from './number-routes.ts';
import type { OverlayFlows } from './overlay-flows.ts';
import type { ToldPlaces } from './told-places.ts';
import type { Trunks } from './trunks.ts';

export interface ResolverDeps {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly accounts: Pick<AccountDirectory, 'lookup'>;
  readonly location: LocationTable;
  readonly local: LocalTargets;
  readonly lookup: SipLookup;
  readonly flows: Pick<OverlayFlows, 'open'>;
  readonly hops: Pick<HopAddressing, 'openRoute'>;
  /** Telephone numbers; absent: there are none. */
  readonly numbers?: NumberRoutes;
  readonly trunks?: Pick<Trunks, 'targets'>;
  /** What redirected callers are told. */
  readonly places: ToldPlaces;
  /** Absent: nobody forwards. */
  readonly forwarding?: Pick<AdapterForwarding, 'alwaysOf' | 'groupOf'>;
  /** The overlay does not show our own record of this AOR. */
  missing(aor: string): void;
  readonly settings?: Partial<ResolverSettings>;
}

export interface ResolverSettings {
  /**
   * How long a phone that names its instance waits for the lookup, which may show that it has moved
   * elsewhere. Phones without an instance never wait.
   */
  readonly localHoldMs: number;
  /** How long the answer waits for the overlay when there are local phones. */
  readonly lookupWaitMs: number;
}

const defaults: ResolverSettings = { localHoldMs: 300, lookupWaitMs: 4000 };

export function createResolver(deps: ResolverDeps): TargetResolver {
  const { clock, lookup, nodeId: self } = deps;
  const nodes = createNodeTargets(deps);
  const settings = { ...defaults, ...deps.settings };
  const found = deps.trace.counter('sip_lookups_total', { result: 'found' });
  const nowhere = deps.trace.counter('sip_lookups_total', { result: 'not-found' });
  const unanswered = deps.trace.counter('sip_lookups_total', { result: 'unanswered' });

  function resolve(context: ResolveContext, sink: TargetSink): () => void {
    return resolveFrom(context, sink, new Set(context.aor === undefined ? [] : [context.aor]));
  }

  /** `seen`: users whose rules led here; rules in a circle end with the first of them. */
  function resolveFrom(context: ResolveContext, sink: TargetSink, seen: Set<string>): () => void {
    const { aor, request } = context;
    const number = numberTarget(context);
    if (number !== undefined) return toNumber(number, context, sink, seen);
    if (aor === undefined) {
      const told = deps.places.aorOf(request);
      return told === undefined
        ? outside(context, sink)
        : resolveFrom({ ...context, aor: told }, sink, seen);
    }
    const sips = isSips(request.uri);
    const gr = gruuOf(request.uri);
    if (gr !== undefined) return toOwnGruu(context, sink) ?? toGruu(context, sink, aor, gr, sips);
    const locals = localCandidates(aor, sips);
    if (context.fromOverlay) {
      sink.targets(locals.map((candidate) => candidate.target));
      sink.done(absence(aor));
      return nothing;
    }
    const elsewhere = placesInstead(aor);
    if (elsewhere !== undefined) return toPlaces(elsewhere, aor, context, sink, seen);
    return search(aor, context, locals, sink);
  }

  /** A number leads somewhere unless it is the name of a user. */
  function numberTarget({ aor, request }: ResolveContext): NumberTarget | undefined {
    const { numbers } = deps;
    const uri = request.parsedUri;
    if (numbers === undefined || !uri.ok) return undefined;
    if (aor === undefined ? uri.value.scheme !== 'tel' : deps.accounts.lookup(aor) !== undefined) {
      return undefined;
    }
    const number = numberOf(uri.value);
    return number === undefined ? undefined : numbers.find(number);
  }

  /** Everybody reaches the users behind numbers, but trunks cost: they are for users and their rules. */
  function toNumber(
    target: NumberTarget,
    context: ResolveContext,
    sink: TargetSink,
    seen: Set<string>,
  ): () => void {
    if (target.kind === 'user') {
      return toPlaces([target.aor], context.authenticatedAor, context, sink, seen);
    }
    if (context.fromOverlay || context.authenticatedAor === undefined) {
      sink.done(sipFailure(403, 'Numbers Are For Users'));
      return nothing;
    }
    sink.targets(
      deps.trunks?.targets(target.trunks, target.number, context.authenticatedAor) ?? [],
    );
    sink.done(notFound);
    return nothing;
  }

  /** Where a user's calls go instead of to phones of its own (DESIGN §4.7). */
  function placesInstead(aor: string): readonly string[] | undefined {
    const always = deps.forwarding?.alwaysOf(aor);
    return always === undefined ? deps.forwarding?.groupOf(aor) : [always];
  }

  function toPlaces(
    places: readonly string[],
    owner: string | undefined,
    context: ResolveContext,
    sink: TargetSink,
    seen: Set<string>,
  ): () => void {
    const scheme = isSips(context.request.uri) ? 'sips' : 'sip';
    const fresh = places.filter((place) => !seen.has(place));
    const stops: (() => void)[] = [];
    let open = fresh.length;
    let absent: SipFailure | undefined;
    if (open === 0 || seen.size > limits.sipRoles.redirections) {
      sink.done(unavailable);
      return nothing;
    }
    for (const place of fresh) seen.add(place);
    for (const place of fresh) {
      const isUri = /^(?:sips?|tel):/i.test(place);
      const uri = isUri ? place : `${scheme}:${escapeAor(place)}`;
      const request = context.request.edit().setUri(uri).build();
      // Whoever calls, the user who forwards answers for where the call goes.
      const moved = { ...context, request, authenticatedAor: owner };
      stops.push(
        resolveFrom(
          { ...moved, aor: isUri ? undefined : place },
          {
            targets: (found) => {
              sink.targets(found);
            },
            done(failure) {
              absent ??= failure;
              if (--open === 0) sink.done(absent);
            },
          },
          seen,
        ),
      );
    }
    return () => {
      for (const stop of stops) stop();
    };
  }

  function search(
    aor: string,
    context: ResolveContext,
    locals: readonly Candidate[],
    sink: TargetSink,
  ): () => void {
    const sips = isSips(context.request.uri);
    let over = false;
    const timers: Timer[] = [];
    let held = locals.filter((candidate) => !candidate.anonymousPhones);
    if (held.length < locals.length) {
      sink.targets(locals.filter((c) => c.anonymousPhones).map((c) => c.target));
    }
    const cached = lookup.cached(aor);
    if (cached !== undefined) {
      arrive(cached);
      return nothing;
    }
    if (held.length > 0) {
      timers.push(
        clock.after('sip-lookup-hold', settings.localHoldMs, () => {
          const late = held;
          held = [];
          sink.targets(late.map((candidate) => candidate.target));
        }),
      );
    }
    if (locals.length > 0) {
      timers.push(
        clock.after('sip-lookup-wait', settings.lookupWaitMs, () => {
          unanswered.add();
          finish();
        }),
      );
    }
    lookup.resolve(aor, arrive);

    function arrive(resolution: Resolution): void {
      if (over) return;
      noticeOwnRecord(aor, resolution, locals);
      const remotes = resolution.routes
        .filter((route) => route.nodeId !== self)
        .filter((route) => !sips || route.prefs.sips)
        .map((route) => nodes.ofRoute(route, sips, context.flow.transport));
      // Forwarding to a user of this very adapter.
      const forwarded = resolution.routes
        .filter((route) => route.nodeId === self && route.aor !== aor)
        .flatMap((route) => localCandidates(route.aor, sips));
      const arranged = arrangePlaces([...held, ...forwarded, ...remotes]);
      sink.targets(arranged.map(({ place, alternates }) => withAlternates(place, alternates)));
      sink.targets(resolution.external.map((external) => externalTarget(external, context)));
      (resolution.failed !== undefined ? unanswered : resolution.found ? found : nowhere).add();
      finish();
    }

    function finish(): void {
      if (over) return;
      cancel();
      sink.done(absence(aor));
    }

    function cancel(): void {
      over = true;
      for (const timer of timers) timer.cancel();
    }

    return cancel;
  }

  /** The answer when nothing at all can be rung: the user exists or does not. */
  function absence(aor: string): SipFailure {
    const account = deps.accounts.lookup(aor);
    return account?.enabled === true ? unavailable : notFound;
  }

  function localCandidates(aor: string, sips: boolean): readonly Candidate[] {
    const targets = deps.local.of(aor, sips);
    if (targets.length === 0) return none;
    const bindings = deps.location.bindings(aor);
    return targets.map((target) => {
      const binding = bindings.find((candidate) => candidate.contact === target.uri);
      const instance = binding?.instance;
      return {
        target,
        instances: instance === undefined ? [] : [instanceHash(aor, instance)],
        anonymousPhones: instance === undefined,
        registeredAtMs: binding?.lastRefreshMs ?? 0,
      };
    });
  }

  /** A GRUU that this adapter gave out leads to one phone; `undefined` for all others. */
  function toOwnGruu({ request }: ResolveContext, sink: TargetSink): (() => void) | undefined {
    const { parsedUri } = request;
    const gruu = parsedUri.ok ? deps.local.ofGruu(parsedUri.value) : undefined;
    if (gruu === undefined) return undefined;
    const { aor, found: phone } = gruu;
    if (phone.ok) {
      sink.targets([phone.value]);
      sink.done();
    } else {
      const waits = aor !== undefined && phone.error.status === 480;
      sink.done(waits ? absence(aor) : phone.error);
    }
    return nothing;
  }

  /** RFC 7904 §6: a GRUU is contacted directly, nothing is fetched. */
  function toGruu(
    context: ResolveContext,
    sink: TargetSink,
    aor: string,
    gr: string,
    sips: boolean,
  ): () => void {
    const destinations = decodeGr(gr);
    const node = destinations === undefined ? undefined : terminalNode(destinations);
    if (destinations === undefined || node === undefined) {
      sink.done(notFound);
    } else if (node === self) {
      // Only the list [self] is left: whoever has it wants any phone of the user here.
      const direct = destinations.at(-1)?.type === 'node';
      if (direct) sink.targets(localCandidates(aor, sips).map((candidate) => candidate.target));
      sink.done(direct ? absence(aor) : notFound);
    } else if (context.fromOverlay) {
      sink.done(notFound);
    } else {
      sink.targets([nodes.ofGruu(context.request.uri, destinations, sips)]);
      sink.done();
    }
    return nothing;
  }

  /** Foreign domains: for our own users only, never on behalf of another node. */
  function outside(context: ResolveContext, sink: TargetSink): () => void {
    if (context.fromOverlay || context.authenticatedAor === undefined) {
      sink.done(sipFailure(404, 'Domain Not Served'));
      return nothing;
    }
    const { uri } = context.request;
    if (/^sips?:/i.test(uri)) sink.targets([uriTarget(uri, context)]);
    sink.done(notFound);
    return nothing;
  }

  /** External AORs among the results are contacted by normal SIP procedures (RFC 7904 §4.2). */
  function externalTarget(external: string, context: ResolveContext): ProxyTarget {
    const uri = /^sips?:/i.test(external) ? external : `sip:${escapeAor(external)}`;
    return uriTarget(uri, context);
  }

  /** Only for URIs that an account of ours may reach: its own request, or where a user of ours forwards to. */
  function uriTarget(uri: string, context: ResolveContext): ProxyTarget {
    const { request, flow } = context;
    return {
      uri,
      q: 1000,
      route: [],
      side: 'outside',
      streams: true,
      label: 'uri',
      open: (done) => deps.hops.openRoute(uri, { request, flow, authenticated: true }, done),
    };
  }

  function noticeOwnRecord(
    aor: string,
    resolution: Resolution,
    locals: readonly Candidate[],
  ): void {
    if (locals.length === 0 || resolution.failed !== undefined) return;
    const shown = resolution.routes.some((route) => route.nodeId === self && route.aor === aor);
    if (!shown) deps.missing(aor);
  }

  return { resolve };
}

const none: readonly Candidate[] = [];
const nothing = (): void => undefined;
const unavailable = sipFailure(480, 'Temporarily Unavailable');
const notFound = sipFailure(404, 'Not Found');

function withAlternates(place: Candidate, alternates: readonly Candidate[]): ProxyTarget {
  if (alternates.length === 0) return place.target;
  const others = [
    ...(place.target.alternates ?? []),
    ...alternates.flatMap(({ target }) => [target, ...(target.alternates ?? [])]),
  ];
  return { ...place.target, alternates: others.slice(0, limits.sipRoles.alternates) };
}

function isSips(uri: string): boolean {
  return /^sips:/i.test(uri);
}

function gruuOf(uri: string): string | undefined {
  return uri.includes(';gr=') ? /;gr=([^;?]*)/.exec(uri)?.[1] : undefined;
}
