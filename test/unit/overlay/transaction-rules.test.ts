/** The life of own requests: repetitions, ends, figures; with network and keys played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import { createPrng } from '../../../src/base/prng.ts';
import type { LocalAnswer } from '../../../src/overlay/local-requests.ts';
import type { RoutedMessage } from '../../../src/overlay/routed-message.ts';
import {
  createTransactions,
  publicError,
  type OutgoingRequest,
  type RequestOutcome,
} from '../../../src/overlay/transactions.ts';
import type { Certificate } from '../../../src/ports/certificates.ts';
import { encodeToBytes } from '../../../src/wire/codec.ts';
import type { Payload } from '../../../src/wire/reload/contents.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { errorCodes, errorResponse, unknownKinds } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createIdentity } from './support/fake-keys.ts';
import { idOf } from './support/parts.ts';
import { testConfig } from './support/world.ts';

const [self, other, third] = [idOf('1'), idOf('2'), idOf('3')];
const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });
const reliabilityMs = testConfig.reliabilityTimerMs;

function scene(endsHere = false) {
  const clock = createFakeClock();
  const prng = createPrng('transaction rules');
  const trace = createCountingTrace();
  const sent: RoutedMessage[] = [];
  const outcomes: RequestOutcome[] = [];
  const oldConfigs: NodeId[] = [];
  const lacking: unknown[] = [];
  const local: ((answer: LocalAnswer) => void)[] = [];
  const world = { config: testConfig };
  const transactions = createTransactions({
    identity: createIdentity(clock, [self], 'self'),
    nodeId: self,
    overlay: () => 5,
    clock,
    random: { u32: () => prng.u32(), bytes: (length) => prng.bytes(length) },
    trace,
    config: () => world.config,
    security: {
      sign: (_message: unknown, done: (block: Uint8Array) => void) =>
        void clock.after('sign', 0, () => done(new Uint8Array(10))),
    } as never,
    send: (message) => sent.push(message),
    isCloseEnough: (signer) => signer === third,
    later: (run) => void clock.after('later', 0, run),
    endsHere: () => endsHere,
    handleLocally: (_request, _id, done) => local.push(done),
    peerHasOldConfig: (nodeId) => oldConfigs.push(nodeId),
    peerLacksKinds: (nodeId, kinds) => lacking.push([nodeId, kinds]),
  });
  const request = (wanted: Partial<OutgoingRequest> = {}): (() => void) => {
    const cancel = transactions.request(
      {
        destinations: [node(other)],
        messageCode: messageCodes.pingReq,
        body: new Uint8Array(2),
        ...wanted,
      },
      (outcome) => outcomes.push(outcome),
    );
    clock.advance(0);
    return cancel;
  };
  const answer = (
    signer: NodeId,
    messageCode: number,
    messageBody: Uint8Array = new Uint8Array(),
  ): void => {
    const payload = {
      contents: { messageCode, messageBody, extensions: [] },
    } as unknown as Payload;
    const verified = {
      signer: { nodeId: signer, certificate: {} as Certificate },
      certificates: [],
    };
    const last = sent.at(-1);
    assert.ok(last);
    transactions.handle(last.header.transactionId, payload, verified);
  };
  const fail = (
    signer: NodeId,
    errorCode: number,
    errorInfo: Uint8Array = new Uint8Array(),
  ): void =>
    answer(signer, messageCodes.error, encodeToBytes(errorResponse, { errorCode, errorInfo }));
  return {
    clock,
    sent,
    outcomes,
    oldConfigs,
    lacking,
    local,
    world,
    transactions,
    request,
    answer,
    fail,
    count: (name: string, label?: string) => trace.count(`overlay_${name}`, label),
    pending: () => trace.gaugeOf('overlay_requests_pending'),
    errors: () => outcomes.map((outcome) => (outcome.ok ? undefined : publicError(outcome.error))),
  };
}

test('a request is repeated every three seconds, five times in all, then it has no answer', () => {
  const { request, clock, sent, errors, count, transactions } = scene();
  request();
  assert.equal(transactions.size, 1);
  for (let i = 1; i < 5; i++) {
    clock.advance(reliabilityMs - 1);
    assert.equal(sent.length, i);
    clock.advance(1);
    assert.equal(sent.length, i + 1);
  }
  assert.equal(new Set(sent.map(({ header }) => header.transactionId)).size, 1);
  clock.advance(reliabilityMs - 1);
  assert.deepEqual(errors(), []);
  clock.advance(1);
  assert.deepEqual(errors(), [{ code: 0, reason: 'timeout', text: 'no answer' }]);
  assert.equal(transactions.size, 0);
  assert.deepEqual(
    [count('retransmissions_total'), count('requests_failed_total', 'timeout')],
    [4, 1],
  );
  assert.equal(count('requests_total', 'ping_req'), 1);
});

test('a request may ask for fewer transmissions', () => {
  const { request, clock, sent, outcomes } = scene();
  request({ transmissions: 2 });
  clock.advance(2 * reliabilityMs - 1);
  assert.deepEqual([sent.length, outcomes.length], [2, 0]);
  clock.advance(1);
  assert.deepEqual([sent.length, outcomes.length], [2, 1]);
});

test('a request that is given up is neither repeated nor ended', () => {
  const { request, clock, sent, outcomes, transactions, answer, count } = scene();
  const cancel = request();
  cancel();
  cancel();
  assert.equal(transactions.size, 0);
  clock.advance(100_000);
  assert.equal(sent.length, 1);
  answer(other, messageCodes.pingAns);
  assert.equal(outcomes.length, 0);
  assert.equal(count('responses_ignored_total', 'late'), 1);
});

test('one given up before it is signed is never sent', () => {
  const { transactions, clock, sent } = scene();
  const wanted = { destinations: [node(other)], messageCode: 23, body: new Uint8Array(2) };
  transactions.request(wanted, () => assert.fail('given up'))();
  clock.advance(100_000);
  assert.equal(sent.length, 0);
});

test('what is ignored is counted by its reason, and the request goes on', () => {
  const { request, outcomes, answer, fail, count, transactions } = scene();
  request();
  answer(other, messageCodes.pingReq);
  answer(third, messageCodes.pingAns);
  answer(other, messageCodes.error, Uint8Array.of(1));
  fail(third, errorCodes.notFound);
  assert.deepEqual(
    ['wrong-code', 'wrong-signer', 'malformed'].map((reason) =>
      count('responses_ignored_total', reason),
    ),
    [1, 2, 1],
  );
  assert.equal(outcomes.length, 0);
  assert.equal(transactions.size, 1);
});

test('who may answer is told by the last entry that names something', () => {
  const resource: Destination = { type: 'resource', resource: idOf('7') as string as ResourceId };
  const opaque: Destination = { type: 'opaque', id: Uint8Array.of(1) };
  for (const [destinations, signer, accepted] of [
    [[node(third), node(other)], other, true],
    [[node(other), node(third)], other, false],
    [[node(other), opaque], other, true],
    [[node(third), opaque], other, false],
    [[opaque], other, true],
    [[node(other), resource], third, true],
    [[node(other), resource], other, false],
    [[node(idOf('f'))], other, true],
  ] as const) {
    const { request, answer, outcomes } = scene();
    request({ destinations });
    answer(signer, messageCodes.pingAns);
    assert.equal(outcomes.length, accepted ? 1 : 0);
  }
  const { request, answer, outcomes } = scene();
  request({ anyResponder: true });
  answer(third, messageCodes.pingAns);
  assert.equal(outcomes.length, 1);
});

test('an answer tells who gave it, and after what time', () => {
  const { request, clock, answer, outcomes, transactions } = scene();
  request();
  clock.advance(70);
  answer(other, messageCodes.pingAns, Uint8Array.of(4));
  const [outcome] = outcomes;
  assert.ok(outcome?.ok);
  assert.equal(outcome.value.roundTripMs, 70);
  assert.equal(outcome.value.signer.nodeId, other);
  assert.deepEqual(outcome.value.body, Uint8Array.of(4));
  assert.equal(transactions.awaits(1n), false);
});

test('an error has its text, or the name of its code, and is counted by that', () => {
  const { request, fail, errors, count } = scene();
  request();
  fail(other, errorCodes.notFound, utf8Encode('nobody'));
  request();
  fail(other, errorCodes.notFound);
  request();
  fail(other, 0x7777);
  assert.deepEqual(errors(), [
    { code: errorCodes.notFound, reason: 'error-response', text: 'nobody' },
    { code: errorCodes.notFound, reason: 'error-response', text: 'Error_Not_Found' },
    { code: 0x7777, reason: 'error-response', text: '0x7777' },
  ]);
  assert.deepEqual(
    [count('requests_failed_total', 'Error_Not_Found'), count('requests_failed_total', 'other')],
    [2, 1],
  );
});

test('Kinds that the other side lacks are told with the error', () => {
  const { request, fail, lacking } = scene();
  request();
  fail(other, errorCodes.unknownKind, encodeToBytes(unknownKinds, [7, 8]));
  request();
  fail(other, errorCodes.notFound, encodeToBytes(unknownKinds, [7, 8]));
  assert.deepEqual(lacking, [[other, [7, 8]]]);
});

test('a refusal for the configuration waits; only a newer one of ours is offered; it ends the request in the end', () => {
  const { request, fail, clock, oldConfigs, errors, sent, transactions, world } = scene();
  request();
  fail(other, errorCodes.configTooOld);
  assert.deepEqual([oldConfigs, errors()], [[], []]);
  world.config = { ...testConfig, sequence: testConfig.sequence + 1 };
  transactions.configChanged();
  assert.equal(sent.length, 2);
  assert.equal(sent[1]?.header.configurationSequence, testConfig.sequence + 1);
  transactions.configChanged();
  assert.equal(sent.length, 2, 'nobody has refused the new one');
  fail(other, errorCodes.configTooNew);
  assert.deepEqual(oldConfigs, [other]);
  clock.advance(5 * reliabilityMs);
  assert.equal(errors()[0]?.code, errorCodes.configTooNew);
});

test('a ConfigUpdate fits every sequence', () => {
  const { request, sent } = scene();
  request({ messageCode: messageCodes.configUpdateReq });
  assert.equal(sent[0]?.header.configurationSequence, 65_535);
  assert.equal(sent[0].header.ttl, testConfig.initialTtl);
});

test('a message above max-message-size is not sent; one of just that size is', () => {
  const fixed = 38 + 22 + 10 + 2 + 4 + 4;
  for (const [extra, error] of [
    [0, undefined],
    [1, { code: 0, reason: 'invalid', text: 'above max-message-size' }],
  ] as const) {
    const { request, errors, sent } = scene();
    request({ body: new Uint8Array(testConfig.maxMessageSize - fixed + extra) });
    assert.deepEqual(errors(), error === undefined ? [] : [error]);
    assert.equal(sent.length, error === undefined ? 1 : 0);
  }
});

test('requests that end here are handled here, in the time of others', () => {
  const { request, local, sent, outcomes, errors, clock, transactions } = scene(true);
  request();
  assert.deepEqual([local.length, sent.length], [1, 0]);
  clock.advance(40);
  const signer = { nodeId: self, certificate: {} as Certificate };
  const given = {
    kind: 'answer',
    signer,
    body: Uint8Array.of(3),
    extensions: [],
    certificates: [],
  } as const;
  local[0]?.(given);
  const [outcome] = outcomes;
  assert.ok(outcome?.ok);
  assert.deepEqual([outcome.value.roundTripMs, outcome.value.body], [40, Uint8Array.of(3)]);
  local[0]?.(given);
  assert.equal(outcomes.length, 1, 'once');

  request();
  const error = { errorCode: errorCodes.forbidden, errorInfo: new Uint8Array() };
  local[1]?.({ kind: 'error', signer: self, error });
  assert.equal(errors()[1]?.code, errorCodes.forbidden);

  request();
  clock.advance(5 * reliabilityMs - 1);
  assert.equal(outcomes.length, 2);
  clock.advance(1);
  assert.equal(errors()[2]?.reason, 'timeout');
  assert.equal(transactions.size, 0);
});

test('too many requests at once are refused; a stopped peer fails what is open', () => {
  const { transactions, clock, errors, request, count, pending } = scene(true);
  for (let i = 0; i < limits.overlay.requests; i++) request();
  assert.equal(pending(), limits.overlay.requests);
  assert.deepEqual(errors(), []);
  const cancel = request();
  cancel();
  assert.deepEqual(errors(), [{ code: 0, reason: 'unreachable', text: 'too many requests' }]);
  assert.equal(count('requests_failed_total', 'too-many'), 1);
  transactions.close();
  assert.equal(pending(), 0);
  assert.equal(errors().length, limits.overlay.requests + 1);
  assert.equal(errors().at(-1)?.text, 'the peer has stopped');
  clock.advance(100_000);
  assert.equal(errors().length, limits.overlay.requests + 1);
});

test('a new configuration is no reason for a sixth transmission', () => {
  const { request, fail, clock, sent, transactions } = scene();
  request();
  clock.advance(4 * reliabilityMs);
  assert.equal(sent.length, 5);
  fail(other, errorCodes.configTooOld);
  transactions.configChanged();
  assert.equal(sent.length, 5);
});

test('what is open when the peer stops ends with that reason, at once', () => {
  const { request, transactions, errors } = scene();
  request();
  transactions.close();
  assert.deepEqual(errors(), [{ code: 0, reason: 'unreachable', text: 'the peer has stopped' }]);
  assert.equal(transactions.size, 0);
});
