/** Numbers that the standards assign: what other implementations send and expect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationIds, isUsableApplication } from '../../../src/wire/reload/app-attach.ts';
import { frameTypes } from '../../../src/wire/reload/framing.ts';
import { forwardingOptionFlags } from '../../../src/wire/reload/header.ts';
import { probeInformationTypes } from '../../../src/wire/reload/probe.ts';
import { hashAlgorithms, signatureAlgorithms } from '../../../src/wire/reload/security.ts';
import {
  fingerprintType,
  isComprehensionRequired,
  messageIntegrityType,
  stunAttributes,
} from '../../../src/wire/stun/attributes.ts';
import {
  decodeStun,
  encodeStun,
  magicCookie,
  stunMethods,
} from '../../../src/wire/stun/message.ts';

test('[R6940-6.6.2-01] [R6940-6.3.2.3-02] frame types and flags of forwarding options', () => {
  assert.deepEqual(frameTypes, { data: 128, ack: 129 });
  assert.deepEqual(forwardingOptionFlags, {
    forwardCritical: 1,
    destinationCritical: 2,
    responseCopy: 4,
  });
});

test('hash and signature algorithms are those of TLS (RFC 5246 §7.4.1.4.1)', () => {
  assert.deepEqual(hashAlgorithms, { none: 0, sha1: 2, sha256: 4 });
  assert.deepEqual(signatureAlgorithms, { anonymous: 0, rsa: 1, ecdsa: 3 });
});

test('what a Probe can ask for (RFC 6940 §14.13)', () => {
  assert.deepEqual(probeInformationTypes, { responsibleSet: 1, numResources: 2, uptime: 3 });
});

test('SIP and SIPS are registered applications, 61441 to 65534 are for private use (RFC 6940 §14.5)', () => {
  assert.deepEqual(applicationIds, { sip: 5060, sips: 5061 });
  for (const application of [5060, 5061, 61_441, 65_000, 65_534]) {
    assert.equal(isUsableApplication(application), true, `${application}`);
  }
  for (const application of [0, 5059, 5062, 61_440, 65_535]) {
    assert.equal(isUsableApplication(application), false, `${application}`);
  }
});

test('STUN, TURN and ICE attributes (RFC 8489 §18.3, RFC 8656 §18, RFC 8445 §16.1)', () => {
  const types = Object.fromEntries(
    Object.entries(stunAttributes).map(([name, { type }]) => [name, type]),
  );
  assert.deepEqual(types, {
    mappedAddress: 0x0001,
    username: 0x0006,
    errorCode: 0x0009,
    unknownAttributes: 0x000a,
    channelNumber: 0x000c,
    lifetime: 0x000d,
    xorPeerAddress: 0x0012,
    data: 0x0013,
    realm: 0x0014,
    nonce: 0x0015,
    xorRelayedAddress: 0x0016,
    requestedAddressFamily: 0x0017,
    requestedTransport: 0x0019,
    dontFragment: 0x001a,
    xorMappedAddress: 0x0020,
    reservationToken: 0x0022,
    priority: 0x0024,
    useCandidate: 0x0025,
    software: 0x8022,
    alternateServer: 0x8023,
    iceControlled: 0x8029,
    iceControlling: 0x802a,
  });
  assert.deepEqual([messageIntegrityType, fingerprintType, magicCookie], [8, 0x8028, 0x2112a442]);
  assert.deepEqual([0, 0x7fff, 0x8000, 0xffff].map(isComprehensionRequired), [
    true,
    true,
    false,
    false,
  ]);
});

test('STUN methods (RFC 8489 §18.2, RFC 8656 §17)', () => {
  assert.deepEqual(stunMethods, {
    binding: 1,
    allocate: 3,
    refresh: 4,
    send: 6,
    data: 7,
    createPermission: 8,
    channelBind: 9,
  });
});

test('of all message types those of known methods are accepted, and none is taken for another', () => {
  const known = new Set<number>(Object.values(stunMethods));
  const bytes = encodeStun({
    class: 'request',
    method: 'binding',
    transactionId: '00'.repeat(12),
    attributes: {},
  }).slice(0, 20);
  bytes[3] = 0;
  for (let type = 0; type < 0x5000; type++) {
    bytes[0] = type >> 8;
    bytes[1] = type & 255;
    // RFC 8489 §5: M11 to M7, C1, M6 to M4, C0, M3 to M0 below two bits that are zero.
    const bits = type.toString(2).padStart(16, '0');
    const method = Number.parseInt(bits.slice(2, 7) + bits.slice(8, 11) + bits.slice(12), 2);
    const kind = Number.parseInt(`${bits[7] ?? ''}${bits[11] ?? ''}`, 2);
    const decoded = decodeStun(bytes);
    const isKnown = type < 0x4000 && known.has(method);
    assert.equal(decoded.ok, isKnown, bits);
    if (!decoded.ok) assert.equal(decoded.error.code, 'unknown-type');
    else {
      assert.equal(stunMethods[decoded.value.method], method);
      const classes = ['request', 'indication', 'success', 'error'] as const;
      assert.equal(decoded.value.class, classes[kind]);
    }
  }
});
