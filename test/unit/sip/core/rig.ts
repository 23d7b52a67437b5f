import assert from 'node:assert/strict';
import { failure, success } from '../../../../src/base/outcome.ts';
import { createPrng } from '../../../../src/base/prng.ts';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import type { Flow, FlowOpener, SipTransportName } from '../../../../src/ports/flow.ts';
import type { Store } from '../../../../src/ports/store.ts';
import type { Accounts } from '../../../../src/sip/auth/accounts.ts';
import type { Domains } from '../../../../src/sip/core/domains.ts';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import { type SipServerDeps, createSipServer } from '../../../../src/sip/core/sip-server.ts';
import {
  computeHa1,
  computeResponse,
  formatCredentials,
  parseChallenge,
} from '../../../../src/sip/digest/digest.ts';
import { createLocationTable } from '../../../../src/sip/location/create-location-table.ts';
import {
  type SipRequest,
  type SipResponse,
  createResponse,
  parseMessage,
} from '../../../../src/sip/message/message.ts';
import { type CountingTrace, createCountingTrace } from '../../../support/counting-trace.ts';
import {
  createLocalResolver,
  createLocalTargets,
} from '../../../../src/sip/proxy/local-targets.ts';
import { createPhoneHops } from '../../../../src/sip/proxy/phone-hops.ts';

export const domain = 'lab.example';
export const serverAddress = '192.0.2.1';

export interface FakeClock extends Clock {
  advance(ms: number): void;
}

export function createFakeClock(): FakeClock {
  let now = 1_700_000_000_000;
  let serial = 0;
  const timers = new Map<number, { dueMs: number; fire: () => void }>();
  return {
    monotonicMs: () => now,
    wallMs: () => now,
    after(_name, delayMs, fire) {
      const id = serial++;
      timers.set(id, { dueMs: now + Math.max(0, delayMs), fire });
      return { cancel: () => void timers.delete(id) };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        let next: [number, { dueMs: number; fire: () => void }] | undefined;
        for (const entry of timers) {
          if (entry[1].dueMs > end) continue;
          if (next === undefined || entry[1].dueMs < next[1].dueMs) next = entry;
        }
        if (next === undefined) break;
        timers.delete(next[0]);
        now = Math.max(now, next[1].dueMs);
        next[1].fire();
      }
      now = end;
    },
  };
}

export interface MemoryStore extends Store {
  readonly map: Map<string, Uint8Array>;
  writes: number;
}

export function createMemoryStore(map: Map<string, Uint8Array> = new Map()): MemoryStore {
  const store: MemoryStore = {
    map,
    writes: 0,
    get: (key) => map.get(key),
    entries: (prefix) => [...map].filter(([key]) => key.startsWith(prefix)).sort(),
    write(operations, done) {
      store.writes += operations.length;
      for (const operation of operations) {
        if ('put' in operation) map.set(operation.put, operation.value);
        else map.delete(operation.delete);
      }
      done?.(success(undefined));
    },
  };
  return store;
}

export interface FakeFlow extends Flow {
  readonly sent: string[];
  closed: boolean;
}

export const domains: Domains = {
  canonical: domain,
  servedDomain(host) {
    const lower = host.toLowerCase();
    return lower === domain || lower === serverAddress ? domain : undefined;
  },
  isSelf(host, port) {
    const lower = host.toLowerCase();
    return (lower === domain || lower === serverAddress) && (port ?? 5060) === 5060;
  },
};

const users = ['alice', 'bob', 'carol'];

const accounts: Accounts = {
  lookup(user) {
    if (user === 'mallory') {
      return { aor: `${user}@${domain}`, ha1Md5: ha1(user), ha1Sha256: undefined, enabled: false };
    }
    if (!users.includes(user)) return undefined;
    return {
      aor: `${user}@${domain}`,
      ha1Md5: ha1(user),
      ha1Sha256: computeHa1('SHA-256', user, domain, `${user}pw`),
      ha1Sha512t256: computeHa1('SHA-512-256', user, domain, `${user}pw`),
      ha1Md5AtDomain: computeHa1('MD5', `${user}@${domain}`, domain, `${user}pw`),
      enabled: true,
    };
  },
};

function ha1(user: string): string {
  return computeHa1('MD5', user, domain, `${user}pw`);
}

/** A SIP server between fake phones, with a clock that stands still until told. */
export interface Rig {
  readonly clock: FakeClock;
  readonly trace: CountingTrace;
  readonly store: MemoryStore;
  readonly server: ReturnType<typeof createSipServer>;
  readonly location: ReturnType<typeof createLocationTable>;
  readonly flows: FlowOpener;
  readonly deps: SipServerDeps;
  phone(address: string, transport?: SipTransportName, listener?: string, port?: number): FakePhone;
  /** From now on attempts to connect by TCP are never answered. */
  silentConnections(): void;
}

export interface FakePhone {
  readonly flow: FakeFlow;
  /** Sends text (LF becomes CRLF) or a message. */
  send(message: string | SipRequest | SipResponse): void;
  /** Takes the oldest message it got; fails when there is none. */
  take(): SipRequest | SipResponse;
  request(method: string): SipRequest;
  response(status: number): SipResponse;
  readonly waiting: number;
  drop(): void;
  /** Answers a request it got. */
  reply(request: SipRequest, status: number, more?: { tag?: string; contact?: string }): void;
}

export function createRig(
  change: (deps: SipServerDeps) => Partial<SipServerDeps> = () => ({}),
): Rig {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const store = createMemoryStore();
  const prng = createPrng('sip');
  const byId = new Map<string, FakeFlow>();
  let silent = false;
  const flows: FlowOpener = {
    open(target, done) {
      if (silent && target.transport === 'tcp') return;
      const found = [...byId.values()].find(
        (f) =>
          f.remote.address === target.address &&
          f.remote.port === target.port &&
          f.transport === target.transport &&
          !f.closed,
      );
      done(found === undefined ? failure('refused') : success(found));
    },
    find: (id) => byId.get(id),
  };
  const location = createLocationTable({ clock, store, trace });
  const local = createLocalTargets({ location, flows });
  const base: SipServerDeps = {
    clock,
    random: { bytes: (n) => prng.bytes(n), u32: () => prng.u32() },
    trace,
    domains,
    accounts,
    location,
    flows,
    hops: createPhoneHops({ domains, flows, tokenKeys: [new Uint8Array(32).fill(7)] }),
    resolver: createLocalResolver({ accounts, local }),
    settings: {
      ...defaultSipSettings,
      auth: { ...defaultSipSettings.auth, challengeRequests: false },
    },
    nonceKeys: [new Uint8Array(32).fill(9)],
  };
  const changed = change(base);
  const tokenKeys = [new Uint8Array(32).fill(7)];
  const hops = createPhoneHops({ domains: changed.domains ?? domains, flows, tokenKeys });
  const deps = { ...base, hops, ...changed };
  const server = createSipServer(deps);

  function phone(
    address: string,
    transport: SipTransportName = 'udp',
    listener = 'lan',
    port = 5062,
  ): FakePhone {
    const sent: string[] = [];
    const flow: FakeFlow = {
      id: port === 5062 ? `${transport}:${address}` : `${transport}:${address}:${String(port)}`,
      transport,
      reliable: transport !== 'udp',
      secure: transport === 'tls' || transport === 'wss',
      local: { address: serverAddress, port: 5060 },
      remote: { address, port },
      listener,
      peer: undefined,
      closed: false,
      sent,
      send(bytes) {
        sent.push(latin1Decode(bytes));
        return true;
      },
      close() {
        flow.closed = true;
      },
    };
    byId.set(flow.id, flow);
    const fake: FakePhone = {
      flow,
      send(message) {
        const bytes =
          typeof message === 'string'
            ? latin1Encode(message.replaceAll('\n', '\r\n'))
            : message.toBytes();
        server.receive(flow, bytes);
      },
      take() {
        const text = sent.shift();
        assert.ok(text !== undefined, `${address} got no message`);
        const parsed = parseMessage(latin1Encode(text));
        assert.ok(parsed.ok, text);
        return parsed.value;
      },
      request(method) {
        const message = fake.take();
        assert.ok(message.kind === 'request', `expected ${method}, got ${firstLine(message)}`);
        assert.equal(message.method, method);
        return message;
      },
      response(status) {
        const message = fake.take();
        assert.ok(
          message.kind === 'response',
          `expected ${String(status)}, got ${firstLine(message)}`,
        );
        assert.equal(message.status, status);
        return message;
      },
      get waiting() {
        return sent.length;
      },
      drop() {
        flow.closed = true;
        byId.delete(flow.id);
        server.flowClosed(flow);
      },
      reply(request, status, more = {}) {
        const headers: [string, string][] =
          more.contact === undefined ? [] : [['Contact', `<${more.contact}>`]];
        fake.send(
          createResponse(request, status, undefined, { toTag: more.tag ?? 'callee', headers }),
        );
      },
    };
    return fake;
  }

  const silentConnections = (): void => {
    silent = true;
  };
  return { clock, trace, store, server, location, flows, deps, phone, silentConnections };
}

function firstLine(message: SipRequest | SipResponse): string {
  return latin1Decode(message.toBytes()).split('\r\n')[0] ?? '';
}

let serial = 0;

export interface MessageParts {
  readonly method?: string;
  readonly uri?: string;
  readonly from?: string;
  readonly to?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly branch?: string;
  readonly headers?: readonly string[];
}

/** A request as a phone writes it. */
export function message(phone: FakePhone, parts: MessageParts = {}): string {
  const method = parts.method ?? 'INVITE';
  serial++;
  const { address, port } = phone.flow.remote;
  return [
    `${method} ${parts.uri ?? `sip:bob@${domain}`} SIP/2.0`,
    `Via: SIP/2.0/${phone.flow.transport.toUpperCase()} ${address}:${String(port)};rport;branch=${parts.branch ?? `z9hG4bK-t${String(serial)}`}`,
    'Max-Forwards: 70',
    `From: ${parts.from ?? `<sip:alice@${domain}>;tag=caller`}`,
    `To: ${parts.to ?? `<sip:bob@${domain}>`}`,
    `Call-ID: ${parts.callId ?? 'call-1'}`,
    `CSeq: ${String(parts.cseq ?? 1)} ${method}`,
    ...(parts.headers ?? []),
    'Content-Length: 0',
    '',
    '',
  ].join('\n');
}

let registerCseq = 0;

export interface RegisterParts {
  readonly contacts?: readonly string[];
  readonly callId?: string;
  readonly cseq?: number;
  readonly host?: string;
  readonly headers?: readonly string[];
  readonly login?: string;
  readonly to?: string;
  readonly from?: string;
  readonly uri?: string;
}

/** Registers with digest and gives back the last answer. */
export function register(phone: FakePhone, user: string, parts: RegisterParts = {}): SipResponse {
  const host = parts.host ?? domain;
  const text = (headers: readonly string[]): string =>
    message(phone, {
      method: 'REGISTER',
      uri: parts.uri ?? `sip:${host}`,
      from: parts.from ?? `<sip:${user}@${host}>;tag=r`,
      to: parts.to ?? `<sip:${user}@${host}>`,
      callId: parts.callId ?? `reg-${user}-${phone.flow.id}`,
      cseq: parts.cseq ?? ++registerCseq,
      headers: [
        ...(parts.contacts ?? [`<sip:${user}@${phone.flow.remote.address}:5062>`]).map(
          (contact) => `Contact: ${contact}`,
        ),
        ...(parts.headers ?? []),
        ...headers,
      ],
    });
  phone.send(text([]));
  const challenge = phone.response(401).header('WWW-Authenticate') ?? '';
  const uri = parts.uri ?? `sip:${host}`;
  phone.send(
    text([
      `Authorization: ${credentials(challenge, parts.login ?? user, `${user}pw`, 'REGISTER', uri)}`,
    ]),
  );
  const answer = phone.take();
  assert.ok(answer.kind === 'response');
  return answer;
}

/** An answer to a challenge. */
export function credentials(
  challenge: string,
  username: string,
  password: string,
  method: string,
  uri: string,
): string {
  const parsed = parseChallenge(challenge);
  assert.ok(parsed.ok, challenge);
  const { algorithm, nonce, realm } = parsed.value;
  const common = { algorithm, nonce, cnonce: 'c0ffee', nc: '00000001', qop: 'auth', uri };
  const response = computeResponse({
    ...common,
    ha1: computeHa1(algorithm, username, realm, password),
    method,
  });
  return formatCredentials({ ...common, username, realm, response, opaque: undefined });
}

/** What the phones see of the caller side of one header. */
export function uriOf(value: string | undefined): string {
  return /<([^>]*)>/.exec(value ?? '')?.[1] ?? '';
}
