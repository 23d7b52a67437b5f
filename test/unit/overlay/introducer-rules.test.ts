/** How two ends introduce themselves, with the connection, signatures and time played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { concatBytes } from '../../../src/base/bytes.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import { createIntroducer } from '../../../src/overlay/introduction.ts';
import type { Certificate } from '../../../src/ports/certificates.ts';
import type { SecureConnection } from '../../../src/ports/connection.ts';
import { encodeToBytes } from '../../../src/wire/codec.ts';
import { decodePayload, encodeContents } from '../../../src/wire/reload/contents.ts';
import { decodeFrame, encodeDataFrame } from '../../../src/wire/reload/framing.ts';
import {
  decodeHeader,
  encodeHeader,
  unfragmented,
  type ForwardingHeader,
} from '../../../src/wire/reload/header.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { pingReq } from '../../../src/wire/reload/ping.ts';
import { emptySignature, securityBlock } from '../../../src/wire/reload/security.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createIdentity } from './support/fake-keys.ts';
import { connectionOf, evenRandom, idOf, notedDialer } from './support/parts.ts';
import { testConfig } from './support/world.ts';

const [self, other] = [idOf('5'), idOf('8')];
const overlay = 7;
const binding = Uint8Array.of(1, 2, 3);
const block = encodeToBytes(securityBlock, { certificates: [], signature: emptySignature });
const theirs = { nodeIds: [other], fingerprint: 'theirs' } as unknown as Certificate;
const issuer = { nodeIds: [], fingerprint: 'issuer' } as unknown as Certificate;

function scene() {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const outcomes: Outcome<SecureConnection>[] = [];
  const verifications: (() => void)[] = [];
  const world = { isGood: true };
  const introducer = createIntroducer({
    identity: createIdentity(clock, [self], 'own'),
    clock,
    random: evenRandom,
    trace,
    config: () => testConfig,
    overlayHash: () => overlay,
    security: {
      sign: (_message, done) => void clock.after('sign', 1, () => done(block)),
      verify(_message, done) {
        verifications.push(() => {
          if (world.isGood) {
            const signer = { nodeId: other, certificate: theirs };
            done(success({ signer, certificates: [theirs, issuer] }));
          } else done(failure('wrong signature'));
        });
      },
    },
  });
  const dialer = notedDialer();
  return {
    clock,
    world,
    outcomes,
    verifications,
    introducer,
    dialer,
    refused: () => trace.count('overlay_introductions_refused_total'),
    introduce: (more: Partial<SecureConnection> = {}) => {
      const connection = connectionOf([], { sharedSecret: true, binding, peerChain: [], ...more });
      const abandon = introducer.introduce(connection, (outcome) => outcomes.push(outcome));
      return { connection, abandon };
    },
    errors: () => outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.error)),
  };
}

interface Greeting {
  readonly header?: Partial<ForwardingHeader>;
  readonly code?: number;
  readonly padding?: Uint8Array;
}

function greeting({ header, code = messageCodes.pingReq, padding = binding }: Greeting = {}) {
  const contents = encodeContents(code, encodeToBytes(pingReq, { padding }));
  const body = concatBytes([contents, block]);
  const head = encodeHeader(
    {
      overlay,
      configurationSequence: 1,
      ttl: 1,
      fragment: unfragmented,
      transactionId: 1n,
      maxResponseLength: 0,
      viaList: [],
      destinationList: [{ type: 'node', nodeId: idOf('f') }],
      options: [],
      ...header,
    },
    body.length,
  );
  return encodeDataFrame(0, head, body);
}

test('the greeting is the first frame: a signed Ping to the wildcard that holds the binding', () => {
  const { introduce, clock } = scene();
  const { connection } = introduce();
  assert.equal(connection.sent.length, 0);
  clock.advance(1);
  assert.equal(connection.sent.length, 1);
  const frame = decodeFrame(connection.sent[0] ?? new Uint8Array());
  assert.equal(frame.type, 'data');
  assert.equal(frame.sequence, 0);
  const { header, headerLength } = decodeHeader(frame.message);
  assert.deepEqual(
    [header.overlay, header.configurationSequence, header.ttl, header.maxResponseLength],
    [overlay, testConfig.sequence, testConfig.initialTtl, 0],
  );
  assert.deepEqual(header.destinationList, [{ type: 'node', nodeId: idOf('f') }]);
  assert.deepEqual([header.viaList, header.options], [[], []]);
  const { contents } = decodePayload(frame.message.subarray(headerLength));
  assert.equal(contents.messageCode, messageCodes.pingReq);
  assert.deepEqual(contents.messageBody, encodeToBytes(pingReq, { padding: binding }));
});

test('a proven connection has the chain of the signer, and its owner gets all that came, in order', () => {
  const { introduce, clock, outcomes, verifications, refused } = scene();
  const { connection } = introduce({ bufferedBytes: 9 });
  const hello = greeting();
  const more = Uint8Array.of(4);
  connection.handler?.data(hello.subarray(0, 5));
  connection.handler?.data(hello.subarray(5));
  connection.handler?.data(greeting({ padding: Uint8Array.of(9) }));
  assert.equal(verifications.length, 1, 'what comes after it is for the owner');
  verifications[0]?.();
  const [outcome] = outcomes;
  assert.ok(outcome?.ok);
  const proven = outcome.value;
  assert.deepEqual(proven.peerChain, [theirs, issuer]);
  assert.deepEqual(
    [proven.role, proven.sharedSecret, proven.framesSent, proven.bufferedBytes],
    ['server', true, 1, 9],
  );
  assert.deepEqual([proven.local, proven.remote], [connection.local, connection.remote]);
  const got: Uint8Array[] = [];
  const ended: string[] = [];
  let drained = 0;
  proven.setHandler({
    data: (bytes) => got.push(bytes),
    drained: () => drained++,
    closed: (reason) => ended.push(reason),
  });
  assert.equal(got.length, 0, 'never inside the call');
  clock.advance(0);
  assert.equal(got.length, 3);
  connection.handler?.data(more);
  assert.equal(got[3], more);
  connection.handler?.drained?.();
  assert.equal(drained, 1);
  connection.handler?.closed('gone');
  assert.deepEqual(ended, ['gone']);
  proven.send(more);
  proven.close('done');
  assert.deepEqual([connection.sent.at(-1), connection.closedFor], [more, ['done']]);
  clock.advance(limits.overlay.introductionMs);
  assert.deepEqual([outcomes.length, refused()], [1, 0]);
});

test('one that ends before its owner listens tells the owner afterwards', () => {
  const { introduce, clock, outcomes, verifications } = scene();
  const { connection } = introduce();
  connection.handler?.data(greeting());
  verifications[0]?.();
  connection.handler?.closed('gone');
  const [outcome] = outcomes;
  assert.ok(outcome?.ok);
  const events: string[] = [];
  outcome.value.setHandler({
    data: () => events.push('data'),
    closed: (reason) => events.push(reason),
  });
  clock.advance(0);
  assert.deepEqual(events, ['data', 'gone']);
});

test('what is no introduction on this connection ends it', () => {
  for (const [bytes, reason] of [
    [greeting({ header: { overlay: 8 } }), 'not an introduction on this connection'],
    [greeting({ code: messageCodes.pingAns }), 'not an introduction on this connection'],
    [greeting({ padding: Uint8Array.of(1, 2, 4) }), 'not an introduction on this connection'],
    [encodeDataFrame(0, Uint8Array.of(1)), 'malformed introduction'],
    [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), 'no frame'],
    [
      encodeDataFrame(0, new Uint8Array(limits.overlay.introductionBytes + 1)),
      'introduction too long',
    ],
  ] as const) {
    const { introduce, errors, refused, verifications } = scene();
    const { connection } = introduce();
    connection.handler?.data(bytes);
    assert.deepEqual([errors(), connection.closedFor], [[reason], [reason]]);
    assert.deepEqual([refused(), verifications.length], [1, 0]);
  }
  const forged = scene();
  forged.world.isGood = false;
  const { connection } = forged.introduce();
  connection.handler?.data(greeting());
  forged.verifications[0]?.();
  assert.deepEqual([forged.errors(), connection.closedFor.length], [['wrong signature'], 1]);
});

test('no more is held back than two introductions are long', () => {
  const { introduce, errors, verifications } = scene();
  const { connection } = introduce();
  const hello = greeting();
  connection.handler?.data(hello);
  const room = 2 * limits.overlay.introductionBytes - hello.length;
  connection.handler?.data(new Uint8Array(room));
  assert.deepEqual(errors(), []);
  connection.handler?.data(Uint8Array.of(1));
  assert.deepEqual(errors(), ['too much before the introduction']);
  verifications[0]?.();
  assert.equal(errors().length, 1, 'the signature comes too late');

  const proven = scene();
  const late = proven.introduce();
  late.connection.handler?.data(hello);
  proven.verifications[0]?.();
  late.connection.handler?.data(new Uint8Array(room + 1));
  assert.deepEqual(late.connection.closedFor, ['too much before the introduction']);
});

test('it must come in time, and what is over says nothing more', () => {
  const { introduce, clock, errors, refused } = scene();
  const { connection } = introduce();
  clock.advance(limits.overlay.introductionMs - 1);
  assert.deepEqual(errors(), []);
  clock.advance(1);
  assert.deepEqual(errors(), ['no introduction came']);
  assert.equal(connection.closedFor.length, 1);
  connection.handler?.closed('gone');
  assert.deepEqual([errors().length, refused()], [1, 1]);
  const lost = scene();
  lost.introduce().connection.handler?.closed('reset');
  assert.deepEqual([lost.errors(), lost.refused()], [['reset'], 1]);
  const given = scene();
  const { connection: early, abandon } = given.introduce();
  abandon();
  given.clock.advance(limits.overlay.introductionMs);
  assert.deepEqual([given.errors(), early.sent.length], [['abandoned'], 0]);
});

test('a connection with certificates needs none; one without anything to bind it is closed', () => {
  const { introduce, clock, errors, outcomes, refused } = scene();
  const { connection } = introduce({ sharedSecret: false });
  assert.ok(outcomes[0]?.ok === true && outcomes[0].value === connection);
  assert.equal(connection.handler, undefined);
  const bare = connectionOf([], { sharedSecret: true });
  const { introducer } = scene();
  const told: string[] = [];
  introducer.introduce(bare, (outcome) => told.push(outcome.ok ? 'ok' : outcome.error));
  assert.deepEqual([bare.closedFor.length, told], [1, []]);
  clock.advance(1);
  assert.deepEqual([errors(), refused()], [['ok'], 0]);
});

test('only so many are under way, and each end makes room', () => {
  const { introduce, clock, errors, refused, outcomes } = scene();
  const first = introduce();
  for (let i = 1; i < limits.overlay.introductions; i++) introduce();
  const more = introduce();
  assert.deepEqual([more.connection.closedFor.length, refused(), outcomes.length], [1, 1, 0]);
  clock.advance(0);
  assert.deepEqual(errors(), ['no introduction possible']);
  first.abandon();
  const next = introduce();
  assert.equal(next.connection.closedFor.length, 0);
});

test('a dialer introduces what it has dialed, and gives up whichever is under way', () => {
  const { introducer, dialer, verifications } = scene();
  const outcomes: Outcome<SecureConnection>[] = [];
  const target = { address: '10.0.0.8', port: 1 };
  const dial = () =>
    introducer.introducing(dialer).dial(target, 500, (outcome) => outcomes.push(outcome));
  dial()();
  assert.deepEqual([dialer.dials[0]?.abandoned, dialer.dials[0]?.timeoutMs], [true, 500]);
  dial();
  dialer.dials[1]?.done(failure('refused'));
  assert.deepEqual(outcomes, [failure('refused')]);
  const abandon = dial();
  const connection = connectionOf([], { sharedSecret: true, binding });
  dialer.dials[2]?.done(success(connection));
  abandon();
  assert.deepEqual(connection.closedFor, ['abandoned']);
  dial();
  const good = connectionOf([], { sharedSecret: true, binding });
  dialer.dials[3]?.done(success(good));
  good.handler?.data(greeting());
  verifications[0]?.();
  assert.equal(outcomes.at(-1)?.ok, true);
});
