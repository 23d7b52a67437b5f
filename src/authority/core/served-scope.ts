/** Which users an adapter may serve: enroll for, and see the verifiers of. */
import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';

/** `all`, or patterns of addresses of record with at most one `*` each, e.g. `+49*@example.org`. */
export type ServedScope = 'all' | readonly string[];

/** True when the adapter may serve the user; cost is linear in the patterns. */
export function isServed(scope: ServedScope, aor: string): boolean {
  return scope === 'all' || scope.some((pattern) => matches(pattern, aor));
}

/** Checks what an operator or a record says. */
export function checkScope(value: unknown): Outcome<ServedScope> {
  if (value === 'all') return success('all');
  const valid =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= limits.authority.scopePatterns &&
    value.every(
      (p) =>
        typeof p === 'string' &&
        /^[^\s*@]*\*?[^\s*@]*@[^\s*@]*\*?[^\s*@]*$/.test(p) &&
        p.split('*').length <= 2,
    );
  return valid
    ? success(value as readonly string[])
    : failure('a served scope is all, or patterns like alice@example.org or *@example.org');
}

function matches(pattern: string, aor: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === aor;
  return (
    aor.length >= pattern.length - 1 &&
    aor.startsWith(pattern.slice(0, star)) &&
    aor.endsWith(pattern.slice(star + 1))
  );
}
