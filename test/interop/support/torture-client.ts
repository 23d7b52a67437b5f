/** Sends raw messages over UDP or TCP and tells what came of them: an answer, a copy at the callee, nothing. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect } from 'node:net';
import { until } from './wait.ts';

export interface Fate {
  /** Status codes other than 100 that came back, in order. */
  readonly answers: readonly number[];
  /** Raw answers other than 100. */
  readonly rawAnswers: readonly string[];
  /** Requests that reached the callee, CANCEL and ACK left out. */
  readonly copies: readonly Buffer[];
  /** The server closed the connection (TCP only). */
  readonly closed: boolean;
}

export interface TortureClient {
  /** Registers the callee for one AOR; `user` as it stands in a SIP URI. */
  serve(user: string): Promise<void>;
  /** Waits until something came of the message or `quietMs` passed. */
  send(message: Buffer, quietMs: number): Promise<Fate>;
  /** The status of an OPTIONS to the server itself. */
  alive(): Promise<number>;
  close(): void;
}

const viaPorts = [5060, 5050, 5070, 6050, 19823];
let serial = 0;

export async function createTortureClient(options: {
  readonly transport: 'udp' | 'tcp';
  readonly box: string;
  readonly address: string;
  readonly calleeAddress: string;
  readonly domain: string;
}): Promise<TortureClient> {
  const { transport, box, address, calleeAddress, domain } = options;
  const received: string[] = [];
  const copies: Buffer[] = [];
  const sockets: UdpSocket[] = [];
  for (const port of viaPorts) {
    const socket = createSocket('udp4');
    socket.on('message', (bytes) => received.push(bytes.toString('latin1')));
    await new Promise<void>((done) => socket.bind(port, address, done));
    sockets.push(socket);
  }
  const callee = createSocket('udp4');
  await new Promise<void>((done) => callee.bind(5060, calleeAddress, done));
  callee.on('message', (bytes, from) => {
    const text = bytes.toString('latin1');
    if (text.startsWith('SIP/2.0')) {
      received.push(text);
      return;
    }
    if (/^(ACK|CANCEL) /.test(text)) return;
    copies.push(bytes);
    const rows = headerRows(text).filter((row) =>
      /^(via|v|from|f|call-id|i|cseq|record-route|to|t) *:/i.test(row),
    );
    const status = text.startsWith('INVITE') ? '486 Busy Here' : '200 OK';
    const tagged = rows.map((row) =>
      /^(to|t) *:/i.test(row) && !/;\s*tag\s*=/i.test(row) ? `${row};tag=callee` : row,
    );
    const answer = [`SIP/2.0 ${status}`, ...tagged, 'Content-Length: 0', '', ''].join('\r\n');
    callee.send(Buffer.from(answer, 'latin1'), from.port, from.address);
  });

  async function ask(lines: readonly string[], socket: UdpSocket, mark: string): Promise<number> {
    socket.send(Buffer.from([...lines, '', ''].join('\r\n'), 'latin1'), 5060, box);
    const find = (): string | undefined => received.find((text) => text.includes(mark));
    await until(`an answer to ${mark}`, () => find() !== undefined, 5000);
    return Number(find()?.slice(8, 11));
  }

  function viaUdp(message: Buffer): () => boolean {
    sockets[0]?.send(message, 5060, box);
    return () => false;
  }

  function viaTcp(message: Buffer): { closed: () => boolean; end: () => void } {
    const socket = connect({ host: box, port: 5060, localAddress: address });
    let closed = false;
    socket.on('data', (bytes) => received.push(...split(bytes.toString('latin1'))));
    socket.on('close', () => (closed = true));
    socket.on('error', () => (closed = true));
    socket.on('end', () => (closed = true));
    socket.write(message);
    return { closed: () => closed, end: () => socket.destroy() };
  }

  return {
    async serve(user) {
      const mark = `serve${serial++}`;
      const status = await ask(
        [
          `REGISTER sip:${domain} SIP/2.0`,
          `Via: SIP/2.0/UDP ${calleeAddress};branch=z9hG4bK${mark}`,
          `From: <sip:${user}@${domain}>;tag=1`,
          `To: <sip:${user}@${domain}>`,
          `Call-ID: ${mark}`,
          'CSeq: 1 REGISTER',
          `Contact: <sip:callee@${calleeAddress}>`,
          'Max-Forwards: 70',
          'Expires: 600',
          'Content-Length: 0',
        ],
        callee,
        mark,
      );
      if (status !== 200) throw new Error(`REGISTER of ${user} was answered ${status}`);
    },
    async send(message, quietMs) {
      received.length = 0;
      copies.length = 0;
      const tcp = transport === 'tcp' ? viaTcp(message) : undefined;
      const closed = tcp?.closed ?? viaUdp(message);
      const callId = callIdOf(message.toString('latin1'));
      // Answers to earlier messages may still come, and come again.
      const finals = (): string[] =>
        received.filter(
          (text) =>
            /^SIP\/2\.0 (?!100)/.test(text) && (callId === undefined || callIdOf(text) === callId),
        );
      await until('something', () => finals().length > 0 || closed(), quietMs).catch(() => false);
      // A refusal and the end of the connection come in this order.
      if (tcp !== undefined) await until('an end', closed, 60).catch(() => false);
      tcp?.end();
      return {
        answers: finals().map((text) => Number(text.slice(8, 11))),
        rawAnswers: finals(),
        copies: [...copies],
        closed: closed(),
      };
    },
    async alive() {
      const mark = `alive${serial++}`;
      const lines = [
        `OPTIONS sip:${box} SIP/2.0`,
        `Via: SIP/2.0/UDP ${address};branch=z9hG4bK${mark}`,
        `From: <sip:probe@${domain}>;tag=1`,
        `To: <sip:${box}>`,
        `Call-ID: ${mark}`,
        'CSeq: 1 OPTIONS',
        'Max-Forwards: 70',
        'Content-Length: 0',
      ];
      return await ask(lines, sockets[0] ?? callee, mark);
    },
    close() {
      for (const socket of sockets) socket.close();
      callee.close();
    },
  };
}

function callIdOf(text: string): string | undefined {
  return /^(?:call-id|i)\s*:\s*(\S+)/im.exec(text)?.[1];
}

/** Header rows with folding undone. */
function headerRows(text: string): string[] {
  const end = text.indexOf('\r\n\r\n');
  return (end < 0 ? text : text.slice(0, end))
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
    .slice(1);
}

function split(text: string): string[] {
  return text.split(/(?=^SIP\/2\.0 )/m);
}
