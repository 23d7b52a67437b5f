import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import { success } from '../../../../src/base/outcome.ts';
import type { TopologyHost } from '../../../../src/topology/plugin.ts';
import { sayLeave, type Leaving } from '../../../../src/topology/chord/leave.ts';
import { createPeerTable } from '../../../../src/topology/chord/peers.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';

const idOf = (digit: string): NodeId => digit.repeat(32) as NodeId;
const [self, next, afterNext] = [idOf('1'), idOf('2'), idOf('3')];

/** A peer with two neighbors that answer nothing by themselves. */
function createWorld(): {
  readonly leaving: Leaving;
  readonly copies: { readonly target: NodeId; readonly done: () => void }[];
  /** Simulated milliseconds to the end; `undefined` while it goes on. */
  endedAtMs(): number | undefined;
  answer(id: NodeId): void;
  lose(id: NodeId): void;
  advance(ms: number): void;
} {
  let nowMs = 0;
  let endedMs: number | undefined;
  let timers: { atMs: number; fire: () => void }[] = [];
  const linked = new Set([next, afterNext]);
  const answers = new Map<NodeId, () => void>();
  const copies: { target: NodeId; done: () => void }[] = [];
  const host = {
    self,
    clock: {
      after(_name: string, delayMs: number, fire: () => void) {
        const timer = { atMs: nowMs + delayMs, fire };
        timers.push(timer);
        return { cancel: () => (timers = timers.filter((other) => other !== timer)) };
      },
    },
    linkedNodes: () => linked,
    isLinked: (id: NodeId) => linked.has(id),
    request(id: NodeId, code: number, _body: Uint8Array, done: (outcome: unknown) => void) {
      assert.equal(code, messageCodes.leaveReq);
      answers.set(id, () => done(success(new Uint8Array())));
    },
    copyRange(_range: unknown, target: NodeId, _replica: number, done: (o: unknown) => void) {
      copies.push({ target, done: () => done(success(undefined)) });
    },
  } as unknown as TopologyHost;
  const peers = createPeerTable(self);
  for (const id of linked) peers.add(id).heard = true;
  peers.touch();
  const leaving = sayLeave(host, peers, () => (endedMs = nowMs));
  return {
    leaving,
    copies,
    endedAtMs: () => endedMs,
    answer: (id) => answers.get(id)?.(),
    lose(id) {
      linked.delete(id);
      leaving.linkDown(id);
    },
    advance(ms) {
      const end = nowMs + ms;
      for (;;) {
        timers.sort((a, b) => a.atMs - b.atMs);
        const due = timers[0];
        if (due === undefined || due.atMs > end) break;
        timers.shift();
        nowMs = due.atMs;
        due.fire();
      }
      nowMs = end;
    },
  };
}

test('hands over to the successor once all have answered', () => {
  const world = createWorld();
  world.answer(next);
  assert.equal(world.copies.length, 0);
  world.answer(afterNext);
  assert.deepEqual(
    world.copies.map((copy) => copy.target),
    [next],
  );
  world.copies[0]?.done();
  assert.equal(world.endedAtMs(), 0);
});

test('neighbors that are gone are not waited for', () => {
  const world = createWorld();
  world.advance(10);
  world.lose(next);
  world.lose(afterNext);
  world.advance(0);
  assert.equal(world.endedAtMs(), 10);
  assert.deepEqual(world.copies, []);
});

test('a successor that goes during the hand-over is replaced by the one behind it', () => {
  const world = createWorld();
  world.answer(next);
  world.answer(afterNext);
  world.advance(10);
  world.lose(next);
  assert.deepEqual(
    world.copies.map((copy) => copy.target),
    [next, afterNext],
  );
  world.copies[0]?.done();
  assert.equal(world.endedAtMs(), undefined);
  world.copies[1]?.done();
  assert.equal(world.endedAtMs(), 10);
});

test('silent neighbors delay the end by a bounded time', () => {
  const world = createWorld();
  world.advance(10_000);
  assert.equal(world.endedAtMs(), 4000);
});
