/**
 * Where a SIP URI of another domain leads: transport, address and port, one place after the other in
 * the order in which they are to be tried. RFC 3263 §4. Nothing is asked before it is needed.
 */
import { limits } from '../../base/limits.ts';
import type { FlowTarget, SipTransportName } from '../../ports/flow.ts';
import type { Random } from '../../ports/random.ts';
import type { NaptrRecord, Resolver } from '../../ports/resolver.ts';
import { isIpv4, parseIpv6 } from '../message/ip.ts';
import type { SipUri } from '../message/uri.ts';
import { orderSrv } from './srv-order.ts';

export interface LocatorDeps {
  readonly resolver: Resolver;
  readonly random: Random;
  /** Transports this server can send over, most preferred first. */
  readonly transports: readonly SipTransportName[];
}

/** A search through the DNS; {@link Location.next} is not called again before it has reported. */
export interface Location {
  /** The next place to try, `undefined` when there is none; later or inside the call, exactly once. */
  next(done: (place: FlowTarget | undefined) => void): void;
}

export interface Locator {
  /**
   * `secure`: as if the URI were sips (RFC 3261 §16.6 step 7). `undefined` when the URI asks for a
   * transport that this server has not, is no SIP URI, or names a host under `.invalid`.
   */
  locate(uri: SipUri, secure: boolean): Location | undefined;
}

/** One step that is still to be made. */
type Step =
  | { readonly kind: 'naptr'; readonly name: string }
  | { readonly kind: 'srv'; readonly name: string; readonly transport: SipTransportName }
  | {
      readonly kind: 'host';
      readonly name: string;
      readonly port: number;
      readonly transport: SipTransportName;
      readonly family: 4 | 6;
    }
  | { readonly kind: 'place'; readonly place: FlowTarget };

export function createLocator(deps: LocatorDeps): Locator {
  const { resolver, random, transports } = deps;

  function locate(uri: SipUri, secure: boolean): Location | undefined {
    if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return undefined;
    const sips = secure || uri.scheme === 'sips';
    const named = namedTransport(uri, sips);
    if (named === 'unknown' || (named !== undefined && !transports.includes(named))) {
      return undefined;
    }
    const name = plainHost(uri.params.get('maddr') ?? uri.host);
    if (isInvalid(name)) return undefined;
    const plain = sips ? 'tls' : 'udp';
    const transport = named ?? (transports.includes(plain) ? plain : transports[0]);
    if (transport === undefined || (sips && !isSecure(transport))) return undefined;
    const port = uri.port ?? defaultPort(transport);
    if (isAddress(name)) {
      return walk(name, sips, [{ kind: 'place', place: { transport, address: name, port } }]);
    }
    if (uri.port !== undefined) return walk(name, sips, hostSteps(name, port, transport));
    if (named !== undefined) {
      const srv: Step = { kind: 'srv', name: srvName(name, named), transport: named };
      return walk(name, sips, [srv], hostSteps(name, port, named));
    }
    return walk(name, sips, [{ kind: 'naptr', name }], hostSteps(name, port, transport));
  }

  /** `fallback` counts only where neither NAPTR nor SRV records exist (§4.1, §4.2). */
  function walk(
    domain: string,
    sips: boolean,
    first: readonly Step[],
    fallback: readonly Step[] = [],
  ): Location {
    const steps: Step[] = [...first];
    const given = new Set<string>();
    let spare: readonly Step[] = fallback;
    let lookups = 0;

    function next(done: (place: FlowTarget | undefined) => void): void {
      const step = steps.shift();
      if (step === undefined) {
        if (spare.length === 0) {
          done(undefined);
          return;
        }
        steps.push(...spare);
        spare = [];
        next(done);
        return;
      }
      if (step.kind === 'place') {
        const { address, port, transport } = step.place;
        const key = `${transport} ${address} ${String(port)}`;
        if (given.has(key) || given.size >= limits.sipDns.places) next(done);
        else {
          given.add(key);
          done(step.place);
        }
        return;
      }
      if (++lookups > limits.sipDns.lookups) {
        done(undefined);
        return;
      }
      ask(step, () => {
        next(done);
      });
    }

    function ask(step: Exclude<Step, { kind: 'place' }>, done: () => void): void {
      switch (step.kind) {
        case 'naptr':
          resolver.naptr(step.name, (outcome) => {
            const services = outcome.ok ? usable(outcome.value, sips) : [];
            steps.unshift(...(services.length > 0 ? services : srvSteps(domain, sips)));
            done();
          });
          return;
        case 'srv':
          resolver.srv(step.name, (outcome) => {
            const records = outcome.ok ? outcome.value.slice(0, limits.sipDns.records) : [];
            // A record exists: what follows is only for domains without any.
            if (records.length > 0) spare = [];
            const found = orderSrv(records, random)
              .filter(({ target }) => target !== '' && target !== '.')
              .flatMap(({ target, port }) => hostSteps(target, port, step.transport));
            steps.unshift(...found);
            done();
          });
          return;
        case 'host': {
          const { family, name, port, transport } = step;
          resolver.addresses(name, family, (outcome) => {
            const addresses = outcome.ok ? outcome.value.slice(0, limits.sipDns.records) : [];
            steps.unshift(
              ...addresses.map((address): Step => ({
                kind: 'place',
                // TLS proves the domain that was asked for, not the host it led to (RFC 5922 §7.3).
                place: { transport, address, port, host: domain },
              })),
            );
            done();
          });
        }
      }
    }

    return { next };
  }

  /** SRV lookups for the services that both sides have, in the order of the NAPTR records. */
  function usable(records: readonly NaptrRecord[], sips: boolean): Step[] {
    const found: Step[] = [];
    const ordered = records
      .slice(0, limits.sipDns.records)
      .sort((a, b) => a.order - b.order || a.preference - b.preference);
    for (const { flags, replacement, service } of ordered) {
      const transport = transportOfService.get(service.toUpperCase());
      if (transport === undefined || !transports.includes(transport)) continue;
      if (flags.toLowerCase() !== 's' || replacement === '' || replacement === '.') continue;
      if (sips && !isSecure(transport)) continue;
      found.push({ kind: 'srv', name: replacement, transport });
    }
    return found;
  }

  function srvSteps(domain: string, sips: boolean): Step[] {
    return transports
      .filter((transport) => !sips || isSecure(transport))
      .filter((transport) => transport !== 'ws' && transport !== 'wss')
      .map((transport) => ({ kind: 'srv', name: srvName(domain, transport), transport }));
  }

  return { locate };
}

/** RFC 3263 §4.1, RFC 7118 §4.2 names none for SIP servers that act as clients. */
const transportOfService: ReadonlyMap<string, SipTransportName> = new Map([
  ['SIP+D2U', 'udp'],
  ['SIP+D2T', 'tcp'],
  ['SIPS+D2T', 'tls'],
]);

function namedTransport(uri: SipUri, sips: boolean): SipTransportName | 'unknown' | undefined {
  const wanted = uri.params.get('transport')?.toLowerCase();
  switch (wanted) {
    case undefined:
      return undefined;
    case 'tcp':
    case 'tls':
      return sips || wanted === 'tls' ? 'tls' : 'tcp';
    case 'udp':
      return sips ? 'unknown' : 'udp';
    case 'ws':
    case 'wss':
      return sips || wanted === 'wss' ? 'wss' : 'ws';
    default:
      return 'unknown';
  }
}

function hostSteps(name: string, port: number, transport: SipTransportName): Step[] {
  return [
    { kind: 'host', name, port, transport, family: 4 },
    { kind: 'host', name, port, transport, family: 6 },
  ];
}

function srvName(domain: string, transport: SipTransportName): string {
  if (transport === 'tls') return `_sips._tcp.${domain}`;
  return `_sip._${transport}.${domain}`;
}

function isSecure(transport: SipTransportName): boolean {
  return transport === 'tls' || transport === 'wss';
}

function defaultPort(transport: SipTransportName): number {
  return isSecure(transport) ? 5061 : 5060;
}

function plainHost(host: string): string {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  return bare.endsWith('.') ? bare.slice(0, -1) : bare;
}

function isAddress(host: string): boolean {
  return isIpv4(host) || parseIpv6(host) !== undefined;
}

/** What phones in browsers write for want of an address (RFC 7118 §5): nobody is to be asked for it (RFC 6761 §6.4). */
function isInvalid(host: string): boolean {
  return /(?:^|\.)invalid\.?$/i.test(host);
}
