/**
 * A small drachtio server for contract tests: the admin protocol, and as a proxy what drachtio-server does
 * with requests outside a dialog (asks its application), inside one (follows the Route by itself), with
 * CANCEL and ACK (its own affair) and with responses (by Via). Phones come by UDP and TCP.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { type DrachtioAdmin, type ProxyCommand, createDrachtioAdmin } from './drachtio-admin.ts';
import {
  type Place,
  type SipLines,
  createCutter,
  header,
  headersOf,
  param,
  placeOf,
  readLines,
  setFirst,
  takeFirst,
  writeLines,
} from './sip-lines.ts';

export interface FakeDrachtio {
  readonly admin: DrachtioAdmin;
  /** Where the core sends. */
  readonly hop: Place;
  /** Where phones send. */
  readonly udp: Place;
  readonly tcp: Place;
  /** Datagrams and segments to phones, and to the core. */
  readonly toPhones: string[];
  readonly toCore: string[];
  /** Answers of the application itself, by start line. */
  readonly answers: string[];
  /** Sends from the hop's address, as nothing but the server can. */
  sendToCore(text: string, core: Place): void;
  close(): Promise<void>;
}

interface Proxied {
  readonly request: SipLines;
  readonly source: Place;
  readonly target: string;
  readonly branch: string;
  readonly sentBy: Place;
  status: number;
  cancelled: boolean;
}

interface Pending {
  readonly request: SipLines;
  readonly source: Place;
}

export async function createFakeDrachtio(
  options: {
    readonly secret?: string;
    readonly adminPort?: number;
    readonly shared?: boolean;
  } = {},
): Promise<FakeDrachtio> {
  const hopSocket = dgram.createSocket('udp4');
  // Like most servers, with one address for everybody; or one for the hop alone.
  const phoneSocket = options.shared === true ? hopSocket : dgram.createSocket('udp4');
  hopSocket.bind(0, '127.0.0.1');
  await once(hopSocket, 'listening');
  if (phoneSocket !== hopSocket) {
    phoneSocket.bind(0, '127.0.0.1');
    await once(phoneSocket, 'listening');
  }
  const connections = new Map<string, Socket>();
  const streams = createServer((socket) => {
    const source = { transport: 'tcp', host: '127.0.0.1', port: socket.remotePort ?? 0 };
    connections.set(keyOf(source), socket);
    socket.on(
      'data',
      createCutter((text) => receive(text, source, tcp)),
    );
    socket.on('error', () => socket.destroy());
    socket.on('close', () => connections.delete(keyOf(source)));
  });
  streams.listen(0, '127.0.0.1');
  await once(streams, 'listening');
  const hop: Place = { transport: 'udp', host: '127.0.0.1', port: hopSocket.address().port };
  const udp: Place = { transport: 'udp', host: '127.0.0.1', port: phoneSocket.address().port };
  const { port: tcpPort } = streams.address() as AddressInfo;
  const tcp: Place = { transport: 'tcp', host: '127.0.0.1', port: tcpPort };
  const locals = [hop, udp, tcp];

  const pending = new Map<string, Pending>();
  const proxies = new Map<string, Proxied>();
  const byBranch = new Map<string, Proxied>();
  const toPhones: string[] = [];
  const toCore: string[] = [];
  const answers: string[] = [];
  /** Where the application had a sealed request relayed to: the other end of the hop. */
  let core: Place | undefined;

  const admin = await createDrachtioAdmin({
    secret: options.secret ?? 'cymru',
    ...(options.adminPort === undefined ? {} : { port: options.adminPort }),
    endpoints: `udp/127.0.0.1:${String(udp.port)},tcp/127.0.0.1:${String(tcp.port)},udp/127.0.0.1:${String(hop.port)}`,
    onProxy,
    onAnswer(transactionId, start) {
      const asked = pending.get(transactionId);
      pending.delete(transactionId);
      answers.push(start);
      if (asked !== undefined) respond(asked.request, start);
    },
  });

  function isLocal(host: string): boolean {
    return locals.some((local) => local.host === host);
  }

  function isLocalUri(uri: string): boolean {
    if (!/^sips?:/i.test(uri)) return false;
    const { host, port } = placeOf(uri);
    return locals.some((local) => local.host === host && local.port === port);
  }

  // --- transports -----------------------------------------------------------------------------

  for (const [socket, local] of new Map([
    [hopSocket, hop],
    [phoneSocket, udp],
  ])) {
    socket.on('message', (bytes, { address, port }) => {
      receive(bytes.toString('latin1'), { transport: 'udp', host: address, port }, local);
    });
  }

  /** The address that messages to that place leave from. */
  function localFor(place: Place): Place {
    if (place.transport === 'tcp') return tcp;
    return core !== undefined && keyOf(core) === keyOf(place) ? hop : udp;
  }

  function transmit(message: SipLines, place: Place): boolean {
    const text = writeLines(message);
    const local = localFor(place);
    if (place.transport === 'tcp') {
      const socket = connections.get(keyOf(place));
      if (socket === undefined) return false;
      toPhones.push(text);
      socket.write(text, 'latin1');
    } else if (place.transport === 'udp') {
      const isCore = core !== undefined && keyOf(core) === keyOf(place);
      (isCore ? toCore : toPhones).push(text);
      (local === hop ? hopSocket : phoneSocket).send(
        Buffer.from(text, 'latin1'),
        place.port,
        place.host,
      );
    } else return false;
    return true;
  }

  function receive(text: string, source: Place, receivedOn: Place): void {
    if (!text.includes('\r\n\r\n')) return;
    const message = readLines(text);
    if (message.start.startsWith('SIP/2.0 ')) onResponse(message);
    else onRequest(message, source, receivedOn);
  }

  // --- requests -------------------------------------------------------------------------------

  function onRequest(request: SipLines, source: Place, receivedOn: Place): void {
    const [method = '', uri = ''] = request.start.split(' ');
    const via = header(request, 'Via') ?? '';
    setFirst(request, 'Via', withSource(via, source));
    const route = header(request, 'Route');
    const isInDialog = param(header(request, 'To'), 'tag') !== undefined;
    if (isInDialog && route !== undefined && param(route, 'lr') !== undefined) {
      if (isLocal(placeOf(route).host)) {
        takeFirst(request, 'Route');
        forward(request, placeOf(header(request, 'Route') ?? uri));
        return;
      }
    }
    const proxied = proxies.get(transactionOf(request));
    if (proxied !== undefined) {
      withinProxy(proxied, request, method);
      return;
    }
    if (/^(?:INVITE|REGISTER|MESSAGE|OPTIONS|INFO|NOTIFY|SUBSCRIBE|PUBLISH)$/.test(method)) {
      ask(request, method, source, receivedOn);
    } else if (method === 'PRACK') throw new Error('drachtio-server asserts here');
    else if (method === 'CANCEL' || method === 'BYE' || method === 'UPDATE') {
      respond(request, 'SIP/2.0 481 Call/Transaction Does Not Exist');
    }
  }

  function ask(request: SipLines, method: string, source: Place, receivedOn: Place): void {
    const known = [...pending.values()];
    if (known.some((one) => transactionOf(one.request) === transactionOf(request))) return;
    if (method === 'INVITE') respond(request, 'SIP/2.0 100 Trying');
    const raw = writeLines(request);
    const transactionId = randomUUID();
    const leader = [
      String(raw.length),
      source.transport,
      source.host,
      String(source.port),
      '12:00:00.000',
      transactionId,
      '',
      receivedOn.host,
      String(receivedOn.port),
      '',
    ];
    pending.set(transactionId, { request, source });
    if (!admin.offer(method, leader, raw)) {
      pending.delete(transactionId);
      respond(request, 'SIP/2.0 503 Service Unavailable');
    }
  }

  function onProxy(commandId: string, command: ProxyCommand): void {
    const asked = pending.get(command.transactionId);
    const [target] = command.destination;
    if (asked === undefined || target === undefined) {
      admin.reply(commandId, 'NOK', `Unknown transaction id: ${command.transactionId}`);
      return;
    }
    pending.delete(command.transactionId);
    if (command.fullResponse || command.remainInDialog) admin.faults.push('unwanted proxy options');
    const place = placeOf(target);
    const request = structuredClone(asked.request);
    const [method = '', uri = ''] = request.start.split(' ');
    if (isLocalUri(uri)) request.start = `${method} ${target} SIP/2.0`;
    for (const line of command.headers) {
      const colon = line.indexOf(':');
      request.headers.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
    }
    if (place.transport === 'udp' && headersOf(request, 'X-Chordial-Edge').length > 0)
      core ??= place;
    const sentBy = localFor(place);
    const branch = `z9hG4bK${randomBytes(12).toString('hex')}`;
    setFirst(request, 'Max-Forwards', String(Number(header(request, 'Max-Forwards') ?? 71) - 1));
    request.headers.unshift(['Via', viaOf(sentBy, branch)]);
    const proxied: Proxied = {
      request: asked.request,
      source: asked.source,
      target,
      branch,
      sentBy,
      status: 0,
      cancelled: false,
    };
    proxies.set(transactionOf(asked.request), proxied);
    byBranch.set(branch, proxied);
    if (!transmit(request, place)) finish(proxied, 'SIP/2.0 408 Request Timeout');
    admin.reply(commandId, 'OK', 'done');
  }

  function withinProxy(proxied: Proxied, request: SipLines, method: string): void {
    if (method !== 'CANCEL') return;
    respond(request, 'SIP/2.0 200 OK');
    if (proxied.status < 200) respond(proxied.request, 'SIP/2.0 487 Request Terminated');
    proxied.cancelled = true;
    if (proxied.status > 0 && proxied.status < 200) cancel(proxied);
  }

  function cancel(proxied: Proxied): void {
    transmit(
      derived(proxied, 'CANCEL', header(proxied.request, 'To') ?? ''),
      placeOf(proxied.target),
    );
  }

  /** What belongs to the server's own INVITE: one Via, the branch of the INVITE. */
  function derived(proxied: Proxied, method: string, to: string): SipLines {
    const { request } = proxied;
    const number = (header(request, 'CSeq') ?? '').split(' ')[0] ?? '';
    return {
      start: `${method} ${proxied.target} SIP/2.0`,
      headers: [
        ['Via', viaOf(proxied.sentBy, proxied.branch)],
        ['From', header(request, 'From') ?? ''],
        ['To', to],
        ['Call-ID', header(request, 'Call-ID') ?? ''],
        ['CSeq', `${number} ${method}`],
        ['Max-Forwards', '70'],
        ['Content-Length', '0'],
      ],
      body: '',
    };
  }

  /** Without state: the same branch for the same request. */
  function forward(request: SipLines, place: Place): void {
    const seed = param(header(request, 'Via'), 'branch') ?? '';
    const branch = `z9hG4bK.${createHash('sha256').update(seed).digest('hex').slice(0, 20)}`;
    request.headers.unshift(['Via', viaOf(localFor(place), branch)]);
    transmit(request, place);
  }

  // --- responses ------------------------------------------------------------------------------

  function onResponse(response: SipLines): void {
    const via = takeFirst(response, 'Via');
    const proxied = byBranch.get(param(via, 'branch') ?? '');
    const status = Number(response.start.split(' ')[1]);
    const cseq = header(response, 'CSeq') ?? '';
    if (proxied === undefined) back(response);
    else if (cseq.endsWith('CANCEL')) return;
    else onProxied(proxied, response, status);
  }

  function onProxied(proxied: Proxied, response: SipLines, status: number): void {
    const isInvite = proxied.request.start.startsWith('INVITE ');
    const isFirst = proxied.status === 0;
    if (proxied.status >= 200 && proxied.status < 300) {
      back(response);
      return;
    }
    proxied.status = status;
    if (status >= 300 && isInvite) {
      transmit(derived(proxied, 'ACK', header(response, 'To') ?? ''), placeOf(proxied.target));
    }
    if (proxied.cancelled) {
      if (isFirst && status < 200) cancel(proxied);
      return;
    }
    if (status > 100) back(response);
  }

  function finish(proxied: Proxied, start: string): void {
    proxied.status = 408;
    respond(proxied.request, start);
  }

  function respond(request: SipLines, start: string): void {
    const to = header(request, 'To') ?? '';
    const isTagged = param(to, 'tag') !== undefined || start.includes(' 100 ');
    back({
      start,
      headers: [
        ...headersOf(request, 'Via').map((value): [string, string] => ['Via', value]),
        ['From', header(request, 'From') ?? ''],
        ['To', isTagged ? to : `${to};tag=drachtio`],
        ['Call-ID', header(request, 'Call-ID') ?? ''],
        ['CSeq', header(request, 'CSeq') ?? ''],
        ['Content-Length', '0'],
      ],
      body: '',
    });
  }

  function back(response: SipLines): void {
    const via = header(response, 'Via');
    if (via !== undefined) transmit(response, placeOfVia(via));
  }

  return {
    admin,
    hop,
    udp,
    tcp,
    toPhones,
    toCore,
    answers,
    sendToCore(text, place) {
      hopSocket.send(Buffer.from(text, 'latin1'), place.port, place.host);
    },
    async close() {
      await admin.close();
      for (const socket of connections.values()) socket.destroy();
      streams.close();
      hopSocket.close();
      if (phoneSocket !== hopSocket) phoneSocket.close();
    },
  };
}

function keyOf({ transport, host, port }: Place): string {
  return `${transport} ${host} ${String(port)}`;
}

function viaOf({ transport, host, port }: Place, branch: string): string {
  return `SIP/2.0/${transport.toUpperCase()} ${host}:${String(port)};rport;branch=${branch}`;
}

function withSource(via: string, { host, port }: Place): string {
  const sentBy = /^SIP\/2\.0\/\w+ ([^:;]+)/.exec(via)?.[1];
  const received = sentBy === host ? '' : `;received=${host}`;
  return via.replace(/;rport(?=;|$)/, `;rport=${String(port)}`) + received;
}

function placeOfVia(via: string): Place {
  const match = /^SIP\/2\.0\/(\w+) ([^:;]+)(?::(\d+))?/.exec(via);
  const port = param(via, 'rport');
  return {
    transport: (match?.[1] ?? '').toLowerCase(),
    host: param(via, 'received') ?? match?.[2] ?? '',
    port: Number(port !== undefined && port !== '' ? port : (match?.[3] ?? 5060)),
  };
}

/** CANCEL finds its INVITE; one request that comes by another way is another one. */
function transactionOf(request: SipLines): string {
  const [number = '', method = ''] = (header(request, 'CSeq') ?? '').split(/\s+/);
  const branch = param(header(request, 'Via'), 'branch') ?? '';
  const asked = method === 'CANCEL' ? 'INVITE' : method;
  return [header(request, 'Call-ID'), asked, number, branch].join('|');
}
