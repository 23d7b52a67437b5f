import assert from 'node:assert/strict';
import type { Clock } from '../../../../src/ports/clock.ts';
import type { Flow } from '../../../../src/ports/flow.ts';
import type { Random } from '../../../../src/ports/random.ts';
import type { Trace } from '../../../../src/ports/trace.ts';
import { createPrng } from '../../../../src/base/prng.ts';
import {
  createRequest,
  createResponse,
  parseMessage,
} from '../../../../src/sip/message/message.ts';
import type { SipMessage, SipRequest, SipResponse } from '../../../../src/sip/message/message.ts';
import { createTransactionLayer } from '../../../../src/sip/transaction/layer.ts';
import type {
  ClientTransaction,
  ServerTransaction,
  TransactionDeps,
  TransactionLayer,
} from '../../../../src/sip/transaction/layer.ts';

/** A clock moved by hand. */
export interface TestClock extends Clock {
  advance(ms: number): void;
  readonly pending: number;
}

export function createTestClock(): TestClock {
  let nowMs = 0;
  let timers: { dueMs: number; fire: () => void }[] = [];
  return {
    monotonicMs: () => nowMs,
    wallMs: () => 1_700_000_000_000 + nowMs,
    after(_name, delayMs, fire) {
      const timer = { dueMs: nowMs + delayMs, fire };
      timers.push(timer);
      return {
        cancel() {
          timers = timers.filter((other) => other !== timer);
        },
      };
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const due = timers
          .filter(({ dueMs }) => dueMs <= untilMs)
          .sort((a, b) => a.dueMs - b.dueMs)[0];
        if (due === undefined) break;
        timers = timers.filter((other) => other !== due);
        nowMs = Math.max(nowMs, due.dueMs);
        due.fire();
      }
      nowMs = untilMs;
    },
    get pending() {
      return timers.length;
    },
  };
}

export interface TestFlow extends Flow {
  /** What was sent, with the time. */
  readonly sent: { readonly atMs: number; readonly message: SipMessage }[];
  works: boolean;
  gone: boolean;
}

export interface World {
  readonly clock: TestClock;
  readonly layer: TransactionLayer;
  readonly requests: ServerTransaction[];
  readonly acks: SipRequest[];
  readonly strays: SipResponse[];
  readonly counts: Map<string, number>;
  readonly gauges: Map<string, () => number>;
  flow(transport: 'udp' | 'tcp', port?: number): TestFlow;
  receive(flow: Flow, message: SipMessage | string): void;
}

export function createWorld(extra: Partial<TransactionDeps> = {}): World {
  const clock = createTestClock();
  const random: Random = createPrng('transactions');
  const requests: ServerTransaction[] = [];
  const acks: SipRequest[] = [];
  const strays: SipResponse[] = [];
  const counts = new Map<string, number>();
  const gauges = new Map<string, () => number>();
  const trace: Trace = {
    log: () => undefined,
    gauge: (name, read) => void gauges.set(name, read),
    counter: (name, labels) => ({
      add(by = 1) {
        const key = labels === undefined ? name : `${name}:${Object.values(labels).join(',')}`;
        counts.set(key, (counts.get(key) ?? 0) + by);
      },
    }),
  };
  const layer = createTransactionLayer({
    clock,
    random,
    trace,
    handler: {
      request: (transaction) => requests.push(transaction),
      ack: (ack) => acks.push(ack),
      strayResponse: (response) => strays.push(response),
    },
    ...extra,
  });
  let flows = 0;

  return {
    clock,
    layer,
    requests,
    acks,
    strays,
    counts,
    gauges,
    flow(transport, port = 5060) {
      const sent: TestFlow['sent'] = [];
      return {
        id: `${transport}:${String(++flows)}`,
        transport,
        reliable: transport === 'tcp',
        secure: false,
        local: { address: '192.0.2.100', port: 5060 },
        remote: { address: '192.0.2.1', port },
        listener: 'test',
        peer: undefined,
        sent,
        works: true,
        gone: false,
        get closed() {
          return this.gone;
        },
        send(bytes) {
          if (!this.works) return false;
          const parsed = parseMessage(bytes);
          if (!parsed.ok) throw new Error(`sent something unreadable: ${parsed.error.reason}`);
          sent.push({ atMs: clock.monotonicMs(), message: parsed.value });
          return true;
        },
        close() {
          this.gone = true;
        },
      };
    },
    receive(flow, message) {
      const bytes =
        typeof message === 'string' ? Buffer.from(message, 'latin1') : message.toBytes();
      layer.receive(flow, bytes);
    },
  };
}

/** A request as a phone sends it. */
export function phoneRequest(
  method: string,
  options: {
    branch?: string;
    via?: string;
    toTag?: string;
    callId?: string;
    cseq?: number;
    headers?: readonly (readonly [string, string])[];
  } = {},
): SipRequest {
  const { branch = 'z9hG4bKphone', toTag, callId = 'call-1', cseq = 1, headers = [] } = options;
  return createRequest({
    method,
    uri: 'sip:bob@example.com',
    from: '<sip:alice@example.com>;tag=a1',
    to: toTag === undefined ? '<sip:bob@example.com>' : `<sip:bob@example.com>;tag=${toTag}`,
    callId,
    cseq,
    via: options.via ?? `SIP/2.0/UDP 192.0.2.1:5060;branch=${branch};rport`,
    headers,
  });
}

/** Starts a client transaction and records its callbacks. */
export function startClient(
  world: World,
  flow: Flow,
  method: string,
  extra: Parameters<typeof createRequest>[0]['headers'] = [],
): { transaction: ClientTransaction; responses: SipResponse[]; failures: string[] } {
  const responses: SipResponse[] = [];
  const failures: string[] = [];
  const transaction = world.layer.request({
    request: createRequest({
      method,
      uri: 'sip:bob@192.0.2.1',
      from: '<sip:alice@example.com>;tag=a1',
      to: '<sip:bob@example.com>',
      callId: `call-${method}`,
      cseq: 5,
      route: ['<sip:192.0.2.1;lr>'],
      headers: extra,
    }),
    flow,
    via: { host: '192.0.2.100', port: 5060 },
    callbacks: {
      response: (response) => responses.push(response),
      failed: (kind) => failures.push(kind),
    },
  });
  return { transaction, responses, failures };
}

/** What was sent, as `time method-or-status`. */
export function timeline(flow: TestFlow): string[] {
  return flow.sent.map(({ atMs, message }) => {
    const what = message.kind === 'request' ? message.method : String(message.status);
    return `${String(atMs)} ${what}`;
  });
}

/** The one request that the handler has seen. */
export function only(world: World): ServerTransaction {
  assert.equal(world.requests.length, 1);
  return world.requests[0] as ServerTransaction;
}

export function answer(transaction: ServerTransaction, status: number): void {
  transaction.respond(
    createResponse(transaction.request, status, undefined, { toTag: transaction.toTag }),
  );
}

export function statuses(flow: TestFlow): number[] {
  return flow.sent.map(({ message }) => (message as SipResponse).status);
}
