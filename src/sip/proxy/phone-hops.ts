import { limits } from '../../base/limits.ts';
import { latin1Decode, latin1Encode } from '../../base/text.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Flow, FlowOpener, FlowTarget, SipTransportName } from '../../ports/flow.ts';
import { bareHost } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { sipFailure } from '../core/failure.ts';
import { bracketed } from '../message/ip.ts';
import { type SipUri, parseUri } from '../message/uri.ts';
import { createFlowTokens } from './flow-token.ts';
import type { NextHops } from './next-hop.ts';
import type { HopAddressing, OwnRoute, ViaSentBy } from './targets.ts';

export interface PhoneHopsDeps {
  readonly domains: Domains;
  readonly flows: FlowOpener;
  /**
   * Flow-token secrets, at least 16 bytes each, durable: the first one signs, all verify; may change in
   * place (rotation).
   */
  readonly tokenKeys: readonly Uint8Array[];
  /** Absent: only URIs with a numeric host lead anywhere. */
  readonly nextHops?: NextHops;
  /** Address to show instead of `flow.local` (bound to a wildcard, behind port forwarding). */
  readonly advertised?: (
    flow: Flow,
  ) => { readonly host: string; readonly port: number } | undefined;
}

/** How the server addresses itself towards phones: its own address, with a flow token in Record-Route. */
export function createPhoneHops(deps: PhoneHopsDeps): HopAddressing {
  const { domains, flows } = deps;
  const tokens = createFlowTokens(deps.tokenKeys);
  let written = new WeakMap<Flow, WrittenHop>();
  /** The requests of one phone carry the same Route values call after call. */
  const proven = new Map<string, OwnRoute>();
  /** The key that made what is remembered. */
  let signing = deps.tokenKeys[0];

  /** After a rotation tokens are made with the new key, and those of dropped keys count no more. */
  function forgetRotated(): void {
    if (signing === deps.tokenKeys[0]) return;
    signing = deps.tokenKeys[0];
    written = new WeakMap();
    proven.clear();
  }

  function hopOf(flow: Flow): WrittenHop {
    forgetRotated();
    let hop = written.get(flow);
    if (hop === undefined) {
      const shown = deps.advertised?.(flow);
      const host = bracketed(shown?.host ?? flow.local.address);
      const port = shown?.port ?? flow.local.port;
      const place = deps.nextHops?.placeOf(flow);
      const token = tokens.create(place === undefined ? flow.id : nameWithPlace(flow.id, place));
      const rest = `${token}@${host}:${String(port)}`;
      hop = {
        token,
        via: { host, port },
        route: `sip:${rest}${transportParam[flow.transport]};lr`,
        secureRoute: `sips:${rest}${flow.transport === 'wss' ? ';transport=ws' : ''};lr`,
      };
      written.set(flow, hop);
    }
    return hop;
  }

  /** A flow that is still there carries its token ready made, which spares the HMAC. */
  function genuineName(token: string): string | undefined {
    const claimed = tokens.claim(token);
    if (claimed === undefined) return undefined;
    const flow = flows.find(idOfName(claimed));
    if (flow !== undefined && tokens.equal(hopOf(flow).token, token)) return claimed;
    return tokens.open(token);
  }

  return {
    via: (flow) => hopOf(flow).via,
    recordRoute: (flow, secure) => (secure ? hopOf(flow).secureRoute : hopOf(flow).route),
    ownRoute(uri) {
      forgetRotated();
      const seen = proven.get(uri);
      if (seen !== undefined) return seen;
      const parsed = parseUri(uri);
      if (!parsed.ok) return undefined;
      const { scheme, user, port } = parsed.value;
      if (scheme !== 'sip' && scheme !== 'sips') return undefined;
      if (!domains.isSelf(bareHost(parsed.value), port)) return undefined;
      if (user === undefined || !tokens.isToken(user)) return { kind: 'plain' };
      const name = genuineName(user);
      if (name === undefined) return { kind: 'forged' };
      const place = placeOfName(name);
      const route: OwnRoute = {
        kind: 'flow',
        flowId: idOfName(name),
        ...(place === undefined ? {} : { place }),
      };
      if (proven.size >= limits.sipRoles.provenRoutes) proven.clear();
      // A copy, lest the key keep the whole message alive.
      proven.set(latin1Decode(latin1Encode(uri)), route);
      return route;
    },
    openRoute(uri, context, done) {
      if (context.authenticated !== true) {
        done(failure(sipFailure(403, 'Relaying Denied')));
        return giveUpNothing;
      }
      // What was asked for as sips goes on over TLS, whatever the Route says (RFC 3261 §16.6 step 7).
      const secure = /^sips:/i.test(context.request.uri);
      if (deps.nextHops !== undefined) return deps.nextHops.open(uri, secure, done);
      const parsed = parseUri(uri);
      const target = parsed.ok ? flowTarget(parsed.value, secure) : undefined;
      if (target === undefined) {
        done(failure(sipFailure(478, 'Unresolvable Next Hop')));
        return giveUpNothing;
      }
      let waiting = true;
      flows.open(target, (outcome) => {
        if (!waiting) return;
        done(
          outcome.ok ? success(outcome.value) : failure(sipFailure(503, 'Next Hop Unreachable')),
        );
      });
      return () => {
        waiting = false;
      };
    },
  };
}

/**
 * A connection that this server made can be made again: its token says where to. Flow ids hold no spaces.
 */
function nameWithPlace(flowId: string, place: FlowTarget): string {
  const { address, host = '', port, transport } = place;
  return `${flowId} ${transport} ${address} ${String(port)} ${host}`;
}

function idOfName(name: string): string {
  const space = name.indexOf(' ');
  return space < 0 ? name : name.slice(0, space);
}

/** Only for names out of genuine tokens. */
function placeOfName(name: string): FlowTarget | undefined {
  const [, transport, address, port, host] = name.split(' ');
  if (transport === undefined || address === undefined) return undefined;
  return {
    transport: transport as SipTransportName,
    address,
    port: Number(port),
    ...(host === undefined || host === '' ? {} : { host }),
  };
}

interface WrittenHop {
  readonly token: string;
  readonly via: ViaSentBy;
  readonly route: string;
  readonly secureRoute: string;
}

const transportParam: Readonly<Record<SipTransportName, string>> = {
  udp: '',
  tcp: ';transport=tcp',
  tls: ';transport=tls',
  ws: ';transport=ws',
  wss: ';transport=ws',
};

const giveUpNothing = (): void => undefined;

/**
 * Where a URI with a numeric host leads (RFC 3263 §4.1); `undefined` for names, which need a resolver.
 * maddr is not followed.
 */
export function flowTarget(uri: SipUri, secureCall = false): FlowTarget | undefined {
  const address = bareHost(uri);
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(address) && !uri.host.startsWith('[')) return undefined;
  const wanted = uri.params.get('transport')?.toLowerCase();
  const secure = secureCall || uri.scheme === 'sips';
  let transport: SipTransportName;
  if (wanted === 'ws' || wanted === 'wss') transport = secure || wanted === 'wss' ? 'wss' : 'ws';
  else if (secure || wanted === 'tls') transport = 'tls';
  else if (wanted === 'tcp') transport = 'tcp';
  else if (wanted === undefined || wanted === 'udp') transport = 'udp';
  else return undefined;
  return { transport, address, port: uri.port ?? (transport === 'tls' ? 5061 : 5060) };
}
