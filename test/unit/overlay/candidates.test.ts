import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import {
  candidatePriority,
  dialInOrder,
  dialTargets,
  discard,
  iceOffer,
  isHostCandidate,
  makeOffer,
  offersIce,
} from '../../../src/overlay/candidates.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { SecureConnection } from '../../../src/ports/connection.ts';
import type { NoIceLinkType } from '../../../src/overlay/link-types.ts';
import type { IceCandidate } from '../../../src/wire/reload/ice-candidate.ts';
import { encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import { isResponse, returnPath } from '../../../src/overlay/routed-message.ts';
import { unfragmented, type ForwardingHeader } from '../../../src/wire/reload/header.ts';
import { connectionOf, notedDialer } from './support/parts.ts';

const random = { u32: () => 1, bytes: (length: number) => new Uint8Array(length) };

test('an offer lists our addresses best first and survives the wire', () => {
  const offer = makeOffer(
    [
      { address: '192.0.2.1', port: 6084 },
      { address: 'not-an-address.example', port: 1 },
      { address: '2001:db8::1', port: 6085 },
    ],
    'passive',
    random,
  );
  const decoded = tryDecode(
    attachReqAns,
    encodeToBytes(attachReqAns, { ...offer, sendUpdate: true }),
  );
  assert.ok(decoded.ok);
  assert.equal(decoded.value.role, 'passive');
  assert.deepEqual(dialTargets(decoded.value.candidates), [
    { address: '192.0.2.1', port: 6084, linkType: 'TLS-TCP-FH-NO-ICE' },
    { address: '2001:db8::1', port: 6085, linkType: 'TLS-TCP-FH-NO-ICE' },
  ]);
});

test('where both types without ICE are in use, each address is offered for each, the stream first', () => {
  const both = ['TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR-NO-ICE'] as const;
  const addresses = [1, 2].map((port) => ({ address: '192.0.2.1', port }));
  const { candidates } = makeOffer(addresses, 'passive', random, both);
  assert.equal(new Set(candidates.map(({ foundation }) => foundation)).size, 4);
  const found = (types: readonly NoIceLinkType[]) =>
    dialTargets(candidates, types).map(({ linkType, port }) => `${linkType ?? ''} ${port}`);
  const [stream, datagram] = both;
  assert.deepEqual(found(both), [`${stream} 1`, `${stream} 2`, `${datagram} 1`, `${datagram} 2`]);
  assert.deepEqual(found([datagram]), [`${datagram} 1`, `${datagram} 2`]);
  assert.deepEqual(found([]), []);
});

test('an address of its own is told from one that others see', () => {
  const candidates = [
    { type: 'host', addrPort: { type: 'ipv4', address: '10.0.0.1', port: 7 } },
    { type: 'srflx', addrPort: { type: 'ipv4', address: '192.0.2.1', port: 7 } },
    { type: 'host', addrPort: { type: 'unknown', tag: 9, raw: new Uint8Array(0) } },
  ] as unknown as IceCandidate[];
  const isOwn = (address: string, port: number) => isHostCandidate({ address, port }, candidates);
  assert.ok(isOwn('10.0.0.1', 7));
  assert.ok(!isOwn('192.0.2.1', 7));
  assert.ok(!isOwn('10.0.0.1', 8));
  assert.ok(!isOwn('10.0.0.2', 7));
});

test('candidates are tried by priority; other link types, unknown addresses and port 0 are not', () => {
  const make = (priority: number, change: Partial<IceCandidate> = {}): IceCandidate =>
    ({
      type: 'host',
      addrPort: { type: 'ipv4', address: '192.0.2.1', port: priority },
      overlayLink: 'TLS-TCP-FH-NO-ICE',
      foundation: '1',
      priority,
      extensions: [],
      ...change,
    }) as IceCandidate;
  const targets = dialTargets([
    make(1),
    make(3),
    make(2),
    make(9, { overlayLink: 'DTLS-UDP-SR-NO-ICE' }),
    make(8, { addrPort: { type: 'unknown', tag: 9, raw: new Uint8Array(0) } }),
    make(7, { addrPort: { type: 'ipv4', address: '192.0.2.1', port: 0 } }),
  ]);
  assert.deepEqual(
    targets.map(({ port }) => port),
    [3, 2, 1],
  );
});

test('addresses are dialed one after the other until one answers', () => {
  const dialed: number[] = [];
  const connection = { local: { address: 'x', port: 1 } } as unknown as SecureConnection;
  let result: Outcome<SecureConnection> | undefined;
  dialInOrder(
    {
      dial(target, _timeoutMs, done) {
        dialed.push(target.port);
        done(target.port === 2 ? success(connection) : failure('refused'));
        return () => undefined;
      },
    },
    [1, 2, 3].map((port) => ({ address: '192.0.2.1', port })),
    (outcome) => {
      result = outcome;
    },
  );
  assert.deepEqual(dialed, [1, 2]);
  assert.equal(result?.ok, true);
});

test('an abandoned dial that succeeds late is hung up', () => {
  let settle: ((outcome: Outcome<SecureConnection>) => void) | undefined;
  const closed: string[] = [];
  const connection = {
    setHandler: () => undefined,
    close: (reason: string) => closed.push(reason),
  } as unknown as SecureConnection;
  const abandon = dialInOrder(
    {
      dial(_target, _timeoutMs, done) {
        settle = done;
        return () => undefined;
      },
    },
    [{ address: '192.0.2.1', port: 1 }],
    () => assert.fail('must stay silent'),
  );
  abandon();
  settle?.(success(connection));
  assert.equal(closed.length, 1);
});

test('[R6940-6.1.2-10] the way back is the previous hop and the reversed Via List', () => {
  const node = (digit: string) => ({
    type: 'node' as const,
    nodeId: digit.repeat(32) as NodeId,
  });
  const header: ForwardingHeader = {
    overlay: 1,
    configurationSequence: 1,
    ttl: 1,
    fragment: unfragmented,
    transactionId: 1n,
    maxResponseLength: 0,
    viaList: [node('a'), node('b')],
    destinationList: [node('e')],
    options: [],
  };
  assert.deepEqual(returnPath(node('e').nodeId, { header, from: node('c').nodeId }), [
    node('c'),
    node('b'),
    node('a'),
  ]);
  const code = (high: number, low: number) =>
    isResponse({ header, body: Uint8Array.of(high, low) });
  assert.deepEqual(
    [code(0, 0x17), code(0, 0x18), code(0xff, 0xff), code(0x80, 0x02)],
    [false, true, true, false],
  );
});

test('[R6940-6.5.1.6-01] links without congestion control rank last, whatever the address', () => {
  const tcp = candidatePriority('TLS-TCP-FH-NO-ICE', 60_000);
  for (const other of ['DTLS-UDP-SR', 'DTLS-UDP-SR-NO-ICE', 77] as const) {
    assert.ok(tcp > candidatePriority(other, 0));
  }
  assert.ok(candidatePriority('DTLS-UDP-SR', 9) > candidatePriority(77, 0));
  assert.ok(candidatePriority('DTLS-UDP-SR', 0) > candidatePriority('DTLS-UDP-SR', 1));
  assert.ok(candidatePriority('TLS-TCP-FH-NO-ICE', 0) < 2 ** 31);
});

test('the priority is that of a host candidate, with what the link type and the place leave', () => {
  const host = 126 * 2 ** 24 + 255;
  const stream = candidatePriority('TLS-TCP-FH-NO-ICE', 0);
  assert.equal(stream, host + (2 * 0x4000 + 0x3fff) * 256);
  assert.equal(candidatePriority('TLS-TCP-FH-NO-ICE', 3), stream - 3 * 256);
  assert.equal(candidatePriority('DTLS-UDP-SR', 0), host + (0x4000 + 0x3fff) * 256);
  assert.equal(candidatePriority('DTLS-UDP-SR-NO-ICE', 0), candidatePriority('DTLS-UDP-SR', 0));
  assert.equal(candidatePriority(77, 0), host + 0x3fff * 256);
  assert.equal(candidatePriority(77, 0x3fff), host);
  assert.equal(candidatePriority(77, 0x4000), host);
});

test('an offer has credentials of its own, numbers its candidates, and keeps to the bound', () => {
  const most = limits.overlay.candidatesTried;
  const lengths: number[] = [];
  const noting = {
    u32: () => 1,
    bytes: (length: number) => {
      lengths.push(length);
      return new Uint8Array(length).fill(lengths.length);
    },
  };
  const addresses = Array.from({ length: most + 1 }, (_, i) => ({
    address: '192.0.2.1',
    port: 100 + i,
  }));
  const offer = makeOffer(addresses, 'active', noting);
  assert.deepEqual([offer.ufrag, offer.password], ['01'.repeat(4), '02'.repeat(16)]);
  assert.deepEqual(
    offer.candidates.map(({ type, foundation, priority, overlayLink }) => [
      type,
      foundation,
      priority,
      overlayLink,
    ]),
    Array.from({ length: most }, (_, i) => [
      'host',
      String(i + 1),
      candidatePriority('TLS-TCP-FH-NO-ICE', i),
      'TLS-TCP-FH-NO-ICE',
    ]),
  );
  assert.deepEqual(offer.candidates[0]?.addrPort, {
    type: 'ipv4',
    address: '192.0.2.1',
    port: 100,
  });
  const two = makeOffer(addresses.slice(0, 2), 'active', noting, [
    'DTLS-UDP-SR-NO-ICE',
    'TLS-TCP-FH-NO-ICE',
  ]);
  assert.deepEqual(
    two.candidates.map(({ foundation }) => foundation),
    ['1', '2', '3', '4'],
  );
  const tooMany = [...offer.candidates, ...two.candidates];
  assert.equal(dialTargets(tooMany).length, most);
  assert.deepEqual(makeOffer([], 'active', noting).candidates, []);
});

test('ICE is offered where one candidate is for it', () => {
  const withLink = (...links: IceCandidate['overlayLink'][]) =>
    offersIce(links.map((overlayLink) => ({ overlayLink }) as IceCandidate));
  assert.ok(withLink('TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR'));
  assert.ok(!withLink('TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR-NO-ICE'));
  assert.ok(!withLink());
  const parameters = { ufrag: 'u', password: 'p', candidates: [] };
  assert.deepEqual(iceOffer(parameters, 'active'), { ...parameters, role: 'active' });
});

test('the last reason is told when no address answers, and that there was none', () => {
  const dialer = notedDialer();
  const outcomes: Outcome<SecureConnection>[] = [];
  const targets = [1, 2].map((port) => ({ address: '192.0.2.1', port }));
  dialInOrder(dialer, targets, (outcome) => outcomes.push(outcome));
  const [first] = dialer.dials;
  assert.equal(first?.timeoutMs, limits.overlay.dialTimeoutMs);
  assert.equal(dialer.dials.length, 1, 'one after the other');
  first.done(failure('refused'));
  assert.equal(outcomes.length, 0);
  dialer.dials[1]?.done(failure('unreachable'));
  dialInOrder(dialer, [], (outcome) => outcomes.push(outcome));
  assert.deepEqual(outcomes, [failure('unreachable'), failure('no address')]);
});

test('what is abandoned stops the dial under way, and no other follows', () => {
  const dialer = notedDialer();
  const targets = [1, 2].map((port) => ({ address: '192.0.2.1', port }));
  const abandon = dialInOrder(dialer, targets, () => assert.fail('must stay silent'));
  abandon();
  assert.equal(dialer.dials[0]?.abandoned, true);
  dialer.dials[0].done(failure('too late'));
  assert.equal(dialer.dials.length, 1);
});

test('a connection that nobody wants is closed for the reason, and what it says is ignored', () => {
  const connection = connectionOf([]);
  discard(connection, 'not needed');
  assert.deepEqual(connection.closedFor, ['not needed']);
  connection.handler?.data(Uint8Array.of(1));
  connection.handler?.closed('gone');
  assert.ok(connection.handler);
});
