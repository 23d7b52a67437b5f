/** The SIP listeners a box serves, from its settings. */
import { hopListener } from '../../node/edge/drachtio-edge.ts';
import { edgeListener } from '../../node/edge/edge-flows.ts';
import type { Settings } from '../../node/settings.ts';
import type { ListenerSettings } from '../../node/settings-sip.ts';
import type { SipListener } from '../../node/sip-transports.ts';
import type { ListenerPolicy } from '../../sip/core/settings.ts';
import { sipTls } from './sip-certificates.ts';

export interface ConfiguredListener extends SipListener {
  readonly policy: ListenerPolicy;
}

/** Default listeners by address and ports (none where a drachtio server stands in front), then those listed. */
export async function sipListeners(
  settings: Settings,
  dir: string,
  hosts: readonly string[],
): Promise<readonly ConfiguredListener[]> {
  const { address, port, tlsPort, wsPort, wssPort, listeners: listed, digest } = settings.sip;
  const defaults: ListenerSettings[] = [
    { name: 'udp', transport: 'udp', address, port },
    { name: 'tcp', transport: 'tcp', address, port },
    { name: 'tls', transport: 'tls', address, port: tlsPort },
    { name: 'ws', transport: 'ws', address, port: wsPort },
    { name: 'wss', transport: 'wss', address, port: wssPort },
  ];
  const own = settings.sip.edge === 'embedded' ? defaults : [];
  const all = withTcp([...own.filter((listener) => listener.port !== 0), ...listed]);
  const isSecure = (listener: ListenerSettings): boolean =>
    listener.transport === 'tls' || listener.transport === 'wss';
  const tls = all.some(isSecure) ? await sipTls(settings, dir, hosts) : undefined;
  return all.map((listener) => ({
    name: listener.name,
    transport: listener.transport,
    address: listener.address,
    port: listener.port,
    ...(isSecure(listener) && tls !== undefined ? { tls } : {}),
    policy: {
      algorithms: listener.digest ?? digest,
      role: listener.role ?? 'proxy',
      acceptsOutsideCalls: settings.sip.outsideCalls,
    },
  }));
}

/** Policies of phones that come by way of a drachtio server, by listener name; none without one. */
export function edgePolicies(settings: Settings): [string, ListenerPolicy][] {
  const { digest, edge, outsideCalls } = settings.sip;
  if (edge !== 'drachtio') return [];
  const policy = { algorithms: digest, role: 'proxy', acceptsOutsideCalls: outsideCalls } as const;
  return (['udp', 'tcp', 'tls', 'ws', 'wss'] as const).map((transport) => [
    edgeListener(transport),
    policy,
  ]);
}

/** Where UDP is served TCP is too (RFC 3261 §18.2.1): large requests and their answers need it. */
function withTcp(listeners: readonly ListenerSettings[]): readonly ListenerSettings[] {
  return listeners.flatMap((listener) => {
    const has = listeners.some(
      ({ transport, address, port }) =>
        transport === 'tcp' && address === listener.address && port === listener.port,
    );
    if (listener.transport !== 'udp' || has) return [listener];
    return [listener, { ...listener, name: `${listener.name}-tcp`, transport: 'tcp' }];
  });
}

/** The setting that gives the port of a listener. */
export function portSetting(listener: string): string {
  const ofDefaults: Readonly<Record<string, string>> = {
    udp: 'sip.port',
    tcp: 'sip.port',
    tls: 'sip.tlsPort',
    ws: 'sip.wsPort',
    wss: 'sip.wssPort',
    [hopListener]: 'sip.drachtio.listen',
  };
  return ofDefaults[listener] ?? 'sip.listeners';
}
