import { failure, success } from '../../base/outcome.ts';
import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import type { Flow, FlowOpener } from '../../ports/flow.ts';
import type { Accounts } from '../auth/accounts.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { Binding, DirectContact } from '../location/binding.ts';
import type { LocationTable } from '../location/location-table.ts';
import type { Gruus } from '../gruu/gruus.ts';
import { type SipUri, parseUri, uriEquals } from '../message/uri.ts';
import type { ProxyTarget, TargetResolver } from './targets.ts';

/** Targets from the bindings of this adapter. */
export interface LocalTargets {
  /**
   * One target per phone: contacts of one instance are alternates of the most recently refreshed one
   * that has a live flow (RFC 5626 §7, RFC 5627 §6.1). `secureOnly` keeps TLS and WSS (sips calls).
   */
  of(aor: string, secureOnly: boolean): readonly ProxyTarget[];
  /** The phone whose Contact is that URI, for requests inside a dialog. */
  ofContact(aor: string, uri: string): ProxyTarget | undefined;
  /** What a GRUU of this server leads to; `undefined` for any other URI. RFC 5627 §6.1. */
  ofGruu(uri: SipUri): GruuTarget | undefined;
}

export interface GruuTarget {
  /** Whose it is; `undefined` when nobody made it. */
  readonly aor: string | undefined;
  /** The instance: the contact refreshed last, the others as alternates; or why there is none. */
  readonly found: Outcome<ProxyTarget, SipFailure>;
}

export function createLocalTargets(deps: {
  readonly location: LocationTable;
  readonly flows: FlowOpener;
  /** Absent: this server gives out no GRUUs. */
  readonly gruus?: Gruus | undefined;
}): LocalTargets {
  const { flows, gruus, location } = deps;

  function targetOf(binding: Binding, alternates: readonly ProxyTarget[]): ProxyTarget {
    return {
      uri: binding.contact,
      q: binding.q,
      route: binding.path,
      side: 'phone',
      label: `contact ${binding.flowId}`,
      ...(binding.parameters === '' ? {} : { features: binding.parameters }),
      ...(takesStreams(binding) ? { streams: true } : {}),
      ...(isReachable(binding) ? {} : { toldAs: nowhere }),
      open: (done) => openBinding(binding, done),
      ...(alternates.length === 0 ? {} : { alternates }),
    };
  }

  /**
   * On the stored flow (RFC 5626 §7), to the Contact address only where the registrar found that it can
   * be reached: on UDP then always, else when the flow is gone.
   */
  function openBinding(
    binding: Binding,
    done: (outcome: Outcome<Flow, SipFailure>) => void,
  ): () => void {
    const { direct } = binding;
    const listensElsewhere = direct !== undefined && binding.transport === 'udp';
    const flow = binding.flowDead || listensElsewhere ? undefined : flows.find(binding.flowId);
    if (flow !== undefined && !flow.closed) {
      done(success(flow));
      return nothing;
    }
    const place = direct ?? receivedFrom(binding);
    if (place === undefined) {
      done(failure(flowFailed));
      return nothing;
    }
    const { transport, port } = place;
    const address = binding.receivedAddress;
    // A listener of that name serves one transport only.
    const from = transport === binding.transport ? { listener: binding.listener } : {};
    let waiting = true;
    flows.open({ transport, address, port, ...from }, (outcome) => {
      if (waiting) done(outcome.ok ? success(outcome.value) : failure(flowFailed));
    });
    return () => {
      waiting = false;
    };
  }

  return {
    of(aor, secureOnly) {
      const all = location.bindings(aor);
      const usable = secureOnly ? all.filter(isSecure) : all;
      const only = usable[0];
      if (only === undefined) return [];
      if (usable.length === 1) return [targetOf(only, [])];
      return groups(usable).map(targetOfGroup);
    },
    ofContact(aor, uri) {
      const bindings = location.bindings(aor);
      const wanted = parseUri(uri);
      const match =
        bindings.find((b) => b.contact === uri) ??
        bindings.find((b) => {
          const have = parseUri(b.contact);
          return have.ok && wanted.ok && uriEquals(have.value, wanted.value);
        });
      return match === undefined ? undefined : targetOf(match, []);
    },
    ofGruu(uri) {
      const meaning = gruus?.read(uri);
      if (meaning === undefined) return undefined;
      if (meaning === 'invalid') return { aor: undefined, found: failure(notFound) };
      const { aor } = meaning;
      const own = location.bindings(aor).filter((b) => meaning.names(b));
      // Without a contact the temporary ones are void, the public one waits for the phone (§5.3).
      if (own.length === 0) {
        const absence = meaning.kind === 'public' ? unavailable : notFound;
        return { aor, found: failure(absence) };
      }
      const usable = uri.scheme === 'sips' ? own.filter(isSecure) : own;
      const [group] = groups(usable);
      return {
        aor,
        found: group === undefined ? failure(unavailable) : success(targetOfGroup(group)),
      };
    },
  };

  function targetOfGroup(group: readonly Binding[]): ProxyTarget {
    const [first, ...rest] = group;
    const alternates = rest.slice(0, limits.sipRoles.alternates).map((b) => targetOf(b, []));
    return targetOf(first as Binding, alternates);
  }
}

const nothing = (): void => undefined;
const flowFailed = sipFailure(430, 'Flow Failed');
const notFound = sipFailure(404, 'Not Found');
const unavailable = sipFailure(480, 'Temporarily Unavailable');

/** Streams cannot be opened towards the source of a REGISTER. */
function receivedFrom(binding: Binding): DirectContact | undefined {
  return binding.transport === 'udp' ? { transport: 'udp', port: binding.receivedPort } : undefined;
}

/** A phone at the address it names listens there for TCP too (RFC 3261 §18.2.1). */
function takesStreams(binding: Binding): boolean {
  return binding.transport === 'udp' && isReachable(binding);
}

/** By anybody at the Contact address; else only by the flow that this server has, or by its Path. */
function isReachable({ direct, nat, path, regId, transport }: Binding): boolean {
  if (path.length > 0) return false;
  return direct !== undefined || (transport === 'udp' && !nat && regId === undefined);
}

const nowhere = (): undefined => undefined;

function isSecure(binding: Binding): boolean {
  return binding.transport === 'tls' || binding.transport === 'wss';
}

/** Bindings by instance; those without one stand alone. */
function groups(bindings: readonly Binding[]): Binding[][] {
  const byInstance = new Map<string, Binding[]>();
  const found: Binding[][] = [];
  for (const b of bindings) {
    const group = b.instance === undefined ? undefined : byInstance.get(b.instance);
    if (group !== undefined) {
      group.push(b);
      continue;
    }
    const fresh = [b];
    found.push(fresh);
    if (b.instance !== undefined) byInstance.set(b.instance, fresh);
  }
  for (const group of found) {
    if (group.length > 1) group.sort(byUsefulness);
  }
  return found;
}

function byUsefulness(a: Binding, b: Binding): number {
  return Number(isCutOff(a)) - Number(isCutOff(b)) || b.lastRefreshMs - a.lastRefreshMs;
}

function isCutOff(binding: Binding): boolean {
  return binding.flowDead && binding.direct === undefined;
}

/** A resolver for one server on its own: local bindings only. */
export function createLocalResolver(deps: {
  readonly accounts: Accounts;
  readonly local: LocalTargets;
}): TargetResolver {
  return {
    resolve(context, sink) {
      const { aor, request } = context;
      if (aor === undefined) {
        sink.done(sipFailure(404, 'Domain Not Served'));
        return nothing;
      }
      const gruu = request.parsedUri.ok ? deps.local.ofGruu(request.parsedUri.value) : undefined;
      if (gruu !== undefined) {
        if (gruu.found.ok) sink.targets([gruu.found.value]);
        sink.done(gruu.found.ok ? undefined : gruu.found.error);
        return nothing;
      }
      const targets = deps.local.of(aor, request.uri.startsWith('sips:'));
      if (targets.length > 0) {
        sink.targets(targets);
        sink.done();
        return nothing;
      }
      const known = deps.accounts.lookup(aor.slice(0, aor.lastIndexOf('@'))) !== undefined;
      sink.done(known ? unavailable : notFound);
      return nothing;
    },
  };
}
