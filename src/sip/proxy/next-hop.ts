/** The way to servers of other domains, address after address. RFC 3263 §4, RFC 3261 §16.6 step 7. */
import { failure, success } from '../../base/outcome.ts';
import type { Flow, FlowOpener, FlowTarget } from '../../ports/flow.ts';
import type { Trace } from '../../ports/trace.ts';
import { sipFailure } from '../core/failure.ts';
import type { Location, Locator } from '../dns/locator.ts';
import { isIpv4, parseIpv6 } from '../message/ip.ts';
import { parseUri } from '../message/uri.ts';
import type { OpenFlow, OpenedFlow } from './targets.ts';

export interface NextHops {
  /** Opens the first place that can be reached; `secure` as for `Locator.locate`. */
  open(uri: string, secure: boolean, done: OpenedFlow): () => void;
  /** Where a connection that was opened here leads, so that it can be opened again. */
  placeOf(flow: Flow): FlowTarget | undefined;
}

export interface NextHopsDeps {
  readonly flows: FlowOpener;
  readonly locator: Locator;
  readonly trace: Trace;
  /** False for places that no message may name: see {@link isForbiddenPlace}. */
  mayReach(place: FlowTarget): boolean;
}

export function createNextHops(deps: NextHopsDeps): NextHops {
  const { flows, locator } = deps;
  const opened = deps.trace.counter('sip_outside_hops_total', { result: 'opened' });
  const failed = deps.trace.counter('sip_outside_hops_total', { result: 'failed' });
  const forbidden = deps.trace.counter('sip_outside_hops_total', { result: 'forbidden' });

  const places = new WeakMap<Flow, FlowTarget>();

  function tryNext(location: Location, done: OpenedFlow): () => void {
    let waiting = true;
    const next: OpenFlow = (later) => tryNext(location, later);

    function step(): void {
      location.next((place) => {
        if (!waiting) return;
        if (place === undefined) {
          done(failure(unreachable));
          return;
        }
        if (!deps.mayReach(place)) {
          forbidden.add();
          step();
          return;
        }
        flows.open(place, (outcome) => {
          (outcome.ok ? opened : failed).add();
          if (!waiting) return;
          if (outcome.ok) {
            if (outcome.value.reliable) places.set(outcome.value, place);
            done(success(outcome.value), next);
          } else step();
        });
      });
    }

    step();
    return () => {
      waiting = false;
    };
  }

  return {
    open(uri, secure, done) {
      const parsed = parseUri(uri);
      const location = parsed.ok ? locator.locate(parsed.value, secure) : undefined;
      if (location === undefined) {
        done(failure(unresolvable));
        return () => undefined;
      }
      return tryNext(location, done);
    },
    placeOf: (flow) => places.get(flow),
  };
}

const unresolvable = sipFailure(478, 'Unresolvable Next Hop');
/** All addresses failed: the target counts as having answered 408 (RFC 3261 §16.6 step 7). */
const unreachable = sipFailure(408, 'Request Timeout');

/**
 * Addresses that name this machine or no machine at all: a request must not reach the programs behind
 * the firewall of loopback by way of this server.
 */
export function isForbiddenPlace(address: string): boolean {
  if (isIpv4(address)) {
    const [first = 0, second = 0] = address.split('.').map(Number);
    return first === 0 || first === 127 || first >= 224 || (first === 169 && second === 254);
  }
  const groups = parseIpv6(address);
  if (groups === undefined) return true;
  const head = groups[0] ?? 0;
  if (head >= 0xff00 || (head & 0xffc0) === 0xfe80) return true;
  // `::`, `::1` and IPv4 in IPv6.
  if (groups.slice(0, 5).every((group) => group === 0)) {
    const [mark = 0, high = 0, low = 0] = groups.slice(5);
    if (mark !== 0 && mark !== 0xffff) return false;
    const parts = [high >> 8, high & 255, low >> 8, low & 255];
    return isForbiddenPlace(parts.join('.'));
  }
  return false;
}
