import type { Random } from '../../ports/random.ts';
import { randomUnit } from '../../ports/random.ts';
import type { SrvRecord } from '../../ports/resolver.ts';

/**
 * The order in which SRV records are tried: lower priorities first, among equal ones by chance in
 * proportion to their weights. RFC 2782. The input is not changed.
 */
export function orderSrv(records: readonly SrvRecord[], random: Random): readonly SrvRecord[] {
  const ordered: SrvRecord[] = [];
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  for (const priority of priorities) {
    // Weight 0 stands first, so that it has a small chance beside the others.
    const left = records
      .filter((record) => record.priority === priority)
      .sort((a, b) => a.weight - b.weight);
    while (left.length > 0) {
      const total = left.reduce((sum, { weight }) => sum + weight, 0);
      const chosen = Math.floor(randomUnit(random) * (total + 1));
      let running = 0;
      const at = left.findIndex(({ weight }) => (running += weight) >= chosen);
      ordered.push(...left.splice(Math.max(at, 0), 1));
    }
  }
  return ordered;
}
