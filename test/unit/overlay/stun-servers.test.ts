import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { createStunServers } from '../../../src/overlay/stun-servers.ts';
import type { IcePath } from '../../../src/link/ice/types.ts';
import { createFakeConnection } from '../link/fakes.ts';

const node = (digit: string): NodeId => digit.repeat(32) as NodeId;
const local = { address: '10.0.0.1', port: 1000 };

/** A path to a peer at that port, which sees this node at an address. */
function path(port: number, seenAs: string | undefined, relayed = false): IcePath {
  return {
    local,
    remote: { address: '198.51.100.7', port },
    relayed,
    reflexive: seenAs === undefined ? undefined : { address: seenAs, port: 5000 + port },
    rttMs: 10,
  };
}

test('[R6940-6.5.1.4-01] [R6940-6.5.1.4-02] of the peers that see this node at one address, one is asked', () => {
  const servers = createStunServers();
  servers.pathFound(node('1'), path(1, '192.0.2.1'));
  servers.pathFound(node('2'), path(2, '203.0.113.1'));
  servers.pathFound(node('3'), path(3, '192.0.2.1'));
  servers.pathFound(node('4'), path(4, undefined));
  servers.pathFound(node('5'), path(5, '203.0.113.1'));
  assert.deepEqual(
    servers.servers().map(({ port }) => port),
    [1, 2, 4],
  );
});

test('[R6940-6.5.1.4-04] [R6940-6.5.1.4-05] a lost server is removed and replaced from its group, else by any other peer', () => {
  const servers = createStunServers();
  servers.pathFound(node('1'), path(1, '192.0.2.1'));
  servers.pathFound(node('2'), path(2, '192.0.2.1'));
  servers.pathFound(node('3'), path(3, '203.0.113.1'));
  const ports = (): number[] => servers.servers().map(({ port }) => port);
  assert.deepEqual(ports(), [1, 3]);
  servers.linkDown(node('1'));
  assert.deepEqual(ports(), [2, 3]);
  servers.linkDown(node('2'));
  assert.deepEqual(ports(), [3]);
  servers.linkDown(node('3'));
  servers.linkDown(node('3'));
  assert.deepEqual(ports(), []);
});

test('[R6940-6.5.1.4-03] only linked peers are asked: those dialed over DTLS where they were dialed, relayed ones not', () => {
  const servers = createStunServers();
  const dialed = { ...createFakeConnection(), datagramBytes: 1163 };
  servers.linkUp(node('1'), dialed);
  servers.linkUp(node('2'), { ...dialed, role: 'server' });
  servers.linkUp(node('3'), createFakeConnection());
  servers.linkUp(node('4'), { ...dialed, stunRttMs: 5 });
  servers.pathFound(node('5'), path(5, '192.0.2.1', true));
  assert.deepEqual(servers.servers(), [dialed.remote]);
  servers.linkDown(node('1'));
  assert.deepEqual(servers.servers(), []);
});

test('no more are asked than an agent asks', () => {
  const servers = createStunServers();
  for (let i = 0; i < 16; i++) {
    servers.pathFound(node(i.toString(16)), path(i + 1, `192.0.2.${String(i)}`));
  }
  assert.equal(servers.servers().length, limits.ice.stunServers);
});
