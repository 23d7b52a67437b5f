/** A phone in a few lines, over UDP: registers with digest, keeps what it gets, rings when called. */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { until } from './wait.ts';

export interface UdpPhone {
  /** Requests as they came, retransmissions included. */
  readonly requests: readonly string[];
  /** REGISTER; resolves with the final status. */
  register(): Promise<number>;
  close(): void;
}

export async function startUdpPhone(options: {
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  readonly address: string;
  readonly box: string;
  /** What the phone takes for its own address and port, behind a NAT. */
  readonly believes?: string;
  /** Final answer to INVITE, with further header rows; default 486. */
  readonly answer?: { readonly status: string; readonly rows?: readonly string[] };
}): Promise<UdpPhone> {
  const { user, password, domain, address, box } = options;
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  const { port } = socket.address();
  const believed = options.believes ?? `${address}:${port}`;
  const requests: string[] = [];
  const answers: string[] = [];
  let serial = 0;

  const send = (lines: readonly string[]): void => {
    socket.send(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), 5060, box);
  };
  socket.on('message', (bytes) => {
    const text = bytes.toString('latin1');
    if (text.startsWith('SIP/2.0')) {
      answers.push(text);
      return;
    }
    requests.push(text);
    if (text.startsWith('ACK')) return;
    const kept = text
      .split('\r\n')
      .filter((line) => /^(Via|From|Call-ID|CSeq|Record-Route):/i.test(line));
    const to = /^To: *(.*)$/im.exec(text)?.[1] ?? '';
    const answer = text.startsWith('INVITE')
      ? (options.answer ?? { status: '486 Busy Here' })
      : { status: '200 OK' };
    send([
      `SIP/2.0 ${answer.status}`,
      ...kept,
      `To: ${to};tag=phone`,
      ...(answer.rows ?? []),
      'Content-Length: 0',
    ]);
  });

  async function transact(headers: readonly string[]): Promise<string> {
    const branch = `z9hG4bKphone${port}x${serial++}`;
    send([
      `REGISTER sip:${domain} SIP/2.0`,
      `Via: SIP/2.0/UDP ${believed};branch=${branch};rport`,
      'Max-Forwards: 70',
      `From: <sip:${user}@${domain}>;tag=r`,
      `To: <sip:${user}@${domain}>`,
      `Call-ID: register-${port}`,
      `CSeq: ${serial} REGISTER`,
      `Contact: <sip:${user}@${believed}>`,
      'Expires: 600',
      ...headers,
      'Content-Length: 0',
    ]);
    const find = (): string | undefined =>
      answers.find((text) => text.includes(branch) && !text.startsWith('SIP/2.0 1'));
    await until(`${user}: an answer to REGISTER`, () => find() !== undefined, 10_000);
    return find() ?? '';
  }

  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

  return {
    requests,
    async register() {
      const first = await transact([]);
      const nonce = /nonce="([^"]+)"/.exec(first)?.[1] ?? '';
      const uri = `sip:${domain}`;
      const ha1 = md5(`${user}:${domain}:${password}`);
      const response = md5(`${ha1}:${nonce}:00000001:c0ffee:auth:${md5(`REGISTER:${uri}`)}`);
      const second = await transact([
        `Authorization: Digest username="${user}", realm="${domain}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c0ffee"`,
      ]);
      return Number(second.slice(8, 11));
    },
    close: () => socket.close(),
  };
}
