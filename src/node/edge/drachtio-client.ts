/**
 * The application of a drachtio server: it is asked about every request outside a dialog, and has the
 * server relay it, to the core when it came from a phone, to the phone when it came from the core.
 *
 * The package drachtio-srf connects, authenticates, pings, connects again and writes commands. Requests
 * are read here: its parser throws on some of what phones send, out of reach of any handler.
 */
import type { Socket } from 'node:net';
import type { TransportAddress } from '../../ports/connection.ts';
import type { Trace } from '../../ports/trace.ts';
import { hostPort } from '../sip-addresses.ts';
import { type NetworkRequest, readEndpoints, readNetworkRequest } from './drachtio-frames.ts';
import type { DrachtioAgent, DrachtioSrfClass } from './drachtio-srf.ts';
import { phoneUri, sealHeader } from './edge-hop.ts';
import type { EdgeSeals, PhonePlace } from './edge-seal.ts';
import * as sip from './sip-text.ts';

export interface DrachtioClientDeps {
  readonly Srf: DrachtioSrfClass;
  readonly host: string;
  readonly port: number;
  /** Never shown. */
  readonly secret: string;
  readonly trace: Trace;
  readonly seals: EdgeSeals;
  readonly nowMs: () => number;
  /** The core's address of the hop. */
  readonly core: () => TransportAddress;
  /** Where the request of the core with that branch is to go. */
  readonly targetOf: (branch: string) => PhonePlace | undefined;
  /** Longest pause between attempts to connect. */
  readonly retryMaxMs: number;
}

export interface DrachtioClient {
  start(): void;
  stop(): void;
  readonly state: DrachtioState;
}

export interface DrachtioState {
  readonly connected: boolean;
  /** What the server calls its version; empty before the first connection. */
  readonly version: string;
  /** Its SIP addresses. */
  readonly endpoints: readonly PhonePlace[];
  /** Why there is no connection. */
  readonly problem?: string;
}

/** Those that a drachtio server hands over outside dialogs. */
const methods = 'invite register message options info notify subscribe publish'.split(' ');

/** Characters; the seal of a request holds it. */
const longestUri = 2048;

const starting = 'starting';
const secretRefused = 'the drachtio server refused the secret';

export function createDrachtioClient(deps: DrachtioClientDeps): DrachtioClient {
  const { seals, trace } = deps;
  const server = hostPort({ address: deps.host, port: deps.port });
  const relayed = {
    core: trace.counter('sip_edge_relayed_total', { to: 'core' }),
    phone: trace.counter('sip_edge_relayed_total', { to: 'phone' }),
  };
  const refused = trace.counter('sip_edge_refused_total', { reason: 'unknown-request' });
  const failed = trace.counter('sip_edge_relay_failures_total');
  const broken = trace.counter('sip_edge_frame_failures_total');
  const srf = new deps.Srf();
  let agent: DrachtioAgent | undefined;
  let state: DrachtioState = { connected: false, version: '', endpoints: [], problem: starting };
  let stopped = false;

  function lost(problem: string): void {
    if (stopped || (!state.connected && state.problem === problem)) return;
    state = { ...state, connected: false, problem };
    trace.log('error', 'drachtio-unreachable', { server, problem });
  }

  function connected(problem: Error | null, endpoints = '', version: string | null = ''): void {
    if (stopped) return;
    if (problem !== null) {
      lost(secretRefused);
      return;
    }
    const listed = readEndpoints(endpoints);
    state = { connected: true, version: version ?? '', endpoints: listed };
    trace.log('info', 'drachtio-connected', { server, version: state.version });
  }

  /** One frame of the server. */
  function handle(socket: Socket, frame: string, library: (s: Socket, f: string) => void): void {
    try {
      const request = readNetworkRequest(frame);
      if (request !== undefined) relay(socket, request);
      else if (!/^[^|]*\|sip\|/.test(frame.slice(0, 200))) library(socket, frame);
    } catch (error) {
      broken.add();
      trace.log('debug', 'drachtio-frame', { error: (error as Error).message });
    }
  }

  function relay(socket: Socket, { head, source, transactionId }: NetworkRequest): void {
    const method = sip.methodOf(head);
    // The server has answered it and cancels what it relayed.
    if (method === 'CANCEL' || agent === undefined) return;
    const way =
      source === undefined ? undefined : isCore(source) ? toPhone(head) : toCore(head, source);
    if (way === undefined) {
      refused.add();
      agent.sendMessage(socket, 'SIP/2.0 403 Forbidden\r\n\r\n', { stackTxnId: transactionId });
      return;
    }
    relayed[way.side].add();
    const callId = sip.valueOf(head, 'call-id') ?? '';
    agent.proxy(
      { socket, method, get: () => callId },
      {
        stackTxnId: transactionId,
        destination: [way.uri],
        headers: way.headers,
        remainInDialog: false,
        fullResponse: false,
        followRedirects: false,
        simultaneous: false,
        provisionalTimeout: '',
        finalTimeout: '',
      },
      (answer) => {
        if (answer[0] === 'OK') return;
        failed.add();
        trace.log('debug', 'drachtio-relay', { to: way.side, method, problem: answer[1] });
      },
    );
  }

  interface Way {
    readonly side: 'core' | 'phone';
    readonly uri: string;
    readonly headers: Readonly<Record<string, string>>;
  }

  function isCore(source: PhonePlace): boolean {
    const core = deps.core();
    return (
      source.transport === 'udp' && source.address === core.address && source.port === core.port
    );
  }

  function toPhone(head: sip.SipHead): Way | undefined {
    const branch = sip.paramOf(sip.listOf(head, 'via')[0] ?? '', 'branch');
    const phone = branch === undefined ? undefined : deps.targetOf(branch);
    return phone === undefined ? undefined : { side: 'phone', uri: phoneUri(phone), headers: {} };
  }

  function toCore(head: sip.SipHead, phone: PhonePlace): Way | undefined {
    if (sip.uriOf(head).length > longestUri) return undefined;
    const arrival = {
      phone,
      uri: sip.uriOf(head),
      callId: sip.valueOf(head, 'call-id') ?? '',
      cseq: sip.valueOf(head, 'cseq') ?? '',
    };
    return {
      side: 'core',
      uri: phoneUri({ transport: 'udp', ...deps.core() }),
      headers: { [sealHeader]: seals.sealArrival(arrival, deps.nowMs()) },
    };
  }

  return {
    get state() {
      return state;
    },
    start() {
      for (const method of methods) srf.use(method, () => undefined);
      srf.on('connect', connected);
      srf.on('error', (error: Error) => {
        lost(error.message);
      });
      srf.on('close', () => {
        // What was said of an attempt that failed tells more.
        if (state.connected || state.problem === starting) lost('connection closed');
      });
      srf.connect({
        host: deps.host,
        port: deps.port,
        secret: deps.secret,
        enablePing: true,
        reconnect: { retryMaxDelay: deps.retryMaxMs },
      });
      agent = srf.app.client;
      const { wp } = agent;
      const listeners = wp.listeners('msg') as ((socket: Socket, frame: string) => void)[];
      wp.removeAllListeners('msg');
      wp.on('msg', (socket: Socket, frame: string) => {
        handle(socket, frame, (s, f) => {
          for (const listener of listeners) listener(s, f);
        });
      });
    },
    stop() {
      stopped = true;
      state = { ...state, connected: false, problem: 'stopped' };
      if (agent === undefined) return;
      agent.wp.closing = true;
      const { retryTimer } = agent.wp.reconnectVars;
      if (retryTimer !== null) clearTimeout(retryTimer);
      for (const socket of [...agent.mapServer.keys()]) agent.disconnect(socket);
    },
  };
}
