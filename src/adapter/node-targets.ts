/** Other adapters as targets: by their records, and by GRUUs that name them. */
import { failure, success } from '../base/outcome.ts';
import type { ProxyTarget } from '../sip/proxy/targets.ts';
import { sipApplication, sipsApplication } from '../usages/sip/connections.ts';
import { terminalNode } from '../usages/sip/gruu.ts';
import type { Place } from '../usages/sip/instances.ts';
import type { ResolvedRoute } from '../usages/sip/lookup.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { unreachableNode } from './addressing.ts';
import { escapeAor } from './aor-uri.ts';
import type { OverlayFlows } from './overlay-flows.ts';
import type { ToldPlaces } from './told-places.ts';

/** A target with what is known of the phones behind it. */
export interface Candidate extends Place {
  readonly target: ProxyTarget;
}

export interface NodeTargets {
  /** `transport`: that of the caller. */
  ofRoute(route: ResolvedRoute, sips: boolean, transport: string): Candidate;
  ofGruu(uri: string, destinations: readonly Destination[], sips: boolean): ProxyTarget;
}

export function createNodeTargets(deps: {
  readonly flows: Pick<OverlayFlows, 'open'>;
  readonly places: Pick<ToldPlaces, 'of'>;
}): NodeTargets {
  function target(
    destinations: readonly Destination[],
    application: number,
    uri: string,
    q: number,
    toldAs: () => string,
  ): ProxyTarget {
    return {
      uri,
      q,
      route: [],
      side: 'overlay',
      toldAs,
      label: `node ${terminalNode(destinations) ?? ''}`,
      open: (done) =>
        deps.flows.open(destinations, application, (outcome) => {
          done(outcome.ok ? success(outcome.value) : failure(unreachableNode(outcome.error)));
        }),
    };
  }

  return {
    ofRoute(route, sips, transport) {
      const { aor, destinations, prefs } = route;
      // RFC 7904 §5.1: the callee's preference is followed.
      const application = sips || !prefs.sip ? sipsApplication : sipApplication;
      const uri = `${sips ? 'sips' : 'sip'}:${escapeAor(aor)}`;
      return {
        instances: prefs.instances,
        anonymousPhones: prefs.anonymousPhones,
        registeredAtMs: route.storageTimeMs,
        target: target(destinations, application, uri, prefs.q, () =>
          deps.places.of(aor, { destinations, addresses: prefs.addresses }, { sips, transport }),
        ),
      };
    },
    ofGruu: (uri, destinations, sips) =>
      target(destinations, sips ? sipsApplication : sipApplication, uri, 1000, () => uri),
  };
}
