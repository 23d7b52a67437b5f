/** Phones by way of a drachtio server: the hop, the application at the server, and the flows between them. */
import { randomBytes } from 'node:crypto';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { limits } from '../../base/limits.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { Flow, FlowEvents, FlowOpener, FlowTarget } from '../../ports/flow.ts';
import type { Trace } from '../../ports/trace.ts';
import { hostPort, parseHostPort } from '../sip-addresses.ts';
import { createSipUdpSocket } from '../sip-udp.ts';
import { createDrachtioClient, type DrachtioState } from './drachtio-client.ts';
import type { DrachtioSrfClass } from './drachtio-srf.ts';
import { edgeListener } from './edge-flows.ts';
import { createEdgeHop } from './edge-hop.ts';
import { type PhonePlace, createEdgeSeals, placeOfFlowId } from './edge-seal.ts';

export interface DrachtioEdgeOptions {
  readonly Srf: DrachtioSrfClass;
  /** Where the server takes applications. */
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  /** The core's address of the hop; port 0 lets the system choose. */
  readonly listen: TransportAddress;
  /** The server's UDP address of the hop. */
  readonly hop: TransportAddress;
  /** Addresses by which phones reach the server; before those that it lists itself. */
  readonly advertised: readonly PhonePlace[];
  /** 32 bytes, the same again after a restart. */
  readonly routeKey: Uint8Array;
  readonly events: Pick<FlowEvents, 'message'>;
  readonly trace: Trace;
  readonly nowMs: () => number;
}

export interface DrachtioEdge {
  /** Binds the hop; the server is awaited in the background. Rejects like the other listeners. */
  start(): Promise<void>;
  close(): Promise<void>;
  readonly opener: FlowOpener;
  /** Ports that stand for this box: the server's, and the one of the hop. */
  ports(): readonly number[];
  readonly state: DrachtioState;
}

/** Name of the hop in errors. */
export const hopListener = 'edge-hop';

export function createDrachtioEdge(options: DrachtioEdgeOptions): DrachtioEdge {
  const { events, hop: server, nowMs, trace } = options;
  const seals = createEdgeSeals({
    arrivalKey: randomBytes(32),
    routeKey: options.routeKey,
    lifetimeMs: limits.sipEdge.sealMs,
  });
  const strangers = trace.counter('sip_edge_refused_total', { reason: 'not-the-server' });
  const serverAddress = hostPort(server);
  const socket = createSipUdpSocket({
    listener: { name: hopListener, transport: 'udp', ...options.listen },
    events: {
      message(flow, bytes) {
        // The server holds its port: no other program of this machine can send from there.
        if (hostPort(flow.remote) === serverAddress) hop.receive(bytes);
        else strangers.add();
      },
      closed: () => undefined,
    },
    trace,
    stun: undefined,
    maxFlows: 16,
  });
  const local = (): TransportAddress => ({
    address: socket.listener.address,
    port: socket.listener.port,
  });
  const hop = createEdgeHop({
    seals,
    events,
    trace,
    nowMs,
    local,
    server,
    transmit: (bytes) => socket.flowTo(server).send(bytes),
    isUp: () => client.state.connected,
    frontOf: (phone) => uriOfFront(frontOf(phone), phone.transport),
    isServer,
    limits: limits.sipEdge,
  });
  const client = createDrachtioClient({
    Srf: options.Srf,
    host: options.host,
    port: options.port,
    secret: options.secret,
    trace,
    seals,
    nowMs,
    core: local,
    targetOf: (branch) => hop.targetOf(branch),
    retryMaxMs: limits.sipEdge.retryMaxMs,
  });
  trace.gauge('sip_edge_connected', () => Number(client.state.connected));

  function fronts(): readonly PhonePlace[] {
    return [...options.advertised, ...client.state.endpoints];
  }

  /** The server's address on the phone's side: of its transport, if possible of its kind of network. */
  function frontOf(phone: PhonePlace): TransportAddress {
    const usable = fronts().filter(
      ({ address, transport }) =>
        transport === phone.transport && address.includes(':') === phone.address.includes(':'),
    );
    const near = isLoopback(phone.address);
    return usable.find(({ address }) => isLoopback(address) === near) ?? usable[0] ?? server;
  }

  function isServer(uri: string): boolean {
    const match = /^sips?:(?:[^@]*@)?(\[[^\]]+\]|[^:;?]+)(?::(\d+))?(?:;|$)/i.exec(uri);
    const host = match?.[1]?.replaceAll(/[[\]]/g, '');
    const isTls = /^sips:|;transport=tls/i.test(uri);
    const port = Number(match?.[2] ?? (isTls ? 5061 : 5060));
    return [server, ...fronts()].some((one) => one.address === host && one.port === port);
  }

  function openNow(target: FlowTarget): Outcome<Flow> {
    const { listener, transport } = target;
    if (listener !== undefined && listener !== edgeListener(transport)) {
      return failure('no-listener');
    }
    if (!client.state.connected) return failure('drachtio-unreachable');
    const { address, port } = target;
    return success(hop.flows.to({ transport, address, port }));
  }

  return {
    async start() {
      await socket.start();
      client.start();
    },
    async close() {
      client.stop();
      await socket.close();
    },
    opener: {
      open(target, done) {
        process.nextTick(done, openNow(target));
      },
      find(id) {
        const place = placeOfFlowId(id);
        return place === undefined ? undefined : hop.flows.to(place);
      },
    },
    ports: () => [local().port, server.port, ...fronts().map(({ port }) => port)],
    get state() {
      return client.state;
    },
  };
}

/**
 * Two sets of transports as one: flows are found by their id; new ones towards the outside are the embedded
 * listeners' where they can make them, and the edge's else.
 */
export function withEdge(embedded: FlowOpener, edge: DrachtioEdge): FlowOpener {
  return {
    open(target, done) {
      const { listener } = target;
      if (listener?.startsWith('edge-') === true) edge.opener.open(target, done);
      else if (listener !== undefined || target.transport !== 'udp') embedded.open(target, done);
      else {
        embedded.open(target, (outcome) => {
          if (outcome.ok) done(outcome);
          else edge.opener.open(target, done);
        });
      }
    },
    find: (id) => (id.startsWith('edge:') ? edge.opener.find(id) : embedded.find(id)),
  };
}

/** `udp/192.0.2.1:5060` as settings have it; `undefined` when it is none. */
export function parseFront(text: string): PhonePlace | undefined {
  const slash = text.indexOf('/');
  return slash < 0
    ? undefined
    : placeOfFlowId(`edge:${text.slice(0, slash)}:${text.slice(slash + 1)}`);
}

/** `127.0.0.1:5060`. */
export const parseAddress = parseHostPort;

function uriOfFront(front: TransportAddress, transport: PhonePlace['transport']): string {
  const shown = transport === 'wss' ? 'ws' : transport;
  const rest = shown === 'udp' ? '' : `;transport=${shown}`;
  return `sip:${hostPort(front)}${rest}`;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
