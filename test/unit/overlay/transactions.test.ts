/** Own requests, with network and keys replaced. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createPrng } from '../../../src/base/prng.ts';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import type { MessageSigner } from '../../../src/overlay/message-security.ts';
import type { RoutedMessage } from '../../../src/overlay/routed-message.ts';
import {
  createTransactions,
  type OutgoingRequest,
  type RequestOutcome,
} from '../../../src/overlay/transactions.ts';
import { encodeToBytes } from '../../../src/wire/codec.ts';
import type { Payload } from '../../../src/wire/reload/contents.ts';
import { errorCodes, errorResponse } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createIdentity } from './support/fake-keys.ts';
import { testConfig } from './support/world.ts';

const id = (digit: string): NodeId => digit.repeat(32) as NodeId;
const resource = id('7') as string as ResourceId;

function scene(config: Partial<typeof testConfig> = {}) {
  const clock = createFakeClock();
  const prng = createPrng('transactions');
  const sent: { atMs: number; message: RoutedMessage }[] = [];
  const outcomes: RequestOutcome[] = [];
  const offered: NodeId[] = [];
  const identity = createIdentity(clock, [id('1')], 'self');
  const transactions = createTransactions({
    identity,
    nodeId: id('1'),
    overlay: () => 5,
    clock,
    random: { u32: () => prng.u32(), bytes: (length) => prng.bytes(length) },
    trace: silentTrace,
    config: () => ({ ...testConfig, ...config }),
    security: {
      sign: (_message: unknown, done: (block: Uint8Array) => void) => {
        clock.after('sign', 0, () => done(new Uint8Array(10)));
      },
    } as never,
    send: (message) => sent.push({ atMs: clock.monotonicMs(), message }),
    isCloseEnough: (signer) => signer === id('8'),
    later: (run) => clock.after('later', 0, run),
    endsHere: () => false,
    handleLocally: () => undefined,
    peerHasOldConfig: (nodeId) => offered.push(nodeId),
    peerLacksKinds: () => undefined,
  });
  const request = (wanted: Partial<OutgoingRequest>): void => {
    transactions.request(
      {
        destinations: [{ type: 'node', nodeId: id('2') }],
        messageCode: messageCodes.pingReq,
        body: new Uint8Array(2),
        ...wanted,
      },
      (outcome) => outcomes.push(outcome),
    );
    clock.advance(0);
  };
  const answer = (
    signerId: NodeId,
    messageCode: number,
    messageBody: Uint8Array = new Uint8Array(0),
  ): void => {
    const { transactionId } = (sent.at(-1) as (typeof sent)[0]).message.header;
    const payload = {
      contents: { messageCode, messageBody, extensions: [] },
    } as unknown as Payload;
    const certificate = createIdentity(clock, [signerId], 'other').certificate;
    const signer: MessageSigner = { nodeId: signerId, certificate };
    transactions.handle(transactionId, payload, { signer, certificates: [] });
  };
  const fail = (signerId: NodeId, errorCode: number): void => {
    const body = encodeToBytes(errorResponse, { errorCode, errorInfo: new Uint8Array(0) });
    answer(signerId, messageCodes.error, body);
  };
  return { clock, sent, outcomes, offered, transactions, request, answer, fail };
}

test('[R6940-3-01] a request lives five times the reliability timer', () => {
  for (const reliabilityTimerMs of [3000, 1000]) {
    const { clock, outcomes, request } = scene({ reliabilityTimerMs });
    request({});
    clock.advance(5 * reliabilityTimerMs - 1);
    assert.equal(outcomes.length, 0);
    clock.advance(1);
    assert.equal(outcomes.length, 1);
  }
});

test('[R6940-6.3.4-20] [R6940-6.3.4-22] an answer of a node farther than a neighbour is ignored and the request repeated', () => {
  const { clock, outcomes, request, answer, sent } = scene();
  request({ destinations: [{ type: 'resource', resource }] });
  answer(id('9'), messageCodes.pingAns);
  assert.equal(outcomes.length, 0);
  clock.advance(3000);
  assert.equal(sent.length, 2);
  answer(id('8'), messageCodes.pingAns);
  assert.ok(outcomes[0]?.ok === true && outcomes[0].value.signer.nodeId === id('8'));
});

test('[R6940-6.3.4-20] an answer of another node than the one addressed is ignored, unless the wildcard was', () => {
  const { outcomes, request, answer } = scene();
  request({});
  answer(id('3'), messageCodes.pingAns);
  assert.equal(outcomes.length, 0);
  answer(id('2'), messageCodes.pingAns);
  assert.equal(outcomes.length, 1);
  request({ destinations: [{ type: 'node', nodeId: id('f') }] });
  answer(id('3'), messageCodes.pingAns);
  assert.equal(outcomes.length, 2);
});

test('[R6940-6.4.2.1-08] [R6940-6.4.2.1-09] a JoinAns of another than the admitting peer is discarded', () => {
  const { outcomes, request, answer } = scene();
  request({ messageCode: messageCodes.joinReq });
  answer(id('3'), messageCodes.joinAns);
  assert.equal(outcomes.length, 0);
  answer(id('2'), messageCodes.joinAns);
  assert.equal(outcomes[0]?.ok, true);
});

test('errors of the path are believed from any member, errors about data are not (A-04)', () => {
  const { outcomes, request, fail } = scene();
  for (const code of [errorCodes.notFound, errorCodes.forbidden, errorCodes.dataTooOld]) {
    request({});
    fail(id('3'), code);
  }
  assert.equal(outcomes.length, 0);
  for (const code of [
    errorCodes.incompatibleWithOverlay,
    errorCodes.unsupportedForwardingOption,
    errorCodes.ttlExceeded,
    errorCodes.messageTooLarge,
    errorCodes.invalidMessage,
  ]) {
    request({});
    fail(id('3'), code);
  }
  assert.equal(outcomes.length, 5);
});

test('an answer with another code, or to no request, changes nothing', () => {
  const { outcomes, request, answer, transactions } = scene();
  request({});
  answer(id('2'), messageCodes.probeAns);
  assert.equal(outcomes.length, 0);
  answer(id('2'), messageCodes.pingAns);
  answer(id('2'), messageCodes.pingAns);
  assert.equal(outcomes.length, 1);
  assert.equal(transactions.size, 0);
});

test('whoever works with an older configuration gets ours, and the request is repeated when ours changes', () => {
  const { offered, request, fail, sent, transactions, outcomes } = scene();
  request({});
  fail(id('2'), errorCodes.configTooNew);
  assert.deepEqual(offered, [id('2')]);
  assert.equal(outcomes.length, 0);
  fail(id('2'), errorCodes.configTooOld);
  transactions.configChanged();
  assert.equal(sent.length, 2);
});

test('[R6940-6.3.3.1-05] after Error_Request_Timeout the same request may be made again', () => {
  const { outcomes, request, fail, answer, sent } = scene();
  request({});
  fail(id('2'), errorCodes.requestTimeout);
  assert.ok(outcomes[0]?.ok === false && outcomes[0].error.code === errorCodes.requestTimeout);
  request({});
  answer(id('2'), messageCodes.pingAns);
  assert.equal(outcomes[1]?.ok, true);
  assert.notEqual(sent[0]?.message.header.transactionId, sent[1]?.message.header.transactionId);
});
