/** Requests that end where they begin, and what a signature proves. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { utf8Decode } from '../../../src/base/text.ts';
import type { Certificate } from '../../../src/ports/certificates.ts';
import { type IncomingRequest } from '../../../src/overlay/incoming.ts';
import { createLocalRequests, type LocalAnswer } from '../../../src/overlay/local-requests.ts';
import { createMessageSecurity } from '../../../src/overlay/message-security.ts';
import type { Trust } from '../../../src/trust/trust.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { idOf } from './support/parts.ts';
import { createIdentity } from './support/fake-keys.ts';

const [self, hosted] = [idOf('5'), idOf('6')];

test('own requests that end here pass the same handlers, if the certificate is good', () => {
  const clock = createFakeClock();
  const identity = createIdentity(clock, [self], 'own');
  const user = createIdentity(clock, [hosted], 'user');
  const answers: LocalAnswer[] = [];
  const seen: IncomingRequest[] = [];
  let isMember = true;
  const ask = createLocalRequests({
    self,
    identity,
    security: {
      authenticate: (chain: readonly Certificate[]) =>
        isMember ? success(chain[0]?.nodeIds ?? []) : failure('expired'),
    } as never,
    handlers: () =>
      new Map([
        [
          messageCodes.pingReq,
          (request: IncomingRequest) => {
            seen.push(request);
            if (seen.length === 1) request.answer(Uint8Array.of(1));
            else request.refuse(9, 'no');
          },
        ],
      ]),
    later: (run) => void clock.after('later', 0, run),
  });
  const request = {
    destinations: [{ type: 'node', nodeId: self }],
    messageCode: messageCodes.pingReq,
    body: Uint8Array.of(5),
  } as const;
  const errorsOf = (wanted: Parameters<typeof ask>[0]): unknown => {
    answers.length = 0;
    ask(wanted, 4n, (answer) => answers.push(answer));
    assert.equal(answers.length, 0, 'never inside the call');
    clock.advance(0);
    return answers.map((answer) =>
      answer.kind === 'error' ? [answer.error.errorCode, utf8Decode(answer.error.errorInfo)] : 'ok',
    );
  };
  assert.deepEqual(errorsOf({ ...request, identity: user }), ['ok']);
  const [first] = seen;
  assert.ok(first);
  assert.deepEqual(
    [first.signer.nodeId, first.local, first.direct, first.transactionId],
    [hosted, true, false, 4n],
  );
  assert.deepEqual(first.destination, request.destinations[0]);
  assert.deepEqual(first.certificates, [user.certificate]);
  assert.deepEqual(errorsOf(request), [[9, 'no']]);
  assert.equal(seen[1]?.signer.nodeId, self);
  assert.deepEqual(errorsOf({ ...request, messageCode: messageCodes.findReq }), [
    [errorCodes.forbidden, 'unknown method'],
  ]);
  isMember = false;
  assert.deepEqual(errorsOf(request), [[errorCodes.forbidden, 'expired']]);
  assert.equal(seen.length, 2);
});

test('a signature that does not say which of several Node-IDs made it proves nobody', () => {
  const certificate = { nodeIds: [self, hosted] } as unknown as Certificate;
  const outcomes: unknown[] = [];
  const verified = (signerNodeId: NodeId | undefined): void => {
    const security = createMessageSecurity({
      verifyMessage: (_message: unknown, _block: unknown, done: (outcome: unknown) => void) =>
        done(success({ signer: certificate, signerNodeId, certificates: [] })),
    } as unknown as Trust);
    const payload = { contentsBytes: new Uint8Array(), security: {} } as never;
    security.verify({ overlay: 1, transactionId: 1n, payload }, (outcome) =>
      outcomes.push(outcome),
    );
  };
  verified(undefined);
  verified(hosted);
  assert.deepEqual(outcomes, [
    failure('which Node-ID signed is not said'),
    success({ signer: { nodeId: hosted, certificate }, certificates: [] }),
  ]);
  const checking = createMessageSecurity({
    checkMember: (leaf: Certificate, chain: readonly Certificate[]) =>
      chain.length === 1 && leaf === certificate ? success(undefined) : failure('no path'),
  } as unknown as Trust);
  assert.deepEqual(checking.authenticate([]), failure('no certificate'));
  assert.deepEqual(checking.authenticate([certificate]), failure('no path'));
  assert.deepEqual(checking.authenticate([certificate, certificate]), success([self, hosted]));
});
