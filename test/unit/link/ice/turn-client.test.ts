import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import {
  createTurnClient,
  type Allocation,
  type TurnClient,
} from '../../../../src/link/ice/turn-client.ts';
import type { TransportAddress } from '../../../../src/ports/connection.ts';
import type { DatagramSocket } from '../../../../src/ports/datagram.ts';
import { datagramKind } from '../../../../src/wire/stun/demultiplex.ts';
import { decodeStun, encodeStun } from '../../../../src/wire/stun/message.ts';
import { startServers, turnAddress, turnUser } from './support/agents.ts';
import {
  createNetwork,
  createSeededRandom,
  createSimulatedClock,
  type Network,
  type NetworkOptions,
  type SimulatedClock,
} from './support/network.ts';
import { startTurnServer, type TestTurnServer } from './support/turn-server.ts';

interface Bench {
  readonly clock: SimulatedClock;
  readonly network: Network;
  readonly turn: TestTurnServer;
  readonly client: TurnClient;
  readonly own: DatagramSocket;
  /** Who talks to the relay. */
  readonly peer: DatagramSocket;
  readonly atPeer: string[];
  readonly atClient: string[];
  allocation: Allocation | undefined;
  failure: string | undefined;
  lost: string | undefined;
}

function bench(options: NetworkOptions = {}, password = 'secret'): Bench {
  const clock = createSimulatedClock();
  const network = createNetwork(clock, options);
  const turn = startServers(clock, network);
  const atPeer: string[] = [];
  const atClient: string[] = [];
  const sockets: DatagramSocket[] = [];
  const open = (
    address: string,
    received: (bytes: Uint8Array, from: TransportAddress) => void,
  ): void => {
    network.host().open({ address, port: 0 }, { received }, (outcome) => {
      assert.ok(outcome.ok);
      sockets.push(outcome.value);
    });
  };
  open('192.0.2.1', (bytes, from) => {
    if (from.port === client.server.port) client.receive(bytes);
  });
  open('192.0.2.9', (bytes, from) =>
    atPeer.push(`${from.address} ${Buffer.from(bytes).toString()}`),
  );
  clock.advance(1);
  const [own, peer] = sockets as [DatagramSocket, DatagramSocket];
  const client = createTurnClient({
    clock,
    random: createSeededRandom('turn'),
    server: { ...turnUser, password },
    family: 'ipv4',
    transmit: (bytes, to) => own.send(bytes, to),
    events: {
      data: (bytes, from) => atClient.push(`${from.address} ${Buffer.from(bytes).toString()}`),
      lost: (reason) => {
        it.lost = reason;
      },
    },
  });
  const it: Bench = {
    ...{ clock, network, turn, client, own, peer, atPeer, atClient },
    allocation: undefined,
    failure: undefined,
    lost: undefined,
  };
  return it;
}

function allocate(it: Bench): void {
  it.client.allocate((outcome) => {
    if (outcome.ok) it.allocation = outcome.value;
    else it.failure = outcome.error;
  });
  it.clock.advance(1000);
}

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

test('an allocation with long-term credentials: unsigned first, then with realm and nonce', () => {
  const it = bench();
  allocate(it);
  assert.equal(it.allocation?.relayed.address, turnAddress.address);
  assert.deepEqual(it.allocation.mapped, it.own.local);
  assert.equal(it.turn.seen.get('allocate'), 2);
  assert.equal(it.turn.allocations, 1);
});

test('data through the relay waits for the permission, both ways', () => {
  const it = bench();
  allocate(it);
  it.peer.send(bytes('too early'), it.allocation!.relayed);
  it.clock.advance(100);
  assert.deepEqual(it.atClient, []);
  it.client.send(bytes('one'), it.peer.local);
  it.client.send(bytes('two'), it.peer.local);
  it.clock.advance(100);
  assert.deepEqual(it.atPeer, ['203.0.113.20 one', '203.0.113.20 two']);
  it.peer.send(bytes('answer'), it.allocation!.relayed);
  it.clock.advance(100);
  assert.deepEqual(it.atClient, ['192.0.2.9 answer']);
  assert.equal(it.turn.seen.get('createPermission'), 1);
});

test('a settled peer gets a channel, whose data has four bytes of overhead', () => {
  const it = bench();
  allocate(it);
  it.client.settle(it.peer.local);
  it.clock.advance(100);
  it.network.tap.length = 0;
  it.client.send(bytes('hello'), it.peer.local);
  it.peer.send(bytes('answer'), it.allocation!.relayed);
  it.clock.advance(100);
  const relayed = it.network.tap.filter(({ bytes: b }) => datagramKind(b) === 'channel-data');
  assert.deepEqual(
    relayed.map(({ bytes: b }) => b.length),
    [4 + 5, 4 + 6],
  );
  assert.deepEqual(it.atPeer, ['203.0.113.20 hello']);
  assert.deepEqual(it.atClient, ['192.0.2.9 answer']);
});

test('data before the answer to ChannelBind goes as indications, and none of it is lost', () => {
  const it = bench();
  allocate(it);
  it.client.settle(it.peer.local);
  for (const text of ['a', 'b', 'c']) it.client.send(bytes(text), it.peer.local);
  it.clock.advance(200);
  assert.deepEqual(it.atPeer, ['203.0.113.20 a', '203.0.113.20 b', '203.0.113.20 c']);
});

test('allocation, permission and channel are renewed for hours', () => {
  const it = bench();
  allocate(it);
  it.client.settle(it.peer.local);
  for (let minute = 0; minute < 180; minute++) {
    it.clock.advance(60_000);
    it.client.send(bytes(String(minute)), it.peer.local);
    it.peer.send(bytes(String(minute)), it.allocation!.relayed);
  }
  it.clock.advance(100);
  assert.equal(it.atPeer.length, 180);
  assert.equal(it.atClient.length, 180);
  assert.equal(it.lost, undefined);
});

test('permissions without a channel are renewed too', () => {
  const it = bench();
  allocate(it);
  it.client.send(bytes('first'), it.peer.local);
  it.clock.advance(1_500_000);
  it.peer.send(bytes('late'), it.allocation!.relayed);
  it.clock.advance(100);
  assert.deepEqual(it.atClient, ['192.0.2.9 late']);
});

test('a stale nonce is taken over and the request repeated', () => {
  const it = bench();
  allocate(it);
  it.client.settle(it.peer.local);
  it.clock.advance(100);
  for (let i = 0; i < 20; i++) {
    it.turn.newNonce();
    it.clock.advance(120_000);
  }
  it.client.send(bytes('still'), it.peer.local);
  it.clock.advance(100);
  assert.deepEqual(it.atPeer, ['203.0.113.20 still']);
  assert.equal(it.lost, undefined);
});

test('loss: requests are repeated', () => {
  for (let i = 0; i < 10; i++) {
    const it = bench({ loss: 0.3, seed: `turn ${i}` });
    allocate(it);
    it.clock.advance(20_000);
    assert.ok(it.allocation !== undefined, `seed ${i}: ${String(it.failure)}`);
  }
});

test('a server that forgot the allocation is noticed at the next refresh', () => {
  const it = bench();
  allocate(it);
  it.turn.restart();
  it.clock.advance(600_000);
  assert.equal(it.lost, 'TURN error 437');
  assert.equal(it.clock.pending, 0);
});

test('wrong credentials end with an error, after one repetition', () => {
  const it = bench({}, 'guess');
  allocate(it);
  assert.equal(it.failure, 'TURN error 401');
  assert.equal(it.turn.seen.get('allocate'), 2);
});

test('a silent server is given up', () => {
  const it = bench();
  it.network.drop = () => true;
  allocate(it);
  assert.equal(it.failure, undefined);
  it.clock.advance(60_000);
  assert.equal(it.failure, 'no answer');
});

test('another server is tried once when the first one sends us there', () => {
  const it = bench();
  const elsewhere = { address: '203.0.113.30', port: 3478 };
  const other = startTurnServer(it.clock, it.network.host(), elsewhere, { peer: 'secret' });
  it.turn.alternate = elsewhere;
  allocate(it);
  assert.equal(it.allocation?.relayed.address, elsewhere.address);
  assert.equal(other.allocations, 1);

  const circle = bench();
  const second = startTurnServer(circle.clock, circle.network.host(), elsewhere, {
    peer: 'secret',
  });
  circle.turn.alternate = elsewhere;
  second.alternate = turnAddress;
  allocate(circle);
  assert.equal(circle.failure, 'TURN error 300');
});

test('close gives the allocation back and then tells', () => {
  const it = bench();
  allocate(it);
  let closed = 0;
  it.client.close(() => {
    closed += 1;
    assert.equal(it.turn.allocations, 0);
  });
  assert.equal(closed, 0);
  it.clock.advance(1000);
  assert.equal(closed, 1);
  assert.equal(it.turn.seen.get('refresh 0'), 1);
  assert.equal(it.clock.pending, 0);

  const silent = bench();
  allocate(silent);
  silent.network.drop = () => true;
  silent.client.close(() => {
    closed += 1;
  });
  silent.clock.advance(limits.ice.rtoMs * 4);
  assert.equal(closed, 2, 'a server that does not answer is not waited for long');
});

test('answers that are not signed by the server are not believed', () => {
  const it = bench();
  it.network.drop = ({ to }) => to.address === turnAddress.address;
  it.client.allocate((outcome) => {
    assert.ok(!outcome.ok);
    it.failure = outcome.error;
  });
  const first = decodeStun(it.network.tap.at(-1)!.bytes);
  assert.ok(first.ok);
  const challenge = { errorCode: { code: 401, reason: '' }, realm: 'r', nonce: 'n' };
  const { transactionId } = first.value;
  const error = { class: 'error', method: 'allocate', transactionId } as const;
  it.client.receive(encodeStun({ ...error, attributes: challenge }));
  const second = decodeStun(it.network.tap.at(-1)!.bytes);
  assert.ok(second.ok && second.value.hasIntegrity);
  assert.notEqual(second.value.transactionId, transactionId);
  it.client.receive(
    encodeStun({
      class: 'success',
      method: 'allocate',
      transactionId: second.value.transactionId,
      attributes: {
        xorRelayedAddress: { address: '203.0.113.66', port: 66 },
        xorMappedAddress: it.own.local,
      },
    }),
  );
  it.clock.advance(60_000);
  assert.equal(it.failure, 'no answer');
});

test('bounds: peers with permissions, and datagrams that wait for one', () => {
  const it = bench();
  allocate(it);
  const waiting = limits.ice.datagramsPerPermission;
  for (let i = 0; i < waiting + 5; i++) it.client.send(bytes(String(i)), it.peer.local);
  it.clock.advance(100);
  assert.equal(it.atPeer.length, waiting);
  it.network.tap.length = 0;
  for (let i = 0; i < 200; i++) {
    it.client.send(bytes('x'), { address: `198.51.100.${i}`, port: 5 });
  }
  const asked = it.network.tap.filter(({ bytes: b }) => {
    const decoded = decodeStun(b);
    return decoded.ok && decoded.value.method === 'createPermission';
  });
  assert.equal(asked.length, limits.ice.permissions - 1);
});
