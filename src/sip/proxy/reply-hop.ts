/** Another way for a response whose connection is gone. RFC 3261 §18.2.2, RFC 3263 §5. */
import type { Flow, FlowOpener, FlowTarget, SipTransportName } from '../../ports/flow.ts';
import type { Locator } from '../dns/locator.ts';
import { isIpv4, parseIpv6 } from '../message/ip.ts';
import { parseUri } from '../message/uri.ts';
import type { Via } from '../message/via.ts';

export interface ReplyHopsDeps {
  readonly flows: FlowOpener;
  readonly locator: Locator;
  mayReach(place: FlowTarget): boolean;
}

export interface ReplyHops {
  /** `undefined`: there is no other way. `done` exactly once, later or inside the call. */
  reopen(via: Via, lost: Flow, done: (flow: Flow | undefined) => void): void;
}

const transports: ReadonlyMap<string, SipTransportName> = new Map([
  ['UDP', 'udp'],
  ['TCP', 'tcp'],
  ['TLS', 'tls'],
]);

/** First the source of the request on the port of sent-by, then the servers that sent-by names. */
export function createReplyHops(deps: ReplyHopsDeps): ReplyHops {
  const { flows, locator } = deps;
  return {
    reopen(via, lost, done) {
      const transport = transports.get(via.transport);
      // WebSocket clients take no connections (RFC 7118 §5).
      if (transport === undefined || !lost.reliable) {
        done(undefined);
        return;
      }
      const host = via.host.startsWith('[') ? via.host.slice(1, -1) : via.host;
      const isName = !isIpv4(host) && parseIpv6(host) === undefined;
      const port = via.port ?? (transport === 'tls' ? 5061 : 5060);
      const source: FlowTarget = { transport, address: lost.remote.address, port };
      flows.open(source, (outcome) => {
        if (outcome.ok) done(outcome.value);
        else if (isName) byName(via, transport, done);
        else done(undefined);
      });
    },
  };

  function byName(
    { host, port }: Via,
    transport: SipTransportName,
    done: (flow: Flow | undefined) => void,
  ): void {
    const authority = port === undefined ? host : `${host}:${String(port)}`;
    const uri = parseUri(`sip:${authority};transport=${transport}`);
    const location = uri.ok ? locator.locate(uri.value, transport === 'tls') : undefined;
    if (location === undefined) {
      done(undefined);
      return;
    }
    const step = (): void => {
      location.next((place) => {
        if (place === undefined) done(undefined);
        else if (!deps.mayReach(place)) step();
        else {
          flows.open(place, (outcome) => {
            if (outcome.ok) done(outcome.value);
            else step();
          });
        }
      });
    };
    step();
  }
}
