import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import {
  candidatePriority,
  dialInOrder,
  dialTargets,
  isHostCandidate,
  makeOffer,
} from '../../../src/overlay/candidates.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { SecureConnection } from '../../../src/ports/connection.ts';
import type { NoIceLinkType } from '../../../src/overlay/link-types.ts';
import type { IceCandidate } from '../../../src/wire/reload/ice-candidate.ts';
import { encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import { isResponse, returnPath } from '../../../src/overlay/routed-message.ts';
import { unfragmented, type ForwardingHeader } from '../../../src/wire/reload/header.ts';

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
