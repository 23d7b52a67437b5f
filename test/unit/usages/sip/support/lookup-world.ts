/** A lookup over the ring that is a map. */
import assert from 'node:assert/strict';
import type { NodeId } from '../../../../../src/base/ids.ts';
import type { FetchedValue } from '../../../../../src/overlay/api.ts';
import { createSipLookup } from '../../../../../src/usages/sip/lookup.ts';
import type { Resolution } from '../../../../../src/usages/sip/lookup.ts';
import {
  encodeRegistration,
  resourceOfAor,
  routeTo,
} from '../../../../../src/usages/sip/registration.ts';
import { createCountingTrace } from '../../../../support/counting-trace.ts';
import { createClock, createRing, domain, nodeId } from '../../../adapter/support/world.ts';

export const bob = `bob@${domain}`;
export const route = (node: NodeId): Uint8Array => encodeRegistration(routeTo(node, []));
export const uri = (target: string): Uint8Array => encodeRegistration({ type: 'uri', uri: target });

export function createLookupWorld(cacheMs?: number) {
  const clock = createClock();
  const ring = createRing(clock);
  const trace = createCountingTrace();
  const lookup = createSipLookup({
    overlay: ring.member(nodeId(1)),
    clock,
    trace,
    isHosted: (host) => host === domain,
    ...(cacheMs === undefined ? {} : { cacheMs }),
  });
  return {
    clock,
    ring,
    lookup,
    trace,
    put: (aor: string, values: readonly FetchedValue[]): void => {
      ring.values.set(
        resourceOfAor(aor),
        new Map(values.map((value, index) => [String(index), value])),
      );
    },
    resolve: (aor: string): Resolution => {
      const results: Resolution[] = [];
      lookup.resolve(aor, (resolution) => results.push(resolution));
      assert.equal(results.length, 0, 'never inside the call');
      clock.run(100);
      return results[0] ?? assert.fail('no resolution');
    },
  };
}
