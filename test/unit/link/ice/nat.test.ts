/** Two agents behind every combination of NATs, with a STUN and a TURN server outside. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatagramOpener } from '../../../../src/ports/datagram.ts';
import {
  bothServers,
  connect,
  createTestAgent,
  dtls,
  startServers,
  turnAddress,
} from './support/agents.ts';
import {
  createNetwork,
  createSimulatedClock,
  type NatKind,
  type Network,
} from './support/network.ts';

const kinds: Readonly<Record<string, NatKind | undefined>> = {
  'no NAT': undefined,
  'full cone': { mapping: 'endpoint-independent', filtering: 'endpoint-independent' },
  'restricted cone': { mapping: 'endpoint-independent', filtering: 'address-dependent' },
  'port-restricted cone': {
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
  },
  symmetric: {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
  },
  'only the TURN server': {
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
    only: [turnAddress],
  },
};
const names = Object.keys(kinds);

/** Port prediction is not ours: a port that only one peer sees cannot be told to the other. */
function needsRelay(a: string, b: string): boolean {
  if ([a, b].includes('only the TURN server')) return true;
  const strict = (name: string): boolean => name === 'symmetric' || name === 'port-restricted cone';
  return [a, b].includes('symmetric') && strict(a) && strict(b);
}

function place(network: Network, name: string, side: 0 | 1): [DatagramOpener, string] {
  const kind = kinds[name];
  if (kind === undefined) return [network.host(), side === 0 ? '192.0.2.1' : '192.0.2.2'];
  const outside = side === 0 ? '198.51.100.1' : '198.51.100.2';
  return [network.behind(outside, kind), side === 0 ? '10.0.0.1' : '10.1.0.1'];
}

for (const a of names) {
  for (const b of names) {
    const way = needsRelay(a, b) ? 'through a relay' : 'directly';
    test(`${a} and ${b} connect ${way}`, () => {
      const clock = createSimulatedClock();
      const network = createNetwork(clock, { seed: `${a} ${b}`, latencyMs: [5, 40] });
      const turn = startServers(clock, network);
      const [socketsA, addressA] = place(network, a, 0);
      const [socketsB, addressB] = place(network, b, 1);
      const options = { servers: bothServers };
      const one = createTestAgent(clock, socketsA, { ...options, addresses: [addressA] });
      const two = createTestAgent(clock, socketsB, { ...options, addresses: [addressB] });
      connect(clock, one, two);

      assert.ok(one.path !== undefined && two.path !== undefined, one.failure ?? two.failure);
      assert.equal(one.path.relayed, needsRelay(a, b));
      assert.equal(two.path.relayed, needsRelay(a, b));
      one.agent.send(dtls('hello'));
      two.agent.send(dtls('welcome'));
      clock.advance(500);
      assert.deepEqual(two.data, ['hello']);
      assert.deepEqual(one.data, ['welcome']);

      // What is not used is given back; what is used lives on.
      assert.ok(turn.allocations <= (needsRelay(a, b) ? 2 : 0));
      one.agent.close('done');
      two.agent.close('done');
      clock.advance(5000);
      assert.deepEqual([one.closed, two.closed], ['done', 'done']);
      assert.equal(turn.allocations, 0);
      assert.equal(network.sockets, 2, 'those of the two servers');
      assert.equal(clock.pending, 0);
    });
  }
}
