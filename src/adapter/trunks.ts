/**
 * Trunks: PBXs and providers that numbers lead to and callers come from, at a static address or after
 * registering there with credentials.
 */
import { limits } from '../base/limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Flow } from '../ports/flow.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import type { TrunkPeer, TrunkPeers } from '../sip/core/trunk-peers.ts';
import { withCredentials } from '../sip/digest/answer.ts';
import { canonicalAddress, isIpv4 } from '../sip/message/ip.ts';
import { parseUri } from '../sip/message/uri.ts';
import type { NextHops } from '../sip/proxy/next-hop.ts';
import type { OpenFlow, ProxyTarget } from '../sip/proxy/targets.ts';
import { createTrunkWatch } from './trunk-watch.ts';
import type { TrunkSettings } from '../ports/trunk.ts';
import type { TrunkWatch, TrunkWatchDeps } from './trunk-watch.ts';

export interface Trunks extends TrunkPeers {
  /** Targets for a number, the first trunk that is up first; those that are down last. */
  targets(
    names: readonly string[],
    number: string,
    callerAor: string | undefined,
  ): readonly ProxyTarget[];
  start(): void;
  stop(): void;
  snapshot(): readonly TrunkSnapshot[];
}

export interface TrunkSnapshot {
  readonly name: string;
  readonly up: boolean;
  readonly registered: boolean;
}

export interface TrunksDeps {
  readonly trunks: readonly TrunkSettings[];
  readonly nextHops: NextHops;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  /** Sends requests of our own. */
  readonly request: TrunkWatchDeps['request'];
  /** Via sent-by towards a flow, for the Contact. */
  readonly contactHost: TrunkWatchDeps['contactHost'];
}

interface Trunk extends TrunkPeer {
  readonly settings: TrunkSettings;
  readonly host: string;
  readonly watch: TrunkWatch;
}

export function createTrunks(deps: TrunksDeps): Trunks {
  const { nextHops, random, trace } = deps;
  const calls = trace.counter('sip_trunk_calls_total');
  const trunks = new Map<string, Trunk>();
  /** Places that trunks were reached at: what challenges from there is answered. */
  const places = new Map<string, Trunk>();
  for (const settings of deps.trunks.slice(0, limits.adapter.trunks)) {
    const uri = parseUri(settings.uri);
    if (!uri.ok) continue;
    const trunk: Trunk = {
      settings,
      name: settings.name,
      trusted: settings.trusted === true,
      host: uri.value.host,
      watch: createTrunkWatch({ ...deps, settings, open: (done) => open(trunk)(done) }),
    };
    trunks.set(settings.name, trunk);
    trace.gauge('sip_trunk_up', () => (trunk.watch.up ? 1 : 0), { trunk: settings.name });
  }

  function open(trunk: Trunk): OpenFlow {
    return (done) =>
      nextHops.open(trunk.settings.uri, false, (outcome, next) => {
        if (outcome.ok) remember(outcome.value, trunk);
        done(outcome, next);
      });
  }

  function remember(flow: Flow, trunk: Trunk): void {
    const key = placeOf(flow);
    if (places.get(key) === trunk) return;
    places.delete(key);
    if (places.size >= limits.adapter.trunkPlaces) {
      const [oldest] = places.keys();
      if (oldest !== undefined) places.delete(oldest);
    }
    places.set(key, trunk);
  }

  function targetOf(
    trunk: Trunk,
    number: string,
    q: number,
    callerAor: string | undefined,
  ): ProxyTarget {
    const { host, name, settings, trusted } = trunk;
    const identity: [string, string][] =
      trusted && callerAor !== undefined ? [['P-Asserted-Identity', `<sip:${callerAor}>`]] : [];
    return {
      uri: `${/^sips:/i.test(settings.uri) ? 'sips' : 'sip'}:${number}@${host};user=phone`,
      q,
      route: [],
      side: 'outside',
      streams: true,
      trusted,
      label: `trunk ${name}`,
      // Who is told its address has neither its credentials nor the right to call there.
      toldAs: () => undefined,
      open: (done) => {
        calls.add();
        return open(trunk)(done);
      },
      extraHeaders: identity,
    };
  }

  return {
    ofFlow(flow) {
      const address = canonicalAddress(flow.remote.address);
      for (const trunk of trunks.values()) {
        const sources = trunk.settings.sources ?? [trunk.host];
        if (sources.some((source) => covers(source, address))) return trunk;
      }
      return undefined;
    },
    ofAccount(aor) {
      for (const trunk of trunks.values()) if (trunk.settings.account === aor) return trunk;
      return undefined;
    },
    answer(sent, flow, response) {
      const trunk = places.get(placeOf(flow));
      const { password, user } = trunk?.settings ?? {};
      if (user === undefined || password === undefined) return undefined;
      return withCredentials(sent, response, { user, password }, random);
    },
    targets(names, number, callerAor) {
      const known = names.map((name) => trunks.get(name)).filter((trunk) => trunk !== undefined);
      const ordered = [
        ...known.filter(({ watch }) => watch.up),
        ...known.filter(({ watch }) => !watch.up),
      ];
      return ordered.map((trunk, at) => targetOf(trunk, number, 1000 - at, callerAor));
    },
    start() {
      for (const { watch } of trunks.values()) watch.start();
    },
    stop() {
      for (const { watch } of trunks.values()) watch.stop();
    },
    snapshot: () =>
      [...trunks.values()].map(({ name, watch }) => ({
        name,
        up: watch.up,
        registered: watch.registered,
      })),
  };
}

function placeOf({ remote, transport }: Flow): string {
  return `${transport} ${remote.address} ${String(remote.port)}`;
}

/** True when the address is the one given, or lies in the IPv4 network given. */
function covers(source: string, address: string): boolean {
  const slash = source.indexOf('/');
  if (slash < 0) return canonicalAddress(source) === address;
  const network = source.slice(0, slash);
  const bits = Number(source.slice(slash + 1));
  if (!isIpv4(network) || !isIpv4(address) || !(bits >= 0 && bits <= 32)) return false;
  const shift = 32 - bits;
  return shift === 32 || numberOfIpv4(network) >>> shift === numberOfIpv4(address) >>> shift;
}

function numberOfIpv4(address: string): number {
  return address.split('.').reduce((sum, part) => ((sum << 8) | Number(part)) >>> 0, 0);
}
