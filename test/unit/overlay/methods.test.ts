/** The basic methods at their destination, and the queries that ask for them. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { KindId, NodeId, ResourceId } from '../../../src/base/ids.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { basicMethods } from '../../../src/overlay/basic-methods.ts';
import { createQueries, following } from '../../../src/overlay/queries.ts';
import type { Topology } from '../../../src/topology/plugin.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { configUpdateReq } from '../../../src/wire/reload/config-update.ts';
import { type Destination } from '../../../src/wire/reload/destination.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { findAns } from '../../../src/wire/reload/find.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { pingAns, pingReq } from '../../../src/wire/reload/ping.ts';
import { probeAns, probeReq } from '../../../src/wire/reload/probe.ts';
import { routeQueryReq } from '../../../src/wire/reload/route-query.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { evenRandom, idOf, incomingFrom, notedTransactions } from './support/parts.ts';

const [self, other, third] = [idOf('5'), idOf('8'), idOf('9')];
const resource = idOf('7') as string as ResourceId;
const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });

interface Asked {
  readonly handler: (code: number) => (request: ReturnType<typeof incomingFrom>) => void;
  readonly calls: [string, NodeId][];
  readonly offers: unknown[];
}

function methods(
  decide?: (
    done: (
      outcome:
        | ReturnType<typeof success<undefined>>
        | ReturnType<typeof failure<{ code: number; text: string }>>,
    ) => void,
  ) => void,
): Asked {
  const calls: [string, NodeId][] = [];
  const offers: unknown[] = [];
  const method = (name: string) => (from: NodeId) => {
    calls.push([name, from]);
    return name === 'leave'
      ? failure({ code: errorCodes.forbidden, text: 'no' })
      : success(Uint8Array.of(name.length));
  };
  const map = basicMethods({
    clock: createFakeClock(1_000_000_000_000.75),
    random: evenRandom,
    topology: () =>
      ({
        handleJoin: method('join'),
        handleLeave: method('leave'),
        handleUpdate: method('update'),
        handleRouteQuery: method('query'),
        responsiblePpb: () => 2_000_000_000,
      }) as unknown as Topology,
    uptimeS: () => 17,
    storedResources: () => 23,
    onConfigUpdate:
      decide === undefined
        ? undefined
        : (offer, done) => {
            offers.push(offer);
            decide(done);
          },
    updated: () => calls.push(['updated', self]),
  });
  return {
    calls,
    offers,
    handler: (code) => (request) => {
      const handle = map.get(code);
      assert.ok(handle);
      handle(request);
    },
  };
}

test('Join and Leave count on the link of their signer only; Updates and RouteQueries anywhere', () => {
  const { handler, calls } = methods();
  const ask = (code: number, direct: boolean) => {
    const request = incomingFrom(other, new Uint8Array(), { direct });
    handler(code)(request);
    return request;
  };
  for (const code of [messageCodes.joinReq, messageCodes.leaveReq]) {
    assert.deepEqual(
      ask(code, false).refusals.map((refusal) => refusal.code),
      [errorCodes.forbidden],
    );
  }
  assert.deepEqual(calls, []);
  assert.deepEqual(ask(messageCodes.joinReq, true).answers, [Uint8Array.of(4)]);
  assert.deepEqual(ask(messageCodes.leaveReq, true).refusals, [
    { code: errorCodes.forbidden, info: 'no' },
  ]);
  assert.deepEqual(ask(messageCodes.updateReq, false).answers, [Uint8Array.of(6)]);
  assert.deepEqual(ask(messageCodes.routeQueryReq, false).answers, [Uint8Array.of(5)]);
  assert.deepEqual(calls, [
    ['join', other],
    ['leave', other],
    ['update', other],
    ['updated', self],
    ['query', other],
  ]);
});

test('Ping and Probe answer with what they are asked for, each item once', () => {
  const { handler } = methods();
  const ping = incomingFrom(other, encodeToBytes(pingReq, { padding: new Uint8Array(3) }));
  handler(messageCodes.pingReq)(ping);
  assert.deepEqual(decodeExact(pingAns, ping.answers[0] ?? new Uint8Array()), {
    responseId: 0x8000_0000_8000_0000n,
    time: 1_000_000_000_000n,
  });
  const probe = incomingFrom(
    other,
    encodeToBytes(probeReq, {
      requestedInfo: ['uptime', 'responsibleSet', 'uptime', 'numResources'],
    }),
  );
  handler(messageCodes.probeReq)(probe);
  assert.deepEqual(decodeExact(probeAns, probe.answers[0] ?? new Uint8Array()).probeInfo, [
    { type: 'uptime', uptime: 17 },
    { type: 'responsibleSet', responsiblePpb: 1_000_000_000 },
    { type: 'numResources', numResources: 23 },
  ]);
  for (const code of [messageCodes.pingReq, messageCodes.probeReq, messageCodes.configUpdateReq]) {
    const broken = incomingFrom(other, Uint8Array.of(9, 9, 9));
    handler(code)(broken);
    assert.deepEqual(broken.answers, []);
    assert.deepEqual(
      broken.refusals.map((refusal) => refusal.code),
      [errorCodes.invalidMessage],
    );
  }
});

test('a ConfigUpdate is handed on by its type, and its judge decides', () => {
  const document = Uint8Array.of(1);
  const config = encodeToBytes(configUpdateReq, { type: 'config', configData: document });
  const kinds = encodeToBytes(configUpdateReq, { type: 'kind', kinds: [document] });
  const ask = (asked: Asked, body: Uint8Array) => {
    const request = incomingFrom(other, body);
    asked.handler(messageCodes.configUpdateReq)(request);
    return request;
  };
  assert.deepEqual(
    ask(methods(), config).refusals.map(({ code }) => code),
    [errorCodes.forbidden],
  );
  const willing = methods((done) => done(success(undefined)));
  assert.equal(ask(willing, config).answers.length, 1);
  assert.equal(ask(willing, kinds).answers.length, 1);
  assert.deepEqual(willing.offers, [
    { type: 'config', document },
    { type: 'kind', kindBlocks: [document] },
  ]);
  const unknown = ask(willing, Uint8Array.of(9, 0, 0, 0, 1, 1));
  assert.deepEqual(
    unknown.refusals.map(({ code }) => code),
    [errorCodes.invalidMessage],
  );
  assert.equal(willing.offers.length, 2);
  const strict = methods((done) => done(failure({ code: errorCodes.configTooOld, text: 'old' })));
  assert.deepEqual(ask(strict, config).refusals, [{ code: errorCodes.configTooOld, info: 'old' }]);
});

function queries() {
  const transactions = notedTransactions();
  return {
    notes: transactions.notes,
    queries: createQueries({ transactions: transactions as never, random: evenRandom }),
  };
}

test('a question for the ring goes once through the linked node, and our own answer is none', () => {
  for (const [answer, expected] of [
    [(note: ReturnType<typeof queries>['notes'][0]) => note.answer(other), true],
    [(note: ReturnType<typeof queries>['notes'][0]) => note.answer(self), false],
    [(note: ReturnType<typeof queries>['notes'][0]) => note.fail(0), false],
  ] as const) {
    const { notes, queries: ask } = queries();
    let found: boolean | undefined;
    ask.probeRing(self, third, (is) => (found = is));
    const [note] = notes;
    assert.ok(note);
    assert.deepEqual(note.request.destinations, [
      node(third),
      { type: 'resource', resource: following(self) },
    ]);
    assert.deepEqual(
      [note.request.messageCode, note.request.anyResponder, note.request.transmissions],
      [messageCodes.pingReq, true, 1],
    );
    answer(note);
    assert.equal(found, expected);
  }
});

test('queries yield what was answered, or why not', () => {
  const { notes, queries: ask } = queries();
  const results: unknown[] = [];
  const note = (outcome: unknown): void => void results.push(outcome);
  ask.ping([node(other)], note);
  ask.probe(other, note);
  ask.routeQuery(other, node(third), note);
  ask.routeQuery(other, node(third), note, { sendUpdate: true });
  ask.find(resource, [1, 2] as KindId[], note);
  assert.deepEqual(
    notes.map(({ request }) => request.messageCode),
    ['pingReq', 'probeReq', 'routeQueryReq', 'routeQueryReq', 'findReq'].map(
      (name) => messageCodes[name as keyof typeof messageCodes],
    ),
  );
  assert.equal(
    decodeExact(pingReq, notes[0]?.request.body ?? new Uint8Array()).padding.length,
    0x8000_0000 % 65,
  );
  assert.deepEqual(
    notes.slice(2, 4).map(({ request }) => decodeExact(routeQueryReq, request.body).sendUpdate),
    [false, true],
  );
  assert.deepEqual(
    decodeExact(probeReq, notes[1]?.request.body ?? new Uint8Array()).requestedInfo,
    ['responsibleSet', 'numResources', 'uptime'],
  );
  notes[0]?.answer(other, encodeToBytes(pingAns, { responseId: 1n, time: 99n }));
  notes[1]?.answer(
    other,
    encodeToBytes(probeAns, {
      probeInfo: [
        { type: 'responsibleSet', responsiblePpb: 5 },
        { type: 'uptime', uptime: 7 },
        { type: 'numResources', numResources: 6 },
      ],
    }),
  );
  notes[2]?.answer(other, Uint8Array.of(4));
  notes[4]?.answer(
    other,
    encodeToBytes(findAns, {
      results: [
        { kind: 1, closest: resource },
        { kind: 2, closest: '0'.repeat(32) as ResourceId },
        { kind: 3, closest: resource },
      ],
    }),
  );
  assert.deepEqual(results, [
    success({ answeredBy: other, roundTripMs: 5, timeMs: 99 }),
    success({ answeredBy: other, responsiblePpb: 5, resources: 6, uptimeS: 7 }),
    success({ answeredBy: other, answer: Uint8Array.of(4) }),
    success({ answeredBy: other, closest: [{ kind: 1, resource }] }),
  ]);
});

test('queries fail with the error of the other side, or with a malformed answer', () => {
  const { notes, queries: ask } = queries();
  const errors: unknown[] = [];
  const note = (outcome: { readonly ok: boolean }): void => {
    if (!outcome.ok)
      errors.push((outcome as unknown as { error: { code: number; reason: string } }).error);
  };
  const all = (): void => {
    ask.ping([node(other)], note);
    ask.probe(other, note);
    ask.find(resource, [1] as KindId[], note);
    ask.routeQuery(other, node(third), note);
  };
  all();
  for (const asked of notes.splice(0)) asked.fail(errorCodes.notFound, other, 'nobody');
  assert.deepEqual(
    errors.splice(0),
    new Array(4).fill({ code: errorCodes.notFound, reason: 'error-response', text: 'nobody' }),
  );
  all();
  for (const asked of notes) asked.answer(other, Uint8Array.of(1, 2));
  assert.deepEqual(
    errors,
    new Array(3).fill({ code: 0, reason: 'invalid', text: 'malformed answer' }),
  );
});
