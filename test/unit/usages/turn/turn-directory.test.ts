import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../../src/base/ids.ts';
import { limits } from '../../../../src/base/limits.ts';
import { createTurnDirectory } from '../../../../src/usages/turn/turn-directory.ts';
import type { FoundServer } from '../../../../src/usages/turn/turn-service.ts';
import { createClock } from '../../adapter/support/world.ts';

const { knownServers, researchMs, retryMs } = limits.usagesTurn;
const at = (address: string): FoundServer => ({
  nodeId: '1f6c0603327d4df6c49f75cd411d2e16' as NodeId,
  address,
  port: 3478,
});

/** Searches that the test answers. */
function scene() {
  const clock = createClock();
  const asked: ((found: FoundServer | undefined) => void)[] = [];
  const directory = createTurnDirectory({
    clock,
    service: { find: (done) => void asked.push(done) },
  });
  return {
    clock,
    asked,
    directory,
    answer: (address: string | undefined) =>
      asked.shift()?.(address === undefined ? undefined : at(address)),
    known: () => directory.servers().map(({ address }) => address),
  };
}

test('[R6940-9-07] two different servers are looked for, each kept once', () => {
  const { directory, asked, answer, known } = scene();
  directory.search();
  directory.search();
  assert.equal(asked.length, 1, 'one search at a time');
  answer('192.0.2.1');
  assert.deepEqual(known(), [], 'not before the end');
  answer('192.0.2.2');
  assert.deepEqual(known(), ['192.0.2.1', '192.0.2.2']);
  assert.equal(asked.length, 0);
  assert.equal(knownServers, 2);

  const same = scene();
  same.directory.search();
  same.answer('192.0.2.1');
  same.answer('192.0.2.1');
  assert.deepEqual(same.known(), ['192.0.2.1']);
});

test('found servers are looked for again at intervals and replaced by what is found then', () => {
  const { directory, asked, answer, known, clock } = scene();
  directory.search();
  answer('192.0.2.1');
  answer(undefined);
  assert.deepEqual(known(), ['192.0.2.1']);
  clock.run(researchMs - 1);
  assert.equal(asked.length, 0);
  clock.run(1);
  assert.equal(asked.length, 1);
  answer('192.0.2.9');
  answer('192.0.2.8');
  assert.deepEqual(known(), ['192.0.2.9', '192.0.2.8']);
});

test('a search that finds nobody keeps what was known and is repeated sooner', () => {
  const { directory, asked, answer, known, clock } = scene();
  directory.search();
  answer('192.0.2.1');
  answer(undefined);
  clock.run(researchMs);
  answer(undefined);
  assert.deepEqual([known(), asked.length], [['192.0.2.1'], 0]);
  clock.run(retryMs);
  assert.equal(asked.length, 1);
});

test('joining again looks at once; after the end nothing happens', () => {
  const { directory, asked, answer, known, clock } = scene();
  directory.search();
  answer(undefined);
  clock.run(1000);
  directory.search();
  assert.equal(asked.length, 1);
  directory.stop();
  answer('192.0.2.1');
  clock.run(10 * researchMs);
  assert.deepEqual([known(), asked.length], [[], 0]);
});
