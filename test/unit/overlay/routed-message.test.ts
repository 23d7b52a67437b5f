/** What is read of a message in transit: two bytes of its contents, and its lists. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import {
  hasDuplicates,
  headerForNextHop,
  isResponse,
  peekMessageCode,
  returnPath,
  timesPassed,
  type RoutedMessage,
} from '../../../src/overlay/routed-message.ts';
import { destinationKey, type Destination } from '../../../src/wire/reload/destination.ts';
import { decodeHeader, unfragmented } from '../../../src/wire/reload/header.ts';
import { idOf } from './support/parts.ts';

const [a, b, c, self] = ['1', '2', '3', '9'].map((digit): Destination => {
  return { type: 'node', nodeId: idOf(digit) };
}) as [Destination, Destination, Destination, Destination];
const opaque = (byte: number): Destination => ({ type: 'opaque', id: Uint8Array.of(byte, 1, 2) });

function message(body: Uint8Array, offset = 0, from?: string): RoutedMessage {
  const header = {
    overlay: 1,
    configurationSequence: 2,
    ttl: 7,
    fragment: offset === 0 ? unfragmented : { offset, last: true },
    transactionId: 3n,
    maxResponseLength: 0,
    viaList: [],
    destinationList: [a],
    options: [],
  };
  return { header, body, from: from === undefined ? undefined : idOf(from) };
}

test('the code is told by the first two bytes of a first fragment', () => {
  assert.equal(peekMessageCode(message(Uint8Array.of(1, 2, 3))), 0x0102);
  assert.equal(peekMessageCode(message(Uint8Array.of(0xff, 0xff))), 0xffff);
  for (const bytes of [[], [0xff]]) {
    assert.equal(peekMessageCode(message(Uint8Array.from(bytes))), undefined);
    assert.equal(isResponse(message(Uint8Array.from(bytes))), false);
  }
  assert.equal(peekMessageCode(message(Uint8Array.of(1, 2), 1)), undefined);
  assert.equal(isResponse(message(Uint8Array.of(0xff, 0xff), 1)), false);
  assert.equal(isResponse(message(Uint8Array.of(0xff, 0xff))), true);
});

test('how often a node was passed is the number of its entries', () => {
  const passed = (...viaList: Destination[]): number =>
    timesPassed(idOf('2'), { ...message(new Uint8Array()).header, viaList });
  assert.deepEqual([passed(), passed(a, c), passed(a, b), passed(b, a, b)], [0, 0, 1, 2]);
});

test('only what is not our own loses one of its TTL', () => {
  const ttlOf = (from?: string): number => {
    const sent = message(new Uint8Array(5), 0, from);
    const bytes = headerForNextHop(sent, [c], [b]);
    const { header } = decodeHeader(Buffer.concat([bytes, sent.body]));
    assert.deepEqual([header.viaList, header.destinationList], [[c], [b]]);
    return header.ttl;
  };
  assert.deepEqual([ttlOf(), ttlOf('2')], [7, 6]);
});

test('a list that names one thing twice is told, wherever it stands', () => {
  const twice = (...list: Destination[]): boolean => hasDuplicates(list, destinationKey);
  assert.deepEqual(
    [twice(), twice(a), twice(a, b), twice(opaque(1), opaque(2))].includes(true),
    false,
  );
  assert.deepEqual(
    [twice(a, a), twice(a, b, a), twice(opaque(1), opaque(1))].includes(false),
    false,
  );
});

test('the way back of a message of our own is this node; circles of opaque ids are cut as well', () => {
  const back = (viaList: readonly Destination[], from?: string) =>
    returnPath(idOf('9'), {
      ...message(new Uint8Array(), 0, from),
      header: { ...message(new Uint8Array()).header, viaList },
    });
  assert.deepEqual(back([]), [self]);
  assert.deepEqual(back([self, a], '2'), [self]);
  assert.deepEqual(back([a, opaque(1), b, opaque(1)], '3'), [c, opaque(1), a]);
  assert.deepEqual(back([a, b, c, b, c, a], '2'), [b, a]);
});
