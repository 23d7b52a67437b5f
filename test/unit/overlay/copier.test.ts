/** What happens when a copy meets newer data. RFC 6940 §7.4.1.1. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { failure, success } from '../../../src/base/outcome.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createCopier } from '../../../src/overlay/copier.ts';
import type { OutgoingRequest, RequestOutcome } from '../../../src/overlay/transactions.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { fetchAns, fetchReq, storeReq } from '../../../src/wire/reload/storage.ts';
import { emptyBytes } from '../../../src/base/bytes.ts';
import * as storage from '../storage/world.ts';

const target = storage.node('c1');

for (const [name, code] of [
  ['Error_Data_Too_Old', errorCodes.dataTooOld],
  ['Error_Generation_Counter_Too_Low', errorCodes.generationCounterTooLow],
] as const) {
  test(`[R6940-7.4.1.1-27] after ${name} the newer data of the other peer replace the own copy`, () => {
    const theirs = storage.createWorld();
    const kind = storage.dictionaryKind;
    const { alice, startMs } = storage;
    for (let i = 0; i < 3; i++) {
      const text = `newer ${i}`;
      const at = startMs + 1000 * i;
      storage.accepted(storage.storeOne(theirs, { kind, text, storageTime: at + 5000 }));
    }
    const mine = storage.createWorld();
    storage.accepted(storage.storeOne(mine, { kind, text: 'old', storageTime: startMs }));

    const sent: OutgoingRequest[] = [];
    const outcomes: boolean[] = [];
    const copier = createCopier({
      trace: silentTrace,
      storage: mine.storage,
      kinds: mine.kinds,
      transactions: {
        request(request: OutgoingRequest, done: (outcome: RequestOutcome) => void) {
          sent.push(request);
          mine.clock.after('answer', 1, () => done(answer(request)));
          return () => undefined;
        },
      } as never,
      later: (run) => mine.clock.after('later', 0, run),
    });

    function answer(request: OutgoingRequest): RequestOutcome {
      if (request.messageCode === messageCodes.storeReq) {
        const reason = 'error-response' as const;
        return failure({ code, reason, text: name, info: emptyBytes, signer: target });
      }
      const fetched = theirs.storage.fetch(decodeExact(fetchReq, request.body));
      assert.ok(fetched.ok);
      const { certificates } = fetched.value;
      const signer = { nodeId: target, certificate: alice.certificate };
      const body = encodeToBytes(fetchAns, fetched.value.answer);
      return success({ signer, body, extensions: [], certificates, roundTripMs: 1 });
    }

    copier.copy(storage.aliceResource, target, 1, (copied) => outcomes.push(copied));
    mine.clock.advance(100);
    assert.deepEqual(outcomes, [true]);
    const destinations = [{ type: 'node', nodeId: target }];
    assert.deepEqual(
      sent.map((request) => [request.messageCode, request.destinations]),
      [
        [messageCodes.storeReq, destinations],
        [messageCodes.fetchReq, destinations],
      ],
    );
    assert.equal(decodeExact(storeReq, sent[0]?.body ?? emptyBytes).replicaNumber, 1);
    assert.deepEqual(storage.texts(mine, kind), ['newer 2']);
    assert.equal(storage.fetch(mine, kind).generation, storage.fetch(theirs, kind).generation);
  });
}
