/** Phones that register while a call is waiting for its callee. RFC 3261 §16.5. */
import { limits } from '../../base/limits.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Binding } from '../location/binding.ts';
import type { LocationTable } from '../location/location-table.ts';
import type { LocalTargets } from './local-targets.ts';
import type { ProxyTarget } from './targets.ts';

export interface Arrivals {
  /**
   * Calls the listener with each further phone that registers for the address, until the result is
   * called. `secureOnly` as for `LocalTargets.of`.
   */
  follow(aor: string, secureOnly: boolean, listener: (target: ProxyTarget) => void): () => void;
}

interface Call {
  known: readonly Binding[];
  readonly secureOnly: boolean;
  /** Let go when the call is over: tables that V8 has replaced would keep it. See `base/churn-map.ts`. */
  listener: ((target: ProxyTarget) => void) | undefined;
}

export function createArrivals(deps: {
  readonly clock: Clock;
  readonly location: LocationTable;
  readonly local: Pick<LocalTargets, 'ofContact'>;
}): Arrivals {
  const { clock, local, location } = deps;
  const calls = new Map<string, Set<Call>>();
  let count = 0;
  location.onChange(({ aor, content, cause }) => {
    if (!content || cause !== 'register' || !calls.has(aor)) return;
    // The phone gets the answer to its REGISTER before the call.
    clock.after('sip-arrival', 0, () => {
      arrived(aor);
    });
  });

  function arrived(aor: string): void {
    const now = location.bindings(aor);
    for (const call of [...(calls.get(aor) ?? [])]) {
      const before = call.known;
      call.known = now;
      for (const binding of now) {
        if (before.some((other) => isSamePhone(other, binding))) continue;
        if (call.secureOnly && binding.transport !== 'tls' && binding.transport !== 'wss') continue;
        const target = local.ofContact(aor, binding.contact);
        if (target !== undefined) call.listener?.(target);
      }
    }
  }

  return {
    follow(aor, secureOnly, listener) {
      if (count >= limits.sipRoles.followedCalls) return nothing;
      const call: Call = { known: location.bindings(aor), secureOnly, listener };
      const ofAor = calls.get(aor);
      if (ofAor === undefined) calls.set(aor, new Set([call]));
      else ofAor.add(call);
      count++;
      return () => {
        const all = calls.get(aor);
        if (all?.delete(call) !== true) return;
        call.listener = undefined;
        count--;
        if (all.size === 0) calls.delete(aor);
      };
    },
  };
}

const nothing = (): void => undefined;

/** A phone that rings already does not ring twice because it registered anew. */
function isSamePhone(a: Binding, b: Binding): boolean {
  return a.contact === b.contact || (a.instance !== undefined && a.instance === b.instance);
}
