/** Flows to phones whose transports a drachtio server terminates: all share one hop to it. */
import type { Flow, SipTransportName } from '../../ports/flow.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import { type PhonePlace, flowIdOf } from './edge-seal.ts';
import { createRecent } from './recent.ts';

export interface EdgeFlows {
  /** The flow to that phone; made on demand. */
  to(place: PhonePlace): Flow;
}

/** Names of the listeners that edge flows belong to, one for each transport. */
export function edgeListener(transport: SipTransportName): string {
  return `edge-${transport}`;
}

export function createEdgeFlows(deps: {
  /** Address of the core's side of the hop. */
  readonly local: () => TransportAddress;
  /** False while the drachtio server cannot be reached. */
  readonly isUp: () => boolean;
  readonly send: (flow: Flow, bytes: Uint8Array) => boolean;
  readonly maxFlows: number;
}): EdgeFlows {
  const { isUp, send } = deps;
  const flows = createRecent<string, EdgeFlow>(deps.maxFlows);

  /** A class: a server holds one for each phone. */
  class EdgeFlow implements Flow {
    readonly id: string;
    readonly transport: SipTransportName;
    /** The hop itself is datagrams, and the drachtio server swallows what we repeat. */
    readonly reliable = false;
    readonly secure: boolean;
    readonly local: TransportAddress = deps.local();
    readonly remote: TransportAddress;
    readonly listener: string;
    /** A drachtio server does not tell what certificate a phone showed. */
    readonly peer = undefined;

    constructor(id: string, { transport, address, port }: PhonePlace) {
      this.id = id;
      this.transport = transport;
      this.secure = transport === 'tls' || transport === 'wss';
      this.remote = { address, port };
      this.listener = edgeListener(transport);
    }

    get closed(): boolean {
      return !isUp();
    }

    send(bytes: Uint8Array): boolean {
      return isUp() && send(this, bytes);
    }

    /** The connection, if there is one, is the drachtio server's. */
    close(): void {
      return;
    }
  }

  return {
    to(place) {
      const id = flowIdOf(place);
      let flow = flows.get(id);
      if (flow === undefined) {
        flow = new EdgeFlow(id, place);
        flows.set(id, flow);
      }
      return flow;
    },
  };
}
