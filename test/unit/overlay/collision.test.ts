import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createAttacher } from '../../../src/overlay/attach.ts';
import { makeOffer } from '../../../src/overlay/candidates.ts';
import type { IncomingRequest } from '../../../src/overlay/incoming.ts';
import type { LinkEntry } from '../../../src/overlay/link-table.ts';
import type { RequestOutcome } from '../../../src/overlay/transactions.ts';
import { encodeToBytes } from '../../../src/wire/codec.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createIdentity } from './support/fake-keys.ts';

const small = '1'.repeat(32) as NodeId;
const large = '2'.repeat(32) as NodeId;
const random = { u32: () => 1, bytes: (length: number) => new Uint8Array(length) };

interface Scene {
  /** Our own Attach to the other node, seen from the transactions. */
  readonly asked: { done: (outcome: RequestOutcome) => void; cancelled: boolean }[];
  readonly dialed: string[];
  readonly results: Outcome<NodeId>[];
  /** What the other node's AttachReq got: an answer (0) or an error code. */
  readonly otherAsks: () => number;
  readonly otherAnswers: () => void;
  readonly linkComes: (from?: NodeId) => void;
  readonly awaited: (...nodeIds: NodeId[]) => NodeId | undefined;
  readonly advance: (spanMs: number) => void;
}

function scene(self: NodeId, other: NodeId, asks = true): Scene {
  const clock = createFakeClock();
  const links = new Map<NodeId, LinkEntry>();
  const asked: Scene['asked'] = [];
  const dialed: string[] = [];
  const results: Outcome<NodeId>[] = [];
  const otherIdentity = createIdentity(clock, [other], 'other');
  const body = encodeToBytes(attachReqAns, {
    ...makeOffer([{ address: '10.0.0.9', port: 1 }], 'passive', random),
    sendUpdate: false,
  });
  const attacher = createAttacher({
    self,
    clock,
    random,
    trace: silentTrace,
    dialer: {
      dial(target) {
        dialed.push(target.address);
        return () => undefined;
      },
    },
    ice: () => undefined,
    linkTypes: () => ['TLS-TCP-FH-NO-ICE'],
    pathFound: () => undefined,
    links: { get: (nodeId: NodeId) => links.get(nodeId) } as never,
    transactions: {
      request(_request: unknown, done: (outcome: RequestOutcome) => void) {
        const entry = { done, cancelled: false };
        asked.push(entry);
        return () => {
          entry.cancelled = true;
        };
      },
    } as never,
    candidates: () => [{ address: '10.0.0.1', port: 1 }],
    sendUpdateTo: () => undefined,
    learned: () => undefined,
    later: (run) => clock.after('later', 0, run),
  });
  if (asks) {
    attacher.attach({ kind: 'node', nodeId: other }, { sendUpdate: false }, (outcome) =>
      results.push(outcome),
    );
  }
  const signer = { nodeId: other, certificate: otherIdentity.certificate };
  return {
    asked,
    dialed,
    results,
    otherAsks() {
      let got = -1;
      attacher.handle({
        body,
        signer,
        answer: () => {
          got = 0;
        },
        refuse: (code: number) => {
          got = code;
        },
      } as unknown as IncomingRequest);
      return got;
    },
    otherAnswers() {
      asked[0]?.done(success({ signer, body, extensions: [], certificates: [], roundTripMs: 1 }));
    },
    linkComes(from = other) {
      const entry = { nodeId: from, link: { suspect: false } } as unknown as LinkEntry;
      links.set(from, entry);
      attacher.linkUp(entry);
    },
    awaited: (...nodeIds) => attacher.awaited(nodeIds),
    advance: (spanMs) => clock.advance(spanMs),
  };
}

test('[R6940-6.5.1.2-05] [R6940-6.5.1.2-06] [R6940-6.5.1.2-07] the smaller Node-ID stops its own Attach and answers', () => {
  const { asked, dialed, results, otherAsks, linkComes } = scene(small, large);
  assert.equal(otherAsks(), 0);
  assert.equal(asked[0]?.cancelled, true);
  assert.deepEqual(dialed, ['10.0.0.9']);
  linkComes();
  assert.deepEqual(results, [success(large)]);
});

test('[R6940-6.5.1.2-08] the larger Node-ID refuses with Error_In_Progress and goes on', () => {
  const { asked, dialed, results, otherAsks, otherAnswers, linkComes } = scene(large, small);
  assert.equal(otherAsks(), errorCodes.inProgress);
  assert.equal(asked[0]?.cancelled, false);
  assert.deepEqual(dialed, []);
  otherAnswers();
  linkComes();
  assert.deepEqual(results, [success(small)]);
});

test('[R6940-6.5.1.2-04] an Attach that was answered already makes the other wait', () => {
  const { dialed, otherAsks, otherAnswers } = scene(small, large);
  otherAnswers();
  assert.equal(otherAsks(), errorCodes.inProgress);
  assert.deepEqual(dialed, []);
});

test('Error_In_Progress means that the other connects', () => {
  const { asked, results, linkComes } = scene(small, large);
  asked[0]?.done(
    failure({
      code: errorCodes.inProgress,
      reason: 'error-response',
      text: '',
      info: new Uint8Array(0),
      signer: large,
    }),
  );
  assert.equal(results.length, 0);
  linkComes();
  assert.deepEqual(results, [success(large)]);
});

test('an answerer that never connects fails the Attach in bounded time', () => {
  const { results, otherAnswers, advance } = scene(small, large);
  otherAnswers();
  advance(10_000);
  assert.equal(results.length, 1);
  assert.equal(results[0]?.ok, false);
});

test('[R6940-6.5.1.2-01] [R6940-6.5.1.2-02] what an Attach gets depends on our own Attach to its sender', () => {
  const accepted = 0;
  const cases = [
    { self: small, own: 'none', expected: accepted },
    { self: large, own: 'none', expected: accepted },
    { self: small, own: 'answered', expected: errorCodes.inProgress },
    { self: large, own: 'answered', expected: errorCodes.inProgress },
    { self: small, own: 'unanswered', expected: accepted },
    { self: large, own: 'unanswered', expected: errorCodes.inProgress },
  ];
  for (const { self, own, expected } of cases) {
    const world = scene(self, self === small ? large : small, own !== 'none');
    if (own === 'answered') world.otherAnswers();
    assert.equal(world.otherAsks(), expected, `${own} at ${self}`);
    assert.equal(world.dialed.length, expected === accepted ? 1 : 0);
  }
});

test('[R6940-6.5.1.11-02] [R6940-6.5.1.13-03] a connection of another member is not taken for that of the answerer', () => {
  const { results, otherAnswers, linkComes, advance } = scene(small, large);
  otherAnswers();
  linkComes('3'.repeat(32) as NodeId);
  assert.equal(results.length, 0);
  advance(10_000);
  assert.equal(results[0]?.ok, false);
});

test('of a certificate with several Node-IDs the one that answered the Attach is meant', () => {
  const { awaited, otherAnswers, linkComes } = scene(small, large);
  const third = '3'.repeat(32) as NodeId;
  assert.equal(awaited(third, large), undefined);
  otherAnswers();
  assert.equal(awaited(third, large), large);
  assert.equal(awaited(third), undefined);
  linkComes();
  assert.equal(awaited(third, large), undefined);
});
