import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import { idBytes, resourceIdOfName } from '../../../../src/base/ids.ts';
import { sha1 } from '../../../../src/base/hash.ts';
import { hexEncode, utf8Encode } from '../../../../src/base/text.ts';
import { tryDecode, encodeToBytes } from '../../../../src/wire/codec.ts';
import {
  chordLeaveData,
  chordUpdate,
  type ChordUpdate,
} from '../../../../src/wire/reload/chord.ts';
import { destination } from '../../../../src/wire/reload/destination.ts';

const node = (first: string): NodeId => first.padEnd(32, '1') as NodeId;
const [a, b, c] = [node('a'), node('b'), node('c')];
const list = (...ids: NodeId[]): string =>
  (ids.length * 16).toString(16).padStart(4, '0') + ids.join('');

test('[R6940-10.2-01] [R6940-10.2-02] a Resource-ID is the first 128 bits of the SHA-1 of the name', () => {
  const name = 'alice@example.org';
  const resource = resourceIdOfName(name);
  assert.equal(resource, hexEncode(sha1(utf8Encode(name))).slice(0, 32));
  const bytes = encodeToBytes(destination, { type: 'resource', resource });
  // Destination type 2, its length, then the ResourceId with a length byte of its own.
  assert.equal(hexEncode(bytes), `021110${resource}`);
});

test('[R6940-10.7-01] ChordUpdate: uptime, type 1 to 3, lists with 2-byte lengths', () => {
  const lists = { predecessors: [a], successors: [b, c] };
  const hex = (update: ChordUpdate): string => hexEncode(encodeToBytes(chordUpdate, update));
  assert.equal(hex({ uptime: 7, type: 'peerReady' }), '0000000701');
  const both = list(a) + list(b, c);
  assert.equal(hex({ uptime: 258, type: 'neighbors', ...lists }), `0000010202${both}`);
  assert.equal(
    hex({ uptime: 1, type: 'full', ...lists, fingers: [c] }),
    `0000000103${both}${list(c)}`,
  );
  for (const bad of [
    [0, 0, 0, 1, 4],
    [0, 0, 0, 1, 0],
    [0, 0, 0, 1],
    [0, 0, 0, 1, 1, 0],
  ]) {
    assert.equal(tryDecode(chordUpdate, Uint8Array.from(bad)).ok, false);
  }
});

test('[R6940-10.9-02] ChordLeaveData: 1 with successors, 2 with predecessors, a 2-byte length', () => {
  const hex = (data: Uint8Array): string => hexEncode(data);
  assert.equal(
    hex(encodeToBytes(chordLeaveData, { type: 'fromSucc', successors: [a, b] })),
    `01${list(a, b)}`,
  );
  assert.equal(
    hex(encodeToBytes(chordLeaveData, { type: 'fromPred', predecessors: [c] })),
    `02${list(c)}`,
  );
  const foreign = Uint8Array.from([3, 0, 16, ...idBytes(a)]);
  assert.equal(tryDecode(chordLeaveData, foreign).ok, false);
});
