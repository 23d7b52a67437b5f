/** Finding the configuration server of an overlay by its name alone. RFC 6940 §11.2, §14.1, RFC 2782. */
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { randomUnit } from '../ports/random.ts';
import type { Random } from '../ports/random.ts';
import { connectAuthority } from './enrollment-request.ts';
import type { ClientCredentials } from './enrollment-request.ts';

export interface ServiceRecord {
  readonly priority: number;
  readonly weight: number;
  /** Host name; `.` or empty: the service does not exist there. */
  readonly target: string;
  readonly port: number;
}

/** Questions to the DNS. What does not exist is an empty list; what cannot be asked, too. */
export interface ServiceResolver {
  services(name: string): Promise<readonly ServiceRecord[]>;
  /** IPv4 and IPv6 addresses. */
  addresses(host: string): Promise<readonly string[]>;
}

/** Asks the servers of the system, or these (`address:port`). */
export function createServiceResolver(servers?: readonly string[]): ServiceResolver {
  const resolver = new Resolver({ timeout: limits.discovery.dnsTimeoutMs, tries: 2 });
  if (servers !== undefined) resolver.setServers([...servers]);
  const orNone = <T>(answer: Promise<T[]>): Promise<T[]> => answer.catch(() => []);
  return {
    async services(name) {
      const found = await orNone(resolver.resolveSrv(name));
      return found.map(({ name: target, ...rest }) => ({ ...rest, target }));
    },
    async addresses(host) {
      if (isIP(host) !== 0) return [host];
      const both = [orNone(resolver.resolve4(host)), orNone(resolver.resolve6(host))];
      return (await Promise.all(both)).flat();
    },
  };
}

export interface DiscoveryOptions {
  readonly overlayName: string;
  /** Where provisioning names the configuration server; then the DNS is not asked. */
  readonly url?: string;
  readonly resolver: ServiceResolver;
  readonly random: Random;
  /** DER; by default those of the system. */
  readonly rootCertificates?: readonly Uint8Array[];
  /** For servers that show the document to members only (RFC 6940 §14.16). */
  readonly credentials?: ClientCredentials;
  /** Why a document is no use, for the log; then the next server is asked. */
  readonly judge: (document: Uint8Array) => Outcome<void>;
}

const path = '/.well-known/reload-config';

/**
 * Fetches the configuration document over HTTPS. The server proves the host of the given URL, or the
 * overlay name. The error tells what went wrong with the last server.
 */
export async function discoverConfiguration(
  options: DiscoveryOptions,
): Promise<Outcome<Uint8Array>> {
  const { url, overlayName } = options;
  if (overlayName === '') return failure('the name of the overlay is needed');
  if (url !== undefined) return await fetchFrom(url, undefined, options);
  let outcome: Outcome<Uint8Array> = failure(`no configuration server found for ${overlayName}`);
  for (const { address, port } of await findServers(options)) {
    const host = address.includes(':') ? `[${address}]` : address;
    outcome = await fetchFrom(`https://${host}:${String(port)}${path}`, overlayName, options);
    if (outcome.ok) return outcome;
  }
  return outcome;
}

/** In the order of RFC 2782; without SRV records the overlay name itself on the HTTPS port. */
async function findServers({
  overlayName,
  resolver,
  random,
}: DiscoveryOptions): Promise<readonly { address: string; port: number }[]> {
  const records = await resolver.services(`_reload-config._tcp.${overlayName}`);
  const usable = records.filter(({ target }) => target !== '' && target !== '.');
  const ordered =
    records.length === 0
      ? [{ target: overlayName, port: 443 }]
      : inOrder(usable.slice(0, limits.discovery.records), random);
  const servers: { address: string; port: number }[] = [];
  for (const { target, port } of ordered) {
    for (const address of await resolver.addresses(target)) servers.push({ address, port });
  }
  return servers.slice(0, limits.discovery.servers);
}

/** Lowest priority first; among equals by chance, in proportion to their weights. */
export function inOrder(
  records: readonly ServiceRecord[],
  random: Random,
): readonly ServiceRecord[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  return priorities.flatMap((wanted) => {
    const left = records.filter(({ priority }) => priority === wanted);
    const ordered: ServiceRecord[] = [];
    while (left.length > 0) {
      const total = left.reduce((sum, { weight }) => sum + weight, 0);
      let point = randomUnit(random) * total;
      // Weights of zero have a chance only when nothing else is left.
      const at = left.findIndex(({ weight }) => (point -= weight) < 0);
      ordered.push(...left.splice(Math.max(0, at), 1));
    }
    return ordered;
  });
}

async function fetchFrom(
  url: string,
  overlayName: string | undefined,
  { rootCertificates, credentials, judge }: DiscoveryOptions,
): Promise<Outcome<Uint8Array>> {
  const trust = {
    ...(rootCertificates !== undefined && { rootCertificates }),
    ...(overlayName !== undefined && { overlayName }),
  };
  const connection = connectAuthority(trust, credentials);
  const headers = overlayName === undefined ? {} : { Host: overlayName };
  const answer = await connection.send({ method: 'GET', url, headers });
  connection.close();
  if (!answer.ok) return answer;
  const { status, body } = answer.value;
  if (status !== 200) return failure(`${url} answers ${String(status)}`);
  const judged = judge(body);
  return judged.ok ? success(body) : failure(`${url}: ${judged.error}`);
}
