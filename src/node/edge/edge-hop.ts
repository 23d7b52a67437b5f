/**
 * The core's side of the hop: datagrams of the drachtio server become messages of phone flows, and
 * messages to phone flows become what makes the server carry them there.
 *
 * A drachtio server hands only requests outside dialogs to its application (`drachtio-client.ts`), which
 * seals where they came from. The requests of a dialog it forwards by their Route, by itself. So each
 * phone is given two routes before those of the core: the server's address on its side, and a sealed one
 * back to here; and a request to a phone carries two: the server, then the phone's own address.
 */
import type { Flow, FlowEvents } from '../../ports/flow.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { Trace } from '../../ports/trace.ts';
import { hostPort } from '../sip-addresses.ts';
import { type EdgeFlows, createEdgeFlows } from './edge-flows.ts';
import { type EdgeSeals, type PhonePlace, placeOfFlowId } from './edge-seal.ts';
import { createRecent } from './recent.ts';
import * as sip from './sip-text.ts';

/** Header in which the edge tells the core where a request came from. */
export const sealHeader = 'X-Chordial-Edge';
const sealField = sealHeader.toLowerCase();

export interface EdgeHopDeps {
  readonly seals: EdgeSeals;
  readonly events: Pick<FlowEvents, 'message'>;
  readonly trace: Trace;
  readonly nowMs: () => number;
  /** Own address of the hop. */
  readonly local: () => TransportAddress;
  /** The drachtio server's address of the hop. */
  readonly server: TransportAddress;
  /** Puts a datagram on the hop. */
  readonly transmit: (bytes: Uint8Array) => boolean;
  readonly isUp: () => boolean;
  /** Where phones reach the drachtio server on their side: `sip:` URI without `lr`. */
  readonly frontOf: (phone: PhonePlace) => string;
  /** True for a URI that names the drachtio server itself. */
  readonly isServer: (uri: string) => boolean;
  readonly limits: {
    /** Flow objects that are kept. */
    readonly flows: number;
    /** Requests whose answers (or CANCEL) find their flow, each way. */
    readonly requests: number;
  };
}

export interface EdgeHop {
  readonly flows: EdgeFlows;
  /** One datagram of the drachtio server. */
  receive(bytes: Uint8Array): void;
  /** Where the server is to relay the request of ours that has this branch. */
  targetOf(branch: string): PhonePlace | undefined;
}

interface Sent {
  readonly flow: Flow;
  /** Outside a dialog: the server asks its application where to. */
  readonly relayed: boolean;
}

interface Arrived {
  readonly flow: Flow;
  readonly uri: string;
}

export function createEdgeHop(deps: EdgeHopDeps): EdgeHop {
  const { events, isServer, seals, server, trace } = deps;
  const sent = createRecent<string, Sent>(deps.limits.requests);
  /** INVITEs: their CANCEL and the ACK of a refusal are the server's own, without a seal. */
  const arrived = createRecent<string, Arrived>(deps.limits.requests);
  const unreadable = trace.counter('sip_edge_refused_total', { reason: 'unreadable' });
  const unproved = trace.counter('sip_edge_refused_total', { reason: 'no-seal' });
  const forged = trace.counter('sip_edge_refused_total', { reason: 'wrong-seal' });
  const unmatched = trace.counter('sip_edge_refused_total', { reason: 'unknown-response' });
  const flows = createEdgeFlows({
    local: deps.local,
    isUp: deps.isUp,
    send,
    maxFlows: deps.limits.flows,
  });

  // --- from the server ------------------------------------------------------------------------

  function receive(bytes: Uint8Array): void {
    const head = sip.readHead(bytes);
    if (head === undefined) unreadable.add();
    else if (sip.isResponse(head)) receiveResponse(head);
    else receiveRequest(head);
  }

  function receiveResponse(head: sip.SipHead): void {
    const known = sent.get(topBranch(head));
    if (known === undefined) {
      unmatched.add();
      return;
    }
    const routes = sip.allOf(head, 'record-route');
    // The two that `toPhone` put first are the phone's business only.
    if (flowOfRoute(routes[1]) !== undefined) {
      sip.replaceAll(head, 'record-route', 'Record-Route', routes.slice(2));
    }
    events.message(known.flow, sip.writeHead(head));
  }

  function receiveRequest(head: sip.SipHead): void {
    const seal = sip.remove(head, sealField);
    const arrival = openSeal(seal, head);
    const method = sip.methodOf(head);
    const branch = topBranch(head);
    let flow: Flow | undefined;
    if (arrival !== undefined) {
      flow = flows.to(arrival.phone);
      head.start = withUri(head, arrival.uri);
      if (method === 'INVITE') arrived.set(branch, { flow, uri: arrival.uri });
      dropServerRoutes(head);
    } else if (method === 'CANCEL' || method === 'ACK') {
      const invite = arrived.get(branch);
      flow = invite?.flow;
      if (invite !== undefined) head.start = withUri(head, invite.uri);
    }
    if (flow === undefined) {
      flow = flowOfRoute(sip.listOf(head, 'route')[0]);
      if (flow !== undefined) dropRoutes(head, 1);
    }
    if (flow === undefined) {
      if (seal.length > 0) forged.add();
      else unproved.add();
      if (method !== 'ACK') deps.transmit(forbidden(head));
      return;
    }
    answerToSource(head);
    events.message(flow, sip.writeHead(head));
  }

  /** A phone may have written such a header too: the true one is among the first few. */
  function openSeal(
    values: readonly string[],
    head: sip.SipHead,
  ): ReturnType<EdgeSeals['openArrival']> {
    if (values.length === 0) return undefined;
    const request = {
      callId: sip.valueOf(head, 'call-id') ?? '',
      cseq: sip.valueOf(head, 'cseq') ?? '',
    };
    for (const value of values.slice(0, 4)) {
      const opened = seals.openArrival(value, request, deps.nowMs());
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  function flowOfRoute(entry: string | undefined): Flow | undefined {
    if (entry === undefined) return undefined;
    const user = /^sips?:([^@;?]{1,200})@/i.exec(sip.uriIn(entry))?.[1];
    const id = user === undefined ? undefined : seals.openRouteUser(user);
    const place = id === undefined ? undefined : placeOfFlowId(id);
    return place === undefined ? undefined : flows.to(place);
  }

  /** An outbound proxy set in the phone: the server has been reached. */
  function dropServerRoutes(head: sip.SipHead): void {
    const routes = sip.allOf(head, 'route');
    const other = routes.findIndex((entry) => !isServer(sip.uriIn(entry)));
    dropRoutes(head, other < 0 ? routes.length : other);
  }

  // --- to the server --------------------------------------------------------------------------

  function send(flow: Flow, bytes: Uint8Array): boolean {
    // A keep-alive: the server keeps its connections itself.
    if (bytes[0] === 13 || bytes[0] === 10) return true;
    const head = sip.readHead(bytes);
    if (head === undefined) return false;
    if (sip.isResponse(head)) responseToPhone(flow, head);
    else requestToPhone(flow, head);
    return deps.transmit(sip.writeHead(head));
  }

  function responseToPhone(flow: Flow, head: sip.SipHead): void {
    const [top, ...vias] = sip.allOf(head, 'via');
    // The core wrote where the phone is; the hop ends at the server.
    if (top !== undefined) {
      sip.replaceAll(head, 'via', 'Via', [withoutSource(top), ...vias]);
    }
    if (!/^SIP\/2\.0 (?:1(?!00)|2)\d\d /.test(head.start) || !isDialogMaker(head)) return;
    const routes = sip.allOf(head, 'record-route');
    // A caller uses them in reverse: the server first, then the edge, then the core.
    const ours = routesOf(flow).reverse();
    sip.replaceAll(head, 'record-route', 'Record-Route', [...routes, ...ours]);
  }

  function requestToPhone(flow: Flow, head: sip.SipHead): void {
    const [top = '', ...vias] = sip.allOf(head, 'via');
    sip.replaceAll(head, 'via', 'Via', [top.replace(/^SIP\/2\.0\/\w+/i, 'SIP/2.0/UDP'), ...vias]);
    const method = sip.methodOf(head);
    const branch = topBranch(head);
    const isDerived = method === 'CANCEL' || method === 'ACK';
    if (isDerived && sent.get(branch)?.relayed === true) return;
    const isInDialog = sip.paramOf(sip.valueOf(head, 'to') ?? '', 'tag') !== undefined;
    if (method !== 'ACK') sent.set(branch, { flow, relayed: !isInDialog });
    if (isDialogMaker(head)) {
      const routes = sip.allOf(head, 'record-route');
      sip.replaceAll(head, 'record-route', 'Record-Route', [...routesOf(flow), ...routes]);
    }
    if (isInDialog) {
      const routes = sip.allOf(head, 'route');
      sip.replaceAll(head, 'route', 'Route', [...wayTo(flow, sip.uriOf(head)), ...routes]);
    } else if (method === 'INVITE') {
      withoutReliableProvisionals(head);
    }
  }

  /** What a phone puts before the routes of the core, nearest to the phone first. */
  function routesOf(flow: Flow): string[] {
    const place = { transport: flow.transport, ...flow.remote };
    const back = `${seals.routeUser(flow.id)}@${hostPort(deps.local())}`;
    return [`<${deps.frontOf(place)};lr>`, `<sip:${back};transport=udp;lr>`];
  }

  /** The server takes its own route away and goes on to the next one. */
  function wayTo(flow: Flow, uri: string): string[] {
    const hop = `<sip:${hostPort(server)};lr>`;
    const phone = phoneUri({ transport: flow.transport, ...flow.remote });
    return leadsTo(uri, flow) ? [hop] : [hop, `<${phone};lr>`];
  }

  return {
    flows,
    receive,
    targetOf(branch) {
      const known = sent.get(branch);
      if (known?.relayed !== true) return undefined;
      return { transport: known.flow.transport, ...known.flow.remote };
    },
  };
}

/** The URI by which a drachtio server reaches a phone on the connection that it has to it. */
export function phoneUri({ transport, address, port }: PhonePlace): string {
  return `sip:${hostPort({ address, port })};transport=${transport}`;
}

/** A Contact that is the very place of the flow needs no route to it. */
function leadsTo(uri: string, { remote, transport }: Flow): boolean {
  const match = /^sip:(?:[^@]*@)?(\[[^\]]+\]|[^:;?]+)(?::(\d+))?(?:;([^?]*))?$/i.exec(uri);
  if (match?.[1] === undefined) return false;
  const params = (match[3] ?? '').toLowerCase().split(';');
  const named = params.find((param) => param.startsWith('transport='))?.slice(10) ?? 'udp';
  const host = match[1].replaceAll(/[[\]]/g, '');
  return (
    host === remote.address &&
    Number(match[2] ?? 5060) === remote.port &&
    named === transport &&
    !params.some((param) => param.startsWith('maddr='))
  );
}

/** `` when there is none; a copy, lest what remembers it keep the whole message alive. */
function topBranch(head: sip.SipHead): string {
  const branch = sip.paramOf(sip.listOf(head, 'via')[0] ?? '', 'branch') ?? '';
  return branch.length > longestBranch ? '' : Buffer.from(branch, 'latin1').toString('latin1');
}

/** Those of a drachtio server and of the core are far shorter. */
const longestBranch = 200;

function isDialogMaker(head: sip.SipHead): boolean {
  const [, method = ''] = (sip.valueOf(head, 'cseq') ?? '').split(/\s+/);
  return /^(?:INVITE|SUBSCRIBE|REFER)$/.test(method);
}

function withUri(head: sip.SipHead, uri: string): string {
  return `${sip.methodOf(head)} ${uri} SIP/2.0`;
}

function dropRoutes(head: sip.SipHead, count: number): void {
  if (count === 0) return;
  const left = sip.allOf(head, 'route').slice(count);
  sip.replaceAll(head, 'route', 'Route', left);
}

/** Answers go where the request came from, not to the port that the server's Via names (RFC 3581). */
function answerToSource(head: sip.SipHead): void {
  const [top, ...vias] = sip.allOf(head, 'via');
  if (top === undefined || sip.paramOf(top, 'rport') !== undefined) return;
  sip.replaceAll(head, 'via', 'Via', [`${top};rport`, ...vias]);
}

function withoutSource(via: string): string {
  return via.replace(/;\s*received=[^;]*/i, '').replace(/;\s*rport=[^;]*/i, ';rport');
}

/**
 * A drachtio server finds the PRACK of a call that crosses it twice by the Call-ID alone, and may lose
 * it: phones are not told that the caller knows reliable provisional responses.
 */
function withoutReliableProvisionals(head: sip.SipHead): void {
  const tags = sip.allOf(head, 'supported');
  const kept = tags.filter((tag) => tag.toLowerCase() !== '100rel');
  if (kept.length < tags.length) {
    sip.replaceAll(head, 'supported', 'Supported', kept.length === 0 ? [] : [kept.join(', ')]);
  }
}

/** RFC 3261 §8.2.6: nothing of the core sees the request. */
function forbidden(head: sip.SipHead): Uint8Array {
  const copied = ['via', 'from', 'to', 'call-id', 'cseq'];
  const fields: string[] = [];
  for (const field of head.fields) {
    const name = field.slice(0, field.indexOf(':')).trim().toLowerCase();
    const long = { v: 'via', f: 'from', t: 'to', i: 'call-id' }[name] ?? name;
    if (!copied.includes(long)) continue;
    const isUntagged =
      long === 'to' && sip.paramOf(sip.valueOf(head, 'to') ?? '', 'tag') === undefined;
    fields.push(isUntagged ? `${field};tag=edge` : field);
  }
  return sip.writeHead({
    start: 'SIP/2.0 403 Forbidden',
    fields: [...fields, 'Content-Length: 0'],
    body: new Uint8Array(0),
  });
}
