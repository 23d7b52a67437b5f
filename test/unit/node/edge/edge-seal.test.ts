import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createEdgeSeals,
  flowIdOf,
  placeOfFlowId,
  type PhonePlace,
} from '../../../../src/node/edge/edge-seal.ts';

const deps = {
  arrivalKey: new Uint8Array(32).fill(1),
  routeKey: new Uint8Array(32).fill(2),
  lifetimeMs: 1000,
};
const seals = createEdgeSeals(deps);
const phone: PhonePlace = { transport: 'tls', address: '2001:db8::1', port: 5061 };
const arrival = { phone, uri: 'sip:a;b=c@x?d', callId: 'id;1', cseq: '7  INVITE' };

test('a sealed arrival opens for its own request, once its white space is normal', () => {
  const seal = seals.sealArrival(arrival, 500);
  assert.deepEqual(seals.openArrival(seal, { callId: 'id;1', cseq: '7 INVITE' }, 1400), {
    phone,
    uri: arrival.uri,
  });
});

test('a seal is refused for another request, when too old, with any change, and from another key', () => {
  const seal = seals.sealArrival(arrival, 500);
  const own = { callId: arrival.callId, cseq: '7 INVITE' };
  assert.equal(seals.openArrival(seal, { ...own, callId: 'id' }, 500), undefined);
  assert.equal(seals.openArrival(seal, { ...own, cseq: '8 INVITE' }, 500), undefined);
  assert.equal(seals.openArrival(seal, own, 1501), undefined);
  for (let i = 0; i < seal.length; i++) {
    const changed = `${seal.slice(0, i)}${seal[i] === 'A' ? 'B' : 'A'}${seal.slice(i + 1)}`;
    assert.equal(seals.openArrival(changed, own, 500), undefined, changed);
  }
  const other = createEdgeSeals({ ...deps, arrivalKey: new Uint8Array(32).fill(3) });
  assert.equal(other.openArrival(seal, own, 500), undefined);
  for (const odd of ['', ';', 'x', ';;;;']) {
    assert.equal(seals.openArrival(odd, own, 500), undefined);
  }
});

test('a route names its flow after a restart, and nobody else can make one', () => {
  const id = flowIdOf(phone);
  const user = seals.routeUser(id);
  assert.match(user, /^[A-Za-z0-9._-]+$/, 'fit for a URI');
  const restarted = createEdgeSeals({ ...deps, arrivalKey: new Uint8Array(32).fill(9) });
  assert.equal(restarted.openRouteUser(user), id);
  assert.equal(seals.openRouteUser(`${user}x`), undefined);
  assert.equal(seals.openRouteUser(user.replace('edge.', 'edge.A')), undefined);
  for (const odd of ['', 'edge', 'edge..', 'bob', `edge.${'A'.repeat(200)}.x`]) {
    assert.equal(seals.openRouteUser(odd), undefined);
  }
});

test('flow ids say where the phone is, and nothing else is one', () => {
  assert.equal(flowIdOf(phone), 'edge:tls:[2001:db8::1]:5061');
  assert.deepEqual(placeOfFlowId('edge:tls:[2001:db8::1]:5061'), phone);
  const odd = ['edge:sctp:1.2.3.4:5', 'udp:x:1.2.3.4:5', 'edge:udp:1.2.3.4:0', 'edge:udp:', 'edge'];
  for (const id of odd) assert.equal(placeOfFlowId(id), undefined);
});
