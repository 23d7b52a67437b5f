/** Forming, ordering and scheduling of the check list. RFC 5245 §5.7, §5.8. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import type { IceCandidate } from '../../../../src/wire/reload/ice-candidate.ts';
import {
  candidatePriority,
  fromWire,
  toWire,
  type Base,
  type CandidateType,
  type LocalCandidate,
  type RemoteCandidate,
} from '../../../../src/link/ice/candidates.ts';
import { createCheckList, pairPriority, type Pair } from '../../../../src/link/ice/check-list.ts';
import type { IceRole } from '../../../../src/link/ice/types.ts';

function base(address: string, relayed = false): Base {
  return {
    address: { address, port: 1000 },
    relayed,
    place: 0,
    send: () => undefined,
    settle: () => undefined,
    close: () => undefined,
  };
}

function local(type: CandidateType, of: Base, foundation: string, place = 0): LocalCandidate {
  return {
    type,
    address: of.address,
    base: of,
    related: of.address,
    foundation,
    priority: candidatePriority(type, place),
  };
}

function remote(
  type: CandidateType,
  address: string,
  foundation: string,
  place = 0,
): RemoteCandidate {
  const priority = candidatePriority(type, place);
  return { type, address: { address, port: 2000 }, foundation, priority };
}

const name = (pair: Pair | undefined): string | undefined =>
  pair && `${pair.local.type} ${pair.remote.type} ${pair.remote.address.address}`;

test('[R6940-6.5.1.10.1-01] pair priorities are those of RFC 5245 §5.7.2, the same at both ends', () => {
  const low = { priority: 1 };
  const high = { priority: 2 };
  // 2^32 * MIN(G,D) + 2 * MAX(G,D) + (G > D ? 1 : 0)
  assert.equal(pairPriority('controlling', low, high), 2n ** 32n + 4n);
  assert.equal(pairPriority('controlling', high, low), 2n ** 32n + 5n);
  assert.equal(pairPriority('controlled', high, low), 2n ** 32n + 4n);
  assert.equal(pairPriority('controlled', low, high), 2n ** 32n + 5n);
  const most = { priority: 2 ** 32 - 1 };
  assert.equal(pairPriority('controlling', most, most), (2n ** 32n - 1n) * (2n ** 32n + 2n));
});

test('[R6940-6.5.1.10.1-01] candidates of one family are paired, reflexive ones pruned to their base', () => {
  const list = createCheckList(() => 'controlling');
  const host = base('192.0.2.1');
  const host6 = base('2001:db8::1');
  const relay = base('203.0.113.1', true);
  list.form(
    [
      local('host', host, '1'),
      local('host', host6, '2', 1),
      local('srflx', host, '3'),
      local('relay', relay, '4'),
    ],
    [remote('host', '192.0.2.9', 'a'), remote('srflx', '2001:db8::9', 'b')],
  );
  assert.deepEqual(list.pairs.map(name), [
    'host host 192.0.2.9',
    'host srflx 2001:db8::9',
    'relay host 192.0.2.9',
  ]);
});

test('[R6940-6.5.1.10.1-01] one pair of each foundation waits, the others are frozen until it succeeds', () => {
  const list = createCheckList(() => 'controlling');
  const host = base('192.0.2.1');
  list.form(
    [local('host', host, '1')],
    [
      remote('host', '192.0.2.9', 'a', 2),
      remote('host', '192.0.2.8', 'a', 1),
      remote('srflx', '192.0.2.7', 'b'),
    ],
  );
  const states = (): readonly string[] => list.pairs.map(({ state }) => state);
  assert.deepEqual(list.pairs.map(name), [
    'host host 192.0.2.8',
    'host host 192.0.2.9',
    'host srflx 192.0.2.7',
  ]);
  assert.deepEqual(states(), ['waiting', 'frozen', 'waiting']);
  list.unfreeze('1:b');
  assert.deepEqual(states(), ['waiting', 'frozen', 'waiting']);
  list.unfreeze('1:a');
  assert.deepEqual(states(), ['waiting', 'waiting', 'waiting']);
});

test('[R6940-6.5.1.10.1-01] triggered checks first, then the best waiting pair, then the best frozen one', () => {
  const list = createCheckList(() => 'controlling');
  list.form(
    [local('host', base('192.0.2.1'), '1')],
    [
      remote('host', '192.0.2.6', 'a'),
      remote('host', '192.0.2.7', 'a', 1),
      remote('host', '192.0.2.8', 'a', 2),
      remote('srflx', '192.0.2.9', 'b'),
    ],
  );
  const [, second, third, fourth] = list.pairs;
  list.trigger(third!);
  list.trigger(fourth!);
  list.trigger(third!);
  const order: (string | undefined)[] = [];
  for (let pair = list.next(); pair !== undefined; pair = list.next()) {
    pair.state = 'in-progress';
    order.push(pair.remote.address.address);
  }
  assert.deepEqual(order, ['192.0.2.8', '192.0.2.9', '192.0.2.6', '192.0.2.7']);
  assert.equal(second!.state, 'in-progress');
});

test('a triggered pair that succeeded meanwhile is not checked again, unless to nominate it', () => {
  const list = createCheckList(() => 'controlling');
  list.form([local('host', base('192.0.2.1'), '1')], [remote('host', '192.0.2.9', 'a')]);
  const [pair] = list.pairs;
  list.trigger(pair!);
  pair!.state = 'succeeded';
  assert.equal(list.next(), undefined);
  list.trigger(pair!);
  pair!.state = 'succeeded';
  pair!.nominated = true;
  assert.equal(list.next(), pair);
});

test('the list is bounded: the best hundred pairs stay', () => {
  const list = createCheckList(() => 'controlled');
  const locals = Array.from({ length: 8 }, (_, i) =>
    local('host', base(`192.0.2.${i}`), String(i), i),
  );
  const remotes = Array.from({ length: 32 }, (_, i) => remote('host', `198.51.100.${i}`, 'a', i));
  list.form(locals, remotes);
  assert.equal(list.pairs.length, limits.ice.pairs);
  const places = list.pairs.map((pair) => remotes.indexOf(pair.remote));
  assert.ok(Math.max(...places) <= 13);
});

test('a change of roles changes the order', () => {
  let role: IceRole = 'controlling';
  const list = createCheckList(() => role);
  const one = { ...local('host', base('192.0.2.1'), '1'), priority: 10 };
  const two = { ...local('host', base('192.0.2.2'), '2'), priority: 20 };
  list.form(
    [one, two],
    [
      { ...remote('host', '192.0.2.8', 'a'), priority: 20 },
      { ...remote('host', '192.0.2.9', 'b'), priority: 10 },
    ],
  );
  const crossed = (): string =>
    ['1:a', '2:b'].toSorted((x, y) => {
      const priorityOf = (foundation: string): bigint => {
        const pair = list.pairs.find((p) => p.foundation === foundation)!;
        return pairPriority(role, pair.local, pair.remote);
      };
      return priorityOf(x) < priorityOf(y) ? 1 : -1;
    })[0]!;
  assert.equal(crossed(), '2:b');
  role = 'controlled';
  assert.equal(crossed(), '1:a');
});

test('[R6940-6.5.1.1-06] candidates have no component on the wire and come back as component 1', () => {
  const host = base('192.0.2.1');
  const reflexive = { ...local('srflx', host, '7'), address: { address: '198.51.100.1', port: 9 } };
  const wire = toWire(reflexive)!;
  assert.deepEqual(wire, {
    type: 'srflx',
    addrPort: { type: 'ipv4', address: '198.51.100.1', port: 9 },
    overlayLink: 'DTLS-UDP-SR',
    foundation: '7',
    priority: candidatePriority('srflx', 0),
    extensions: [],
    relAddrPort: { type: 'ipv4', address: '192.0.2.1', port: 1000 },
  } satisfies IceCandidate);
  // RFC 8445 §5.1.2.1: the lowest byte of a priority is 256 less the component.
  assert.equal(256 - (wire.priority & 0xff), 1);
  const { address, foundation, priority, type } = fromWire([wire])[0]!;
  assert.deepEqual(
    [address, foundation, priority, type],
    [reflexive.address, '7', wire.priority, 'srflx'],
  );
  assert.equal(toWire({ ...reflexive, type: 'prflx' }), undefined);
});

test('candidates of the far end: each address once, the best first, bounded', () => {
  const wire = (address: string, priority: number): IceCandidate => ({
    type: 'host',
    addrPort: { type: 'ipv4', address, port: 5 },
    overlayLink: 'DTLS-UDP-SR',
    foundation: 'a',
    priority,
    extensions: [],
  });
  const read = fromWire([wire('192.0.2.1', 5), wire('192.0.2.2', 9), wire('192.0.2.1', 7)]);
  assert.deepEqual(
    read.map(({ address, priority }) => `${address.address} ${priority}`),
    ['192.0.2.2 9', '192.0.2.1 7'],
  );
  const many = Array.from({ length: 64 }, (_, i) => wire(`192.0.2.${i}`, i));
  const kept = fromWire(many);
  assert.equal(kept.length, limits.ice.remoteCandidates);
  assert.equal(kept[0]!.priority, 63);
});
