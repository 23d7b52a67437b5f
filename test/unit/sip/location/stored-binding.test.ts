import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Decode, utf8Encode } from '../../../../src/base/text.ts';
import type { Binding } from '../../../../src/sip/location/binding.ts';
import { decodeBindings, encodeBindings } from '../../../../src/sip/location/stored-binding.ts';

const full: Binding = {
  contact: 'sip:alice@192.0.2.10',
  instance: 'urn:x',
  regId: 2,
  q: 250,
  expiresAtMs: 5_000,
  callId: 'call',
  cseq: 7,
  receivedAddress: '192.0.2.11',
  receivedPort: 5062,
  transport: 'udp',
  listener: 'lan',
  flowId: 'udp:1',
  flowDead: false,
  direct: { transport: 'tcp', port: 5070 },
  path: ['<sip:p;lr>', '<sip:q;lr>'],
  userAgent: 'ö',
  parameters: ';audio',
  lastRefreshMs: 4_000,
  gruuEpochMs: 3_000,
  nat: true,
};

const bare: Binding = {
  ...full,
  instance: undefined,
  regId: undefined,
  direct: undefined,
  path: [],
  gruuEpochMs: undefined,
  nat: false,
};

/** The stored value with one cell of its only row changed. */
function withCell(index: number, value: unknown): Uint8Array {
  const [version, slack, rows] = JSON.parse(utf8Decode(encodeBindings([full], 0)) ?? '') as [
    number,
    number,
    [unknown[]],
  ];
  rows[0][index] = value;
  return utf8Encode(JSON.stringify([version, slack, rows]));
}

test('what is written is read back, later by the slack', () => {
  assert.deepEqual(decodeBindings(encodeBindings([full, bare], 0)), [full, bare]);
  assert.deepEqual(decodeBindings(encodeBindings([], 9)), []);
  const late = decodeBindings(encodeBindings([full], 100));
  assert.deepEqual(late, [{ ...full, expiresAtMs: 5_100 }]);
});

test('flows of streams are gone after a restart, those of datagrams are not', () => {
  for (const transport of ['udp', 'tcp', 'tls', 'ws', 'wss'] as const) {
    const read = decodeBindings(encodeBindings([{ ...full, transport }], 0));
    assert.deepEqual(
      read?.map((b) => [b.transport, b.flowDead]),
      [[transport, transport !== 'udp']],
    );
  }
  for (const transport of ['udp', 'tcp', 'tls'] as const) {
    const direct = { transport, port: 1 };
    assert.deepEqual(decodeBindings(encodeBindings([{ ...full, direct }], 0))?.[0]?.direct, direct);
  }
});

test('rows of versions 1 and 2 are still read', () => {
  const rowOf = (binding: Binding): unknown[] =>
    (JSON.parse(utf8Decode(encodeBindings([binding], 0)) ?? '') as [0, 0, [unknown[]]])[2][0];
  const stored = (version: number, length: number, binding: Binding): Uint8Array =>
    utf8Encode(JSON.stringify([version, 0, [rowOf(binding).slice(0, length)]]));
  const old = { direct: undefined, nat: false, gruuEpochMs: full.lastRefreshMs };
  assert.deepEqual(decodeBindings(stored(1, 16, full)), [{ ...full, ...old }]);
  assert.deepEqual(decodeBindings(stored(2, 18, full)), [
    { ...full, nat: false, gruuEpochMs: full.lastRefreshMs },
  ]);
  assert.equal(decodeBindings(stored(1, 16, bare))?.[0]?.gruuEpochMs, undefined);
  for (const [version, length] of [
    [1, 15],
    [1, 18],
    [2, 16],
    [2, 20],
    [3, 18],
    [4, 20],
    [0, 20],
  ] as const) {
    assert.equal(decodeBindings(stored(version, length, full)), undefined, String(version));
  }
});

test('damaged bytes are refused as a whole', () => {
  const texts = [
    '',
    '{}',
    '1',
    'null',
    '[3,0]',
    '[3,"0",[]]',
    '[3,0,{}]',
    '[3,0,[1]]',
    '[3,0,[[]]]',
  ];
  for (const text of texts) assert.equal(decodeBindings(utf8Encode(text)), undefined, text);
  assert.equal(decodeBindings(Uint8Array.of(0xff)), undefined);
  for (const cell of [0, 5, 7, 9, 10, 11, 13, 14]) {
    assert.equal(decodeBindings(withCell(cell, 1)), undefined, String(cell));
  }
  for (const cell of [3, 4, 6, 8, 15]) {
    assert.equal(decodeBindings(withCell(cell, 'x')), undefined, String(cell));
  }
  for (const [cell, value] of [
    [9, 'sctp'],
    [12, 'x'],
    [12, ['a', 1]],
  ] as const) {
    assert.equal(decodeBindings(withCell(cell, value)), undefined);
  }
});

test('cells that may be missing count only when they are what they should be', () => {
  const read = (cell: number, value: unknown) => decodeBindings(withCell(cell, value))?.[0];
  assert.deepEqual([read(1, 7)?.instance, read(1, 7)?.gruuEpochMs], [undefined, undefined]);
  assert.equal(read(2, 'x')?.regId, undefined);
  assert.equal(read(16, 'ws')?.direct, undefined);
  assert.equal(read(17, 'x')?.direct, undefined);
  assert.equal(read(18, 'x')?.gruuEpochMs, full.lastRefreshMs);
  assert.equal(read(19, 1)?.nat, false);
});
