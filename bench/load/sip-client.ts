/** A minimal SIP load generator over UDP: many phones on one socket, as cheap as possible. */
import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';

export interface SipLoad {
  /** REGISTER with digest when challenged; yields after the final answer. */
  register(user: string, password: string, contactUser: string): Promise<number>;
  /** Sends a prepared REGISTER again with a higher CSeq; no waiting for a challenge. */
  refresh(user: string): Promise<number>;
  /** INVITE, 200, ACK, BYE, 200 from one user to another; yields the status of the INVITE. */
  call(from: string, password: string, to: string): Promise<number>;
  close(): void;
}

interface Message {
  readonly first: string;
  readonly text: string;
}

/** Phones of one box: `local` is our address, `box` its SIP address, both `ip:port`-like parts. */
export async function createSipLoad(options: {
  readonly address: string;
  readonly port: number;
  readonly boxAddress: string;
  readonly boxPort: number;
  readonly domain: string;
}): Promise<SipLoad> {
  const socket: Socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  await new Promise<void>((resolve) => socket.bind(options.port, options.address, resolve));
  const local = `${options.address}:${socket.address().port}`;
  const waiting = new Map<string, (message: Message) => void>();
  let counter = 0;
  const cseq = new Map<string, number>();

  socket.on('message', (bytes) => {
    const text = bytes.toString('latin1');
    const first = text.slice(0, text.indexOf('\r\n'));
    if (!first.startsWith('SIP/2.0')) {
      answer(first, text);
      return;
    }
    if (first.startsWith('SIP/2.0 1')) return;
    const branch = /branch=([^;\r\n]+)/.exec(text)?.[1] ?? '';
    const resolve = waiting.get(branch);
    if (resolve === undefined) return;
    waiting.delete(branch);
    resolve({ first, text });
  });

  /** The callee's side of a call: 200 to INVITE and BYE at once. */
  function answer(first: string, text: string): void {
    if (first.startsWith('ACK')) return;
    const kept = text
      .split('\r\n')
      .filter((line) => /^(Via|From|Call-ID|CSeq|Record-Route):/i.test(line));
    const to = header(text, 'To');
    const tagged = to.includes(';tag=') ? to : `${to};tag=u${counter++}`;
    send(
      `SIP/2.0 200 OK\r\n${kept.join('\r\n')}\r\nTo: ${tagged}\r\nContact: <sip:uas@${local}>\r\nContent-Length: 0\r\n\r\n`,
    );
  }

  function send(text: string): void {
    socket.send(Buffer.from(text, 'latin1'), options.boxPort, options.boxAddress);
  }

  async function transact(method: string, uri: string, lines: readonly string[]): Promise<Message> {
    const branch = `z9hG4bKl${process.pid}x${counter++}`;
    return await new Promise((resolve, reject) => {
      const timeout = setTimeout(() => {
        waiting.delete(branch);
        reject(new Error(`no answer to ${method} ${uri}`));
      }, 5000);
      waiting.set(branch, (message) => {
        clearTimeout(timeout);
        resolve(message);
      });
      send(
        `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${local};branch=${branch};rport\r\nMax-Forwards: 70\r\n${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`,
      );
    });
  }

  function registerLines(user: string): string[] {
    const next = (cseq.get(user) ?? 0) + 1;
    cseq.set(user, next);
    return [
      `From: <sip:${user}@${options.domain}>;tag=t${user}`,
      `To: <sip:${user}@${options.domain}>`,
      `Call-ID: reg-${user}-${process.pid}`,
      `CSeq: ${next} REGISTER`,
      `Contact: <sip:${user}@${local}>`,
      'Expires: 600',
    ];
  }

  const domainUri = `sip:${options.domain}`;
  return {
    async register(user, password) {
      const first = await transact('REGISTER', domainUri, registerLines(user));
      const challenge = header(first.text, 'WWW-Authenticate');
      if (challenge === '') return status(first);
      const credentials = authorization(challenge, user, password, 'REGISTER', domainUri);
      const second = await transact('REGISTER', domainUri, [
        ...registerLines(user),
        `Authorization: ${credentials}`,
      ]);
      return status(second);
    },
    async refresh(user) {
      return status(await transact('REGISTER', domainUri, registerLines(user)));
    },
    async call(from, password, to) {
      const uri = `sip:${to}@${options.domain}`;
      const callId = `call-${process.pid}-${counter++}`;
      const lines = (n: number, method: string, toTag: string): string[] => [
        `From: <sip:${from}@${options.domain}>;tag=c${callId}`,
        `To: <${uri}>${toTag}`,
        `Call-ID: ${callId}`,
        `CSeq: ${n} ${method}`,
        `Contact: <sip:${from}@${local}>`,
      ];
      let invite = await transact('INVITE', uri, lines(1, 'INVITE', ''));
      let number = 1;
      const challenge = header(invite.text, 'Proxy-Authenticate');
      if (challenge !== '') {
        acknowledge(uri, invite, lines(1, 'ACK', toTagOf(invite)), true);
        number = 2;
        invite = await transact('INVITE', uri, [
          ...lines(2, 'INVITE', ''),
          `Proxy-Authorization: ${authorization(challenge, from, password, 'INVITE', uri)}`,
        ]);
      }
      if (status(invite) !== 200) return status(invite);
      const target = /<([^>]+)>/.exec(header(invite.text, 'Contact'))?.[1] ?? uri;
      const routes = invite.text
        .split('\r\n')
        .filter((line) => /^Record-Route:/i.test(line))
        .reverse()
        .map((line) => `Route:${line.slice(line.indexOf(':') + 1)}`);
      acknowledge(target, invite, [...routes, ...lines(number, 'ACK', toTagOf(invite))], false);
      await transact('BYE', target, [...routes, ...lines(number + 1, 'BYE', toTagOf(invite))]);
      return 200;
    },
    close: () => socket.close(),
  };

  function acknowledge(
    uri: string,
    to: Message,
    lines: readonly string[],
    sameBranch: boolean,
  ): void {
    const branch = sameBranch
      ? (/branch=([^;\r\n]+)/.exec(to.text)?.[1] ?? '')
      : `z9hG4bKa${process.pid}x${counter++}`;
    send(
      `ACK ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${local};branch=${branch};rport\r\nMax-Forwards: 70\r\n${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`,
    );
  }
}

function header(text: string, name: string): string {
  return new RegExp(`^${name}: *(.*)$`, 'im').exec(text)?.[1]?.trim() ?? '';
}

function status(message: Message): number {
  return Number(message.first.slice(8, 11));
}

function toTagOf(message: Message): string {
  const tag = /;tag=([^;\s]+)/.exec(header(message.text, 'To'))?.[1];
  return tag === undefined ? '' : `;tag=${tag}`;
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

function authorization(
  challenge: string,
  user: string,
  password: string,
  method: string,
  uri: string,
): string {
  const parameter = (name: string): string =>
    new RegExp(`${name}="?([^",]+)"?`).exec(challenge)?.[1] ?? '';
  const realm = parameter('realm');
  const nonce = parameter('nonce');
  const ha1 = md5(`${user}:${realm}:${password}`);
  const ha2 = md5(`${method}:${uri}`);
  const response = md5(`${ha1}:${nonce}:00000001:bench:auth:${ha2}`);
  return `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", qop=auth, nc=00000001, cnonce="bench", response="${response}", algorithm=MD5`;
}
