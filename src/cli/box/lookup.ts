/** The answer to `chordial lookup`: what the overlay and this box know about an AOR. */
import type { Adapter } from '../../adapter/adapter.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import type { Clock } from '../../ports/clock.ts';

export async function lookupForAdmin(
  adapter: Adapter,
  clock: Clock,
  aor: string,
): Promise<Outcome<object>> {
  const canonical = aor.includes('@') ? aor : `${aor}@${adapter.domains.canonical}`;
  const local = adapter.location.bindings(canonical).map((binding) => ({
    contact: binding.contact,
    expiresInS: Math.max(0, Math.round((binding.expiresAtMs - clock.wallMs()) / 1000)),
  }));
  const resolution = await new Promise<Parameters<Parameters<typeof adapter.lookup.resolve>[1]>[0]>(
    (resolve) => adapter.lookup.resolve(canonical, resolve),
  );
  if (resolution.failed !== undefined && !resolution.found) {
    return failure(`the overlay did not answer: ${resolution.failed.text}`);
  }
  return success({
    aor: canonical,
    local,
    targets: resolution.routes.map((route) => ({
      aor: route.aor,
      nodeId: route.nodeId,
      prefs: route.prefs,
      storageTimeMs: route.storageTimeMs,
    })),
    external: resolution.external,
  });
}
