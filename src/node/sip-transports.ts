import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type {
  Flow,
  FlowEvents,
  FlowOpener,
  FlowTarget,
  SipTransportName,
  StreamFramer,
} from '../ports/flow.ts';
import type { Trace } from '../ports/trace.ts';
import { familyOf, parseHostPort } from './sip-addresses.ts';
import { createConnectionTable } from './sip-connections.ts';
import type { ConnectionLimits } from './sip-connections.ts';
import { connectStream, createSipStreamServer, targetKey } from './sip-stream.ts';
import type { SipStreamServer, TlsClientSettings } from './sip-stream.ts';
import type { SipTls } from './sip-tls.ts';
import { createSipUdpSocket } from './sip-udp.ts';
import type { SipUdpSocket, StunHandler } from './sip-udp.ts';
import { createSipWebSocketServer } from './sip-websocket.ts';

export type { ConnectionLimits } from './sip-connections.ts';
export type { TlsClientSettings } from './sip-stream.ts';
export type { StunHandler } from './sip-udp.ts';

/** One address on which SIP is served. */
export interface SipListener {
  /** Unique; printable ASCII without `:`; appears in flow ids. */
  readonly name: string;
  readonly transport: SipTransportName;
  /** Numeric IPv4 or IPv6 address. */
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Needed for tls and wss. */
  readonly tls?: SipTls;
}

export interface SipTransportsOptions {
  readonly listeners: readonly SipListener[];
  readonly events: FlowEvents;
  readonly trace: Trace;
  /** Cuts TCP and TLS streams into messages; a new one for each connection. */
  readonly createFramer: () => StreamFramer;
  /** STUN on the UDP listeners; ignored when absent. */
  readonly stun?: StunHandler;
  readonly tlsClient?: TlsClientSettings;
  readonly limits?: Partial<ConnectionLimits> & { readonly udpFlows?: number };
}

export interface SipTransports {
  /** Binds all listeners or none; rejects with an error that names the address and port that failed. */
  start(): Promise<void>;
  /** Closes connections once what was sent is out, then the listeners. */
  close(): Promise<void>;
  readonly opener: FlowOpener;
  /** New certificates for the TLS and WSS listeners. Throws when key and certificate do not fit. */
  readonly useTls: (settings: SipTls) => void;
  /** The listeners with the ports the system chose; complete after `start`. */
  readonly bound: readonly SipListener[];
}

/** SIP over UDP, TCP, TLS, WS and WSS. RFC 3261 §18, RFC 7118. */
export function createSipTransports(options: SipTransportsOptions): SipTransports {
  const { events, trace, createFramer } = options;
  const table = createConnectionTable(events, trace, options.limits ?? {});
  const streamDeps = { table, createFramer };
  const datagrams: SipUdpSocket[] = [];
  const servers: SipStreamServer[] = [];
  for (const listener of options.listeners) {
    if (listener.transport === 'udp') {
      const maxFlows = options.limits?.udpFlows ?? limits.sipSockets.udpFlows;
      const { stun } = options;
      datagrams.push(createSipUdpSocket({ listener, events, trace, stun, maxFlows }));
    } else if (listener.transport === 'tcp' || listener.transport === 'tls') {
      servers.push(createSipStreamServer(streamDeps, listener));
    } else servers.push(createSipWebSocketServer(table, listener));
  }
  const all = [...datagrams, ...servers];
  const connecting = new Map<string, ((outcome: Outcome<Flow>) => void)[]>();

  function bound(): SipListener[] {
    return all.map(({ listener }) => listener);
  }

  /** The listener a flow to the target leaves from. */
  function listenerFor(target: FlowTarget): SipListener | undefined {
    const fits = (listener: SipListener): boolean =>
      listener.transport === target.transport &&
      familyOf(listener.address) === familyOf(target.address);
    const candidates = bound().filter(fits);
    if (target.listener === undefined) return candidates[0];
    return candidates.find(({ name }) => name === target.listener);
  }

  function openNow(target: FlowTarget): Outcome<Flow> | undefined {
    if (target.transport === 'udp') {
      const listener = listenerFor(target);
      const socket = datagrams.find((one) => one.listener.name === listener?.name);
      return socket === undefined ? failure('no-listener') : success(socket.flowTo(target));
    }
    if (target.transport === 'ws' || target.transport === 'wss') {
      return failure('websocket-flows-are-opened-by-clients');
    }
    const open = table.byTarget(targetKey(target));
    return open === undefined || open.closed ? undefined : success(open);
  }

  function connect(target: FlowTarget, done: (outcome: Outcome<Flow>) => void): void {
    const key = targetKey(target);
    const waiting = connecting.get(key);
    if (waiting !== undefined && waiting.length < limits.sipSockets.waitersPerConnect) {
      waiting.push(done);
      return;
    }
    const isFull = waiting !== undefined || connecting.size >= limits.sipSockets.pendingConnects;
    if (isFull || !table.mayAccept(target.address)) {
      process.nextTick(done, failure('too-many-connections'));
      return;
    }
    connecting.set(key, [done]);
    const listener = listenerFor(target) ?? {
      name: 'client',
      transport: target.transport,
      address: familyOf(target.address) === 6 ? '::' : '0.0.0.0',
      port: 0,
    };
    connectStream(streamDeps, target, listener, options.tlsClient ?? {}, (outcome) => {
      const waiters = connecting.get(key) ?? [];
      connecting.delete(key);
      for (const waiter of waiters) waiter(outcome);
    });
  }

  function find(id: string): Flow | undefined {
    if (!id.startsWith('udp:')) return table.byId(id);
    const [, name = ''] = id.split(':', 2);
    const socket = datagrams.find(({ listener }) => listener.name === name);
    const remote = parseHostPort(id.slice('udp::'.length + name.length));
    return socket === undefined || remote === undefined ? undefined : socket.flowTo(remote);
  }

  async function close(): Promise<void> {
    table.closeAll();
    await Promise.all(all.map((one) => one.close()));
  }

  return {
    async start() {
      const outcomes = await Promise.allSettled(all.map((one) => one.start()));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed === undefined) return;
      await close();
      throw failed.reason as Error;
    },
    close,
    useTls(settings) {
      for (const server of servers) server.useTls?.(settings);
    },
    opener: {
      open(target, done) {
        const outcome = openNow(target);
        if (outcome !== undefined) process.nextTick(done, outcome);
        else connect(target, done);
      },
      find,
    },
    get bound() {
      return bound();
    },
  };
}
