/**
 * What the adapter answers for: the overlay's domain, the further domains its configuration admits,
 * and every address, host name and alias of the box, which stand for the overlay's domain (DESIGN §3).
 */
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Domains } from '../sip/core/domains.ts';
import { canonicalAddress, isIpv4 } from '../sip/message/ip.ts';
import { createDomainFilter } from '../usages/sip/domain-restriction.ts';
import type { DomainFilter } from '../usages/sip/domain-restriction.ts';
import { nodeOfHost } from './node-host.ts';

export interface AdapterDomains extends Domains {
  /** The restriction of the configuration in force (RFC 7904 §3.4). */
  filter(): DomainFilter;
  /** True when an AOR with this host is to be looked up in the overlay (RFC 7904 §4.1). */
  isHosted(host: string): boolean;
}

export interface DomainsDeps {
  config(): OverlayConfig;
  /** Addresses the listeners can be reached at, and names of this box, in any form and case. */
  ownHosts(): Iterable<string>;
  /** Ports of the SIP listeners; a port of an own host that is not among them belongs to another program. */
  ownPorts(): ReadonlySet<number>;
}

export function createDomains(deps: DomainsDeps): AdapterDomains {
  const canonical = deps.config().overlayName.toLowerCase();
  let compiledFor: OverlayConfig | undefined;
  let filter: DomainFilter | undefined;
  const own = new Set<string>();
  for (const host of deps.ownHosts()) own.add(canonicalAddress(host));

  function currentFilter(): DomainFilter {
    const config = deps.config();
    if (filter === undefined || compiledFor !== config) {
      filter = createDomainFilter(config);
      compiledFor = config;
    }
    return filter;
  }

  /** A domain other than the overlay's own is served only where a restriction names it. */
  function isFurtherDomain(host: string): boolean {
    if (deps.config().domainRestriction?.enable !== true) return false;
    if (isIpv4(host) || host.includes(':') || nodeOfHost(host) !== undefined) return false;
    return currentFilter().acceptsHost(host);
  }

  function isOwnHost(host: string, port: number | undefined): boolean {
    return own.has(host) && (port === undefined || deps.ownPorts().has(port));
  }

  return {
    canonical,
    filter: currentFilter,
    servedDomain(given, port) {
      if (given === canonical) return canonical;
      const host = canonicalAddress(given);
      if (host === canonical || isOwnHost(host, port)) return canonical;
      return isFurtherDomain(host) ? host : undefined;
    },
    isSelf(given, port) {
      const host = canonicalAddress(given);
      if (isOwnHost(host, port)) return true;
      return host === canonical && (port === undefined || deps.ownPorts().has(port));
    },
    isHosted(given) {
      const host = canonicalAddress(given);
      return host === canonical || isFurtherDomain(host);
    },
  };
}
