/** The SIP server alone, in this process: no sockets, ten thousand users, a store in memory. */
import { createHash, randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { success } from '../src/base/outcome.ts';
import { createClock } from '../src/node/clock.ts';
import { createRandom } from '../src/node/random.ts';
import type { Flow, FlowOpener } from '../src/ports/flow.ts';
import type { Store } from '../src/ports/store.ts';
import { silentTrace } from '../src/ports/trace.ts';
import type { Account } from '../src/sip/auth/accounts.ts';
import { defaultSipSettings } from '../src/sip/core/settings.ts';
import { type SipServer, createSipServer } from '../src/sip/core/sip-server.ts';
import { createLocationTable } from '../src/sip/location/create-location-table.ts';
import { createLocalResolver, createLocalTargets } from '../src/sip/proxy/local-targets.ts';
import { createPhoneHops } from '../src/sip/proxy/phone-hops.ts';
import type { BenchResult } from './result.ts';

const domain = 'lab.example';
const userCount = 10_000;
const phonePort = 5070;

/** Rows whose name contains `only`. */
export async function sipServerBenchmarks(seconds: number, only = ''): Promise<BenchResult[]> {
  const open = createPhoneSide(false);
  const closed = createPhoneSide(true);
  const rows: readonly (readonly [string, () => void])[] = [
    ['server-refresh', open.refresh],
    ['server-options', open.options],
    ['server-call', open.call],
    ['server-redirect', open.redirect],
    ['server-digest', closed.login],
  ];
  const results: BenchResult[] = [];
  for (const [name, operation] of rows) {
    if (name.includes(only)) results.push(await loop(name, seconds, operation));
  }
  open.close();
  closed.close();
  return results;
}

interface PhoneSide {
  /** REGISTER and 200. */
  readonly refresh: () => void;
  readonly options: () => void;
  /** INVITE, 180, 200, ACK, BYE, 200. */
  readonly call: () => void;
  /** INVITE, 302, ACK. */
  readonly redirect: () => void;
  /** REGISTER, 401, REGISTER with digest, 200. */
  readonly login: () => void;
  readonly close: () => void;
}

function createPhoneSide(challenges: boolean): PhoneSide {
  const clock = createClock();
  const accounts = new Map<string, Account>();
  for (let i = 0; i < userCount; i++) accounts.set(userOf(i), accountOf(userOf(i)));
  /** What the server sent last, by port of the receiver. */
  const inbox: string[] = [];
  const phones = flowOf('lan', phonePort, inbox);
  const callers = flowOf('redirect', phonePort, inbox);
  const opener: FlowOpener = {
    open: (_target, done) => {
      done(success(phones));
    },
    find: () => phones,
  };
  const location = createLocationTable({ clock, store: memoryStore(), trace: silentTrace });
  const local = createLocalTargets({ location, flows: opener });
  const tokenKeys = [randomBytes(32)];
  const domains = {
    canonical: domain,
    servedDomain: (host: string) => (host === domain ? domain : undefined),
    isSelf: (host: string) => host === domain || host === '127.0.0.1',
  };
  const directory = { lookup: (name: string) => accounts.get(name) };
  const server = createSipServer({
    clock,
    random: createRandom(),
    trace: silentTrace,
    domains,
    accounts: directory,
    location,
    flows: opener,
    hops: createPhoneHops({ domains, flows: opener, tokenKeys }),
    resolver: createLocalResolver({ accounts: directory, local }),
    settings: {
      ...defaultSipSettings,
      auth: {
        ...defaultSipSettings.auth,
        challengeRequests: challenges,
        challengeRegistrations: challenges,
      },
    },
    listener: (name) => ({ algorithms: ['MD5'], role: name === 'redirect' ? 'redirect' : 'proxy' }),
    nonceKeys: [randomBytes(32)],
    transactions: { timers: { tryingMs: 100 } },
  });
  let serial = 0;

  const ask = (text: string, flow = phones): string => {
    server.receive(flow, Buffer.from(text, 'latin1'));
    return inbox.at(-1) ?? '';
  };
  const nextUser = (): string => userOf(++serial % userCount);

  const side: PhoneSide = {
    refresh() {
      expectStatus(ask(registerOf(nextUser(), ++serial, '')), 200);
      inbox.length = 0;
    },
    options() {
      const text = requestOf('OPTIONS', `sip:${domain}`, 'probe', ++serial, '');
      expectStatus(ask(text), 200);
      inbox.length = 0;
    },
    call() {
      callThrough(server, phones, inbox, nextUser(), ++serial);
    },
    redirect() {
      const user = nextUser();
      const id = ++serial;
      const answer = ask(requestOf('INVITE', `sip:${user}@${domain}`, user, id, ''), callers);
      expectStatus(answer, 302);
      const tag = /\r\nTo: [^\r]*(;tag=[^\r;]*)/.exec(answer)?.[1] ?? '';
      ask(requestOf('ACK', `sip:${user}@${domain}`, user, id, tag), callers);
      inbox.length = 0;
    },
    login() {
      const user = nextUser();
      const challenge = ask(registerOf(user, ++serial, ''));
      expectStatus(challenge, 401);
      const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? '';
      const uri = `sip:${domain}`;
      const ha2 = md5(`REGISTER:${uri}`);
      const ha1 = accounts.get(user)?.ha1Md5 ?? '';
      const response = md5(`${ha1}:${nonce}:00000001:c0ffee:auth:${ha2}`);
      const proof = `Authorization: Digest username="${user}", realm="${domain}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, cnonce="c0ffee", qop=auth, nc=00000001\r\n`;
      expectStatus(ask(registerOf(user, ++serial, proof)), 200);
      inbox.length = 0;
    },
    close() {
      location.stop();
      clock.close();
    },
  };
  if (!challenges) for (let i = 0; i < userCount; i++) ask(registerOf(userOf(i), ++serial, ''));
  inbox.length = 0;
  return side;
}

function callThrough(
  server: SipServer,
  phones: Flow,
  inbox: string[],
  user: string,
  id: number,
): void {
  const receive = (text: string): void => {
    server.receive(phones, Buffer.from(text, 'latin1'));
  };
  receive(requestOf('INVITE', `sip:${user}@${domain}`, user, id, ''));
  const invite = inbox.at(-1) ?? '';
  receive(replyTo(invite, '180 Ringing'));
  receive(replyTo(invite, '200 OK'));
  const answer = inbox.at(-1) ?? '';
  expectStatus(answer, 200);
  const routes = [...answer.matchAll(/Record-Route: ([^\r]*)\r\n/g)]
    .flatMap(([, value = '']) => value.split(', '))
    .reverse()
    .map((value) => `Route: ${value}\r\n`)
    .join('');
  const target = `sip:${user}@127.0.0.1:${String(phonePort)}`;
  receive(requestOf('ACK', target, user, id, ';tag=callee', routes));
  receive(requestOf('BYE', target, user, id, ';tag=callee', routes));
  receive(replyTo(inbox.at(-1) ?? '', '200 OK'));
  expectStatus(inbox.at(-1) ?? '', 200);
  inbox.length = 0;
}

/** The answer of a phone, with everything that must be copied. */
function replyTo(request: string, status: string): string {
  const copied = request
    .split('\r\n')
    .filter((line) => /^(Via|Record-Route|From|To|Call-ID|CSeq):/.test(line))
    .map((line) =>
      line.startsWith('To:') && !line.includes(';tag=') ? `${line};tag=callee` : line,
    );
  return [
    `SIP/2.0 ${status}`,
    ...copied,
    'Contact: <sip:phone@127.0.0.1:5070>',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

function registerOf(user: string, id: number, more: string): string {
  return `REGISTER sip:${domain} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${String(phonePort)};rport;branch=z9hG4bK-${String(id)}-5-0\r\nMax-Forwards: 70\r\nFrom: <sip:${user}@${domain}>;tag=77r${String(id)}\r\nTo: <sip:${user}@${domain}>\r\nCall-ID: ${String(id)}-77@127.0.0.1\r\nCSeq: 1 REGISTER\r\n${more}Contact: <sip:${user}@127.0.0.1:${String(phonePort)}>\r\nExpires: 3600\r\nUser-Agent: sipbench\r\nContent-Length: 0\r\n\r\n`;
}

function requestOf(
  method: string,
  uri: string,
  callee: string,
  id: number,
  toTag: string,
  routes = '',
): string {
  const to = toTag.startsWith(';') ? toTag : '';
  const branch = method === 'BYE' ? 'b' : routes === '' ? 'i' : 'a';
  const cseq = method === 'BYE' ? 2 : 1;
  return `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${String(phonePort)};rport;branch=z9hG4bK-${String(id)}-${branch}\r\n${routes}Max-Forwards: 70\r\nFrom: <sip:caller@${domain}>;tag=77c${String(id)}\r\nTo: <sip:${callee}@${domain}>${to}\r\nCall-ID: ${String(id)}-77@127.0.0.1\r\nCSeq: ${String(cseq)} ${method}\r\nContact: <sip:caller@127.0.0.1:${String(phonePort)}>\r\nUser-Agent: sipbench\r\nContent-Length: 0\r\n\r\n`;
}

function expectStatus(answer: string, status: number): void {
  if (!answer.startsWith(`SIP/2.0 ${String(status)} `)) throw new Error(`unexpected: ${answer}`);
}

function flowOf(listener: string, port: number, inbox: string[]): Flow {
  return {
    id: `udp:${listener}:127.0.0.1:${String(port)}`,
    transport: 'udp',
    reliable: false,
    secure: false,
    local: { address: '127.0.0.1', port: 5060 },
    remote: { address: '127.0.0.1', port },
    listener,
    peer: undefined,
    closed: false,
    send(bytes) {
      inbox.push(Buffer.from(bytes).toString('latin1'));
      return true;
    },
    close: () => undefined,
  };
}

function memoryStore(): Store {
  const map = new Map<string, Uint8Array>();
  return {
    get: (key) => map.get(key),
    entries: () => [],
    write(operations, done) {
      for (const operation of operations) {
        if ('put' in operation) map.set(operation.put, operation.value);
        else map.delete(operation.delete);
      }
      done?.(success(undefined));
    },
  };
}

function userOf(i: number): string {
  return `bench${String(i).padStart(5, '0')}`;
}

function accountOf(user: string): Account {
  const aor = `${user}@${domain}`;
  return { aor, ha1Md5: md5(`${user}:${domain}:benchpass`), ha1Sha256: undefined, enabled: true };
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

/** Yields now and then, so that timers run as they would. */
async function loop(name: string, seconds: number, operation: () => void): Promise<BenchResult> {
  await repeat(operation, performance.now() + 1000);
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const n = await repeat(operation, started + seconds * 1000);
  const used = process.cpuUsage(cpuBefore);
  const elapsedS = (performance.now() - started) / 1000;
  return { name, cpuUs: (used.user + used.system) / n, perSecond: n / elapsedS, n };
}

async function repeat(operation: () => void, end: number): Promise<number> {
  let n = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 20; i++) operation();
    n += 20;
    await setImmediate();
  }
  return n;
}
