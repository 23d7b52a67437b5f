/** Which AORs an overlay accepts: the domain restriction of RFC 7904 §3.3 and §3.4, reading A-26. */
import type { OverlayConfig } from '../../ports/overlay-config.ts';
import { aorParts } from './aor.ts';
import { compileEre } from './posix-ere.ts';
import type { Matcher } from './posix-ere.ts';
import { limits } from '../../base/limits.ts';

export interface DomainFilter {
  /** True when the AOR may be stored and looked up in this overlay. */
  acceptsAor(aor: string): boolean;
  /** The same for the host part alone. */
  acceptsHost(host: string): boolean;
  /** Patterns that are no POSIX extended regular expressions; they match nothing. */
  readonly invalidPatterns: readonly string[];
}

type Restriction = Pick<OverlayConfig, 'domainRestriction' | 'overlayName'>;

/** Compiles the restriction of one configuration; keep the result as long as the configuration. */
export function createDomainFilter(config: Restriction): DomainFilter {
  const { acceptsHost, invalidPatterns } = hostRule(config);
  return {
    acceptsHost,
    invalidPatterns,
    acceptsAor(aor) {
      const parts = aorParts(aor);
      return parts !== undefined && acceptsHost(parts.host);
    },
  };
}

function hostRule(config: Restriction): Pick<DomainFilter, 'acceptsHost' | 'invalidPatterns'> {
  const restriction = config.domainRestriction;
  if (restriction === undefined) return { acceptsHost: () => true, invalidPatterns: [] };
  const own = config.overlayName.toLowerCase();
  if (!restriction.enable) {
    return { acceptsHost: (host) => host.toLowerCase() === own, invalidPatterns: [] };
  }
  const matchers: Matcher[] = [];
  const invalidPatterns: string[] = [];
  for (const [index, pattern] of restriction.patterns.entries()) {
    const compiled = compileEre(pattern.trim());
    if (compiled.ok && index < limits.usagesSip.patterns) matchers.push(compiled.value);
    else invalidPatterns.push(pattern);
  }
  return { acceptsHost: (host) => matchers.some((matches) => matches(host)), invalidPatterns };
}
