/** The bodies of link and topology management. RFC 6940 §6.4, §6.5, §10. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../src/base/limits.ts';
import { encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { appAttachReqAns } from '../../../src/wire/reload/app-attach.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import { chordLeaveData, chordRouteQueryAns, chordUpdate } from '../../../src/wire/reload/chord.ts';
import { configUpdateAns, configUpdateReq } from '../../../src/wire/reload/config-update.ts';
import {
  iceCandidate,
  iceExtension,
  isNoIce,
  overlayLinkTypes,
  type IceCandidate,
} from '../../../src/wire/reload/ice-candidate.ts';
import {
  joinAns,
  joinReq,
  leaveAns,
  leaveReq,
  updateAns,
} from '../../../src/wire/reload/join-leave-update.ts';
import { pingAns, pingReq } from '../../../src/wire/reload/ping.ts';
import { probeAns, probeInformationTypes, probeReq } from '../../../src/wire/reload/probe.ts';
import { routeQueryReq } from '../../../src/wire/reload/route-query.ts';
import { checkCodec, hex, misused, refuses } from './check-codec.ts';
import { node, other, resource } from './samples.ts';

const host: IceCandidate = {
  addrPort: { type: 'ipv4', address: '192.0.2.10', port: 6084 },
  overlayLink: 'TLS-TCP-FH-NO-ICE',
  foundation: '1',
  priority: 0xffff_ffff,
  type: 'host',
  extensions: [],
};
const relay: IceCandidate = {
  ...host,
  overlayLink: 'DTLS-UDP-SR',
  type: 'relay',
  relAddrPort: { type: 'ipv6', address: '2001:db8::1', port: 1 },
  extensions: [{ name: hex('01'), value: hex('0203') }],
};

test('[R6940-6.5.1.1-02] [R6940-6.5.1.1-05] candidates', () => {
  checkCodec(iceExtension, [{ name: hex(''), value: hex('cafe') }]);
  checkCodec(iceCandidate, [host, relay, { ...host, overlayLink: 2 }, { ...host, overlayLink: 5 }]);
});

test('[R6940-6.5.1.1-04] candidate types 1, 2 and 4 only', () => {
  const bytes = encodeToBytes(iceCandidate, host);
  const typeAt = bytes.length - 3;
  assert.equal(bytes[typeAt], 1);
  for (const type of [0, 3, 5, 9, 255]) {
    const changed = Uint8Array.from(bytes);
    changed[typeAt] = type;
    const outcome = tryDecode(iceCandidate, changed);
    assert.ok(!outcome.ok);
    assert.equal(outcome.error.code, 'unknown-type');
  }
});

test('[R6940-6.5.1.1-03] [R6940-6.5.1.1-09] [R6940-14.10-02] link types, value by value', () => {
  assert.deepEqual(overlayLinkTypes, {
    'DTLS-UDP-SR': 1,
    'DTLS-UDP-SR-NO-ICE': 3,
    'TLS-TCP-FH-NO-ICE': 4,
  });
  assert.deepEqual(
    Object.keys(overlayLinkTypes).map((name) => isNoIce(name as 'DTLS-UDP-SR')),
    [false, true, true],
  );
});

const attach = {
  ufrag: '8hhY',
  password: 'asd88fgpdd777uzjYhagZg',
  role: 'passive',
  candidates: [host],
  sendUpdate: false,
};

test('[R6940-6.5.1.1-01] [R6940-6.5.2.1-01] Attach and AppAttach', () => {
  checkCodec(attachReqAns, [attach, { ...attach, candidates: [relay, relay], sendUpdate: true }]);
  checkCodec(appAttachReqAns, [
    { ufrag: '', password: '', application: 5061, role: 'active', candidates: [host] },
  ]);
});

test('[R6940-6.5.1.1-08] [R6940-6.5.1.1-11] no empty list of candidates, no mix of ICE and No-ICE', () => {
  misused(attachReqAns, { ...attach, candidates: [] });
  refuses(attachReqAns, hex('00 00 00 0000 00'));
  misused(attachReqAns, { ...attach, candidates: [host, relay] });
  const one = Buffer.from(encodeToBytes(iceCandidate, host));
  const two = Buffer.from(encodeToBytes(iceCandidate, relay));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(one.length + two.length);
  refuses(attachReqAns, Buffer.concat([hex('000000'), length, one, two, hex('00')]));
});

test('Attach: bound of the number of candidates', () => {
  checkCodec(attachReqAns, [
    { ...attach, candidates: new Array(limits.wire.iceCandidates).fill(host) },
  ]);
  misused(attachReqAns, {
    ...attach,
    candidates: new Array(limits.wire.iceCandidates + 1).fill(host),
  });
});

test('[R6940-6.5.3.1-01] [R6940-6.5.3.2-01] Ping', () => {
  checkCodec(pingReq, [{ padding: hex('') }, { padding: new Uint8Array(300) }]);
  misused(pingReq, { padding: new Uint8Array(65_536) });
  checkCodec(pingAns, [{ responseId: 0xffff_ffff_ffff_ffffn, time: 1_700_000_000_000n }]);
});

test('[R6940-6.4.2.5.1-01] [R6940-6.4.2.5.2-01] Probe', () => {
  assert.deepEqual(probeInformationTypes, { responsibleSet: 1, numResources: 2, uptime: 3 });
  checkCodec(probeReq, [{ requestedInfo: [] }, { requestedInfo: ['uptime', 200] }]);
  checkCodec(probeAns, [
    { probeInfo: [{ type: 'uptime', uptime: 1 }] },
    { probeInfo: [{ type: 'unknown', tag: 77, raw: hex('cafe') }] },
  ]);
  refuses(probeAns, hex('0007 0105 0000000000'), 'a value of five bytes');
});

test('[R6940-6.4.2.1-01] [R6940-6.4.2.2-01] [R6940-6.4.2.3-04] Join, Leave and Update', () => {
  checkCodec(joinReq, [{ joiningPeerId: node, overlaySpecificData: hex('cafe') }]);
  checkCodec(joinAns, [{ overlaySpecificData: hex('') }]);
  checkCodec(leaveReq, [{ leavingPeerId: node, overlaySpecificData: hex('') }]);
  checkCodec(leaveAns, [undefined]);
  checkCodec(updateAns, [undefined]);
});

test('[R6940-6.4.2.4.1-01] RouteQuery', () => {
  checkCodec(routeQueryReq, [
    {
      sendUpdate: false,
      destination: { type: 'resource', resource },
      overlaySpecificData: hex('01'),
    },
    { sendUpdate: true, destination: { type: 'node', nodeId: node }, overlaySpecificData: hex('') },
  ]);
  refuses(routeQueryReq, hex('00 0901ff 0000'), 'an unknown type of destination');
});

test('[R6940-6.5.4.1-01] [R6940-6.5.4.2-07] ConfigUpdate', () => {
  checkCodec(configUpdateReq, [
    { type: 'config', configData: hex('3c3e') },
    { type: 'kind', kinds: [hex('01'), hex('')] },
    { type: 'unknown', tag: 77, raw: hex('cafe') },
  ]);
  checkCodec(configUpdateAns, [undefined]);
});

test('Chord messages', () => {
  checkCodec(chordUpdate, [
    { uptime: 0, type: 'peerReady' },
    { uptime: 1, type: 'neighbors', predecessors: [], successors: [node] },
    { uptime: 0xffff_ffff, type: 'full', predecessors: [node], successors: [], fingers: [other] },
  ]);
  refuses(chordUpdate, hex('0000000004'));
  checkCodec(chordRouteQueryAns, [{ nextPeer: node }]);
  checkCodec(chordLeaveData, [
    { type: 'fromSucc', successors: [node] },
    { type: 'fromPred', predecessors: [] },
  ]);
  refuses(chordLeaveData, hex('030000'));
});
