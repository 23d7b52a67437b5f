/**
 * The admin side of a drachtio server as `drachtio-srf` 5 talks to it: frames `length#id|command|…` over
 * TCP. Strict: what a real server would not understand is a fault that the test sees.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

export interface ProxyCommand {
  readonly transactionId: string;
  readonly remainInDialog: boolean;
  readonly fullResponse: boolean;
  readonly followRedirects: boolean;
  readonly destination: readonly string[];
  /** Header lines after the start line. */
  readonly headers: readonly string[];
}

export interface DrachtioAdmin {
  readonly port: number;
  readonly faults: string[];
  readonly verbs: ReadonlySet<string>;
  /** How many applications have ever proved the secret. */
  readonly logins: number;
  readonly refusedLogins: number;
  /** Hands a request to the application; false when none wants it. */
  offer(method: string, leader: readonly string[], raw: string): boolean;
  reply(commandId: string, ...tokens: string[]): void;
  /** Any frame, to try the application. */
  push(frame: string): void;
  /** Ends the connections of applications; with `deaf` new ones too, until it is called without. */
  hangUp(deaf?: boolean): void;
  close(): Promise<void>;
}

export async function createDrachtioAdmin(options: {
  readonly secret: string;
  readonly port?: number;
  readonly endpoints: string;
  readonly onProxy: (commandId: string, command: ProxyCommand) => void;
  readonly onAnswer: (transactionId: string, startLine: string) => void;
}): Promise<DrachtioAdmin> {
  const faults: string[] = [];
  const verbs = new Set<string>();
  const clients = new Set<Socket>();
  let application: Socket | undefined;
  let logins = 0;
  let refusedLogins = 0;
  let isDeaf = false;

  function write(socket: Socket | undefined, text: string): void {
    if (socket?.writable === true) socket.write(`${String(Buffer.byteLength(text))}#${text}`);
  }

  function reply(commandId: string, ...tokens: string[]): void {
    write(application, [randomUUID(), 'response', commandId, ...tokens].join('|'));
  }

  function handle(socket: Socket, frame: string): void {
    const end = frame.indexOf('\r\n');
    const leader = end < 0 ? frame : frame.slice(0, end);
    const [id = '', command = '', ...rest] = leader.split('|');
    if (!/^[0-9a-f-]{36}$/.test(id)) faults.push(`frame without an id: ${leader}`);
    if (command === 'authenticate') {
      if (rest[0] !== options.secret) {
        refusedLogins++;
        write(socket, `${randomUUID()}|response|${id}|NOK|incorrect secret`);
        socket.end();
        return;
      }
      logins++;
      application = socket;
      verbs.clear();
      reply(id, 'OK', options.endpoints, 'v0.8.26', options.endpoints);
      return;
    }
    if (socket !== application) {
      faults.push(`${command} before authenticate`);
      socket.destroy();
      return;
    }
    if (command === 'route') {
      verbs.add((rest[0] ?? '').toUpperCase());
      reply(id, 'OK');
    } else if (command === 'ping') reply(id, 'OK');
    else if (command === 'proxy') proxy(id, rest, frame.slice(end + 2));
    else if (command === 'sip') answer(rest, frame.slice(end + 2));
    else faults.push(`unknown command ${command}`);
  }

  function proxy(id: string, tokens: readonly string[], message: string): void {
    const [transactionId = '', dialog, full, follow, order, provisional, final, ...destination] =
      tokens;
    const known =
      ['', 'remainInDialog'].includes(dialog ?? '?') &&
      ['', 'fullResponse'].includes(full ?? '?') &&
      ['', 'followRedirects'].includes(follow ?? '?') &&
      ['serial', 'simultaneous'].includes(order ?? '?') &&
      /^(?:\d+m?s)?$/.test(provisional ?? '?') &&
      /^(?:\d+m?s)?$/.test(final ?? '?');
    const [start = '', ...lines] = message.split('\r\n');
    if (!known || destination.length === 0) faults.push(`proxy: ${tokens.join('|')}`);
    if (destination.some((uri) => !/^sip:[^|\s]+$/.test(uri)))
      faults.push(`proxy to ${destination.join()}`);
    if (!/^[A-Z]+ \S+ SIP\/2\.0$/.test(start))
      faults.push(`proxy without a request line: ${start}`);
    options.onProxy(id, {
      transactionId,
      remainInDialog: dialog === 'remainInDialog',
      fullResponse: full === 'fullResponse',
      followRedirects: follow === 'followRedirects',
      destination,
      headers: lines.filter((line) => line !== '' && !/^content-length:/i.test(line)),
    });
  }

  function answer(tokens: readonly string[], message: string): void {
    const [start = ''] = message.split('\r\n');
    if (!/^SIP\/2\.0 [2-6]\d\d ./.test(start)) faults.push(`answer: ${start}`);
    options.onAnswer(tokens[0] ?? '', start);
  }

  const server: Server = createServer((socket) => {
    if (isDeaf) {
      socket.destroy();
      return;
    }
    let buffered = Buffer.alloc(0);
    clients.add(socket);
    socket.on('data', (bytes) => {
      buffered = Buffer.concat([buffered, bytes]);
      for (;;) {
        const mark = buffered.indexOf('#');
        if (mark < 0) return;
        const length = buffered.toString('latin1', 0, mark);
        if (!/^\d{1,7}$/.test(length)) {
          faults.push(`length ${length}`);
          socket.destroy();
          return;
        }
        const end = mark + 1 + Number(length);
        if (buffered.length < end) return;
        const frame = buffered.toString('utf8', mark + 1, end);
        buffered = buffered.subarray(end);
        handle(socket, frame);
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clients.delete(socket);
      if (application === socket) application = undefined;
    });
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    faults,
    verbs,
    get logins() {
      return logins;
    },
    get refusedLogins() {
      return refusedLogins;
    },
    offer(method, leader, raw) {
      if (application === undefined || !verbs.has(method)) return false;
      write(application, `${[randomUUID(), 'sip', 'network', ...leader].join('|')}\r\n${raw}`);
      return true;
    },
    reply,
    push(frame) {
      write(application, frame);
    },
    hangUp(deaf = false) {
      isDeaf = deaf;
      for (const client of clients) client.destroy();
    },
    async close() {
      for (const client of clients) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
