/** A plain phone for edge tests: UDP or TCP, no retransmissions, digest with MD5. */
import { createHash, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import {
  type Place,
  type SipLines,
  createCutter,
  header,
  headersOf,
  param,
  readLines,
  writeLines,
} from './sip-lines.ts';

export interface EdgePhone {
  readonly name: string;
  readonly place: Place;
  readonly contact: string;
  send(message: SipLines): void;
  /** The next message whose start line begins so; what comes before stays for others. */
  next(beginning: string, timeoutMs?: number): Promise<SipLines>;
  readonly inbox: readonly SipLines[];
  /** A request outside or inside a dialog. */
  request(method: string, uri: string, more?: Partial<RequestParts>): SipLines;
  /** 200 to a REGISTER, after the challenge. */
  register(password: string, expiresS?: number): Promise<SipLines>;
  respond(request: SipLines, status: string, more?: readonly [string, string][]): void;
  close(): void;
}

export interface RequestParts {
  readonly to: string;
  readonly callId: string;
  readonly fromTag: string;
  readonly cseq: number;
  readonly branch: string;
  readonly routes: readonly string[];
  readonly headers: readonly [string, string][];
}

export async function createEdgePhone(options: {
  readonly name: string;
  readonly domain: string;
  readonly server: Place;
}): Promise<EdgePhone> {
  const { name, domain, server } = options;
  const inbox: SipLines[] = [];
  const waiting = new Set<() => void>();
  const received = (text: string): void => {
    inbox.push(readLines(text));
    for (const wake of [...waiting]) wake();
  };
  let transmit: (text: string) => void;
  let close: () => void;
  let port: number;
  if (server.transport === 'udp') {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    ({ port } = socket.address());
    socket.on('message', (bytes) => received(bytes.toString('latin1')));
    transmit = (text) => socket.send(Buffer.from(text, 'latin1'), server.port, server.host);
    close = () => socket.close();
  } else {
    const socket = connect({ host: server.host, port: server.port });
    await once(socket, 'connect');
    port = socket.localPort ?? 0;
    socket.on('data', createCutter(received));
    socket.on('error', () => socket.destroy());
    transmit = (text) => socket.write(text, 'latin1');
    close = () => socket.destroy();
  }
  const place: Place = { transport: server.transport, host: '127.0.0.1', port };
  const suffix = server.transport === 'udp' ? '' : `;transport=${server.transport}`;
  const contact = `sip:${name}@127.0.0.1:${String(port)}${suffix}`;

  function send(message: SipLines): void {
    transmit(writeLines(message));
  }

  async function next(beginning: string, timeoutMs = 4000): Promise<SipLines> {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const at = inbox.findIndex((message) => message.start.startsWith(beginning));
      if (at >= 0) return inbox.splice(at, 1)[0] as SipLines;
      const left = until - Date.now();
      if (left <= 0) {
        const got = inbox.map(({ start }) => start).join(', ');
        throw new Error(`${name} waits for ${beginning}, has [${got}]`);
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        waiting.add(wake);
      });
    }
  }

  function request(method: string, uri: string, more: Partial<RequestParts> = {}): SipLines {
    const branch = more.branch ?? `z9hG4bK${randomBytes(8).toString('hex')}`;
    return {
      start: `${method} ${uri} SIP/2.0`,
      headers: [
        [
          'Via',
          `SIP/2.0/${server.transport.toUpperCase()} 127.0.0.1:${String(port)};rport;branch=${branch}`,
        ],
        ...(more.routes ?? []).map((route): [string, string] => ['Route', route]),
        ['Max-Forwards', '70'],
        ['From', `<sip:${name}@${domain}>;tag=${more.fromTag ?? name}`],
        ['To', more.to ?? `<${uri}>`],
        ['Call-ID', more.callId ?? randomBytes(8).toString('hex')],
        ['CSeq', `${String(more.cseq ?? 1)} ${method}`],
        ['Contact', `<${contact}>`],
        ...(more.headers ?? []),
        ['Content-Length', '0'],
      ],
      body: '',
    };
  }

  return {
    name,
    place,
    contact,
    send,
    next,
    inbox,
    request,
    async register(password, expiresS = 300) {
      const callId = randomBytes(8).toString('hex');
      const uri = `sip:${domain}`;
      const to = `<sip:${name}@${domain}>`;
      const expires: [string, string] = ['Expires', String(expiresS)];
      send(request('REGISTER', uri, { callId, to, headers: [expires] }));
      const challenge = header(await next('SIP/2.0 401'), 'WWW-Authenticate') ?? '';
      const authorization: [string, string] = [
        'Authorization',
        digest(challenge, { name, password, method: 'REGISTER', uri }),
      ];
      send(request('REGISTER', uri, { callId, to, cseq: 2, headers: [expires, authorization] }));
      return await next('SIP/2.0 200');
    },
    respond(message, status, more = []) {
      const to = header(message, 'To') ?? '';
      const copied = ['Via', 'Record-Route', 'From', 'Call-ID', 'CSeq'].flatMap((key) =>
        headersOf(message, key).map((value): [string, string] => [key, value]),
      );
      send({
        start: `SIP/2.0 ${status}`,
        headers: [
          ...copied,
          ['To', param(to, 'tag') === undefined ? `${to};tag=${name}` : to],
          ['Contact', `<${contact}>`],
          ...more,
          ['Content-Length', '0'],
        ],
        body: '',
      });
    },
    close,
  };
}

/** RFC 2617 without qop only where the server asks for none. */
export function digest(
  challenge: string,
  who: {
    readonly name: string;
    readonly password: string;
    readonly method: string;
    readonly uri: string;
  },
): string {
  const field = (key: string): string =>
    new RegExp(`${key}="?([^",]+)"?`, 'i').exec(challenge)?.[1] ?? '';
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  const [realm, nonce] = [field('realm'), field('nonce')];
  const ha1 = md5(`${who.name}:${realm}:${who.password}`);
  const ha2 = md5(`${who.method}:${who.uri}`);
  const response = md5(`${ha1}:${nonce}:00000001:c0:auth:${ha2}`);
  return `Digest username="${who.name}", realm="${realm}", nonce="${nonce}", uri="${who.uri}", response="${response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c0"`;
}
