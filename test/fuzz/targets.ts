/** Everything that reads bytes from outside, each as a function that must return in linear time. */
import { readFileSync } from 'node:fs';
import { failure } from '../../src/base/outcome.ts';
import { utf8Encode } from '../../src/base/text.ts';
import { createDeframer } from '../../src/link/deframer.ts';
import { parseCertificateDer } from '../../src/node/certificate-parse.ts';
import { parseCsr } from '../../src/node/csr.ts';
import { createXml } from '../../src/node/xml.ts';
import { parseOverlayDocument } from '../../src/overlay-config/parse.ts';
import { parseMessage } from '../../src/sip/message/message.ts';
import { parseNameAddr } from '../../src/sip/message/name-addr.ts';
import { parseUri } from '../../src/sip/message/uri.ts';
import { parseVia } from '../../src/sip/message/via.ts';
import { attempt, tryDecode, type Codec } from '../../src/wire/codec.ts';
import { appAttachReqAns } from '../../src/wire/reload/app-attach.ts';
import { attachReqAns } from '../../src/wire/reload/attach.ts';
import { chordLeaveData, chordUpdate } from '../../src/wire/reload/chord.ts';
import { configUpdateReq } from '../../src/wire/reload/config-update.ts';
import { decodePayload, messageContents } from '../../src/wire/reload/contents.ts';
import { findAns, findReq } from '../../src/wire/reload/find.ts';
import { decodeHeader } from '../../src/wire/reload/header.ts';
import { joinReq, leaveReq } from '../../src/wire/reload/join-leave-update.ts';
import { sipRegistration } from '../../src/wire/reload/sip-registration.ts';
import { fetchReq, storeReq } from '../../src/wire/reload/storage.ts';
import { bindingAnswer } from '../../src/wire/stun/binding-answer.ts';
import { decodeChannelData, encodeChannelData } from '../../src/wire/stun/channel-data.ts';
import { shortTermKey } from '../../src/wire/stun/integrity.ts';
import { decodeStun, encodeStun, isAuthentic } from '../../src/wire/stun/message.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Must not throw, must not hang. */
  readonly run: (bytes: Uint8Array) => void;
  /** Well-formed inputs from which mutants are made. */
  readonly samples: readonly Uint8Array[];
}

interface Vector {
  readonly name: string;
  readonly hex: string;
}

const vectors = JSON.parse(readFileSync('test/vectors/data/vectors.json', 'utf8')) as Vector[];

function vectorBytes(filter: RegExp): Uint8Array[] {
  return vectors.filter((v) => filter.test(v.name)).map((v) => Buffer.from(v.hex, 'hex'));
}

function codecTarget(name: string, codec: Codec<unknown>, samples: RegExp): FuzzTarget {
  return { name, run: (bytes) => void tryDecode(codec, bytes), samples: vectorBytes(samples) };
}

const sipSamples = [
  'REGISTER sip:lab.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\nFrom: "A \\" B" <sip:alice@lab.example>;tag=1\r\nTo: <sip:alice@lab.example>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1:5070;transport=udp>;q=0.5;expires=60, <sip:b@[::1]>\r\nAuthorization: Digest username="alice", realm="r", nonce="n", uri="sip:lab.example", response="0"\r\nContent-Length: 0\r\n\r\n',
  'SIP/2.0 200 OK\r\nv: SIP/2.0/TCP [2001:db8::1]:5060;received=192.0.2.1;branch=z9hG4bK2, SIP/2.0/UDP a;branch=z9hG4bK3\r\nf: sip:a@b;tag=x\r\nt: sip:b@c;tag=y\r\ni: id\r\nCSeq: 2 INVITE\r\nRecord-Route: <sip:p;lr>, <sip:q;lr>\r\nl: 3\r\n\r\nabc',
].map(utf8Encode);

/** Keeps reads of lazy fields from being optimised away. */
export let touched: readonly unknown[] = [];

function touchSip(bytes: Uint8Array): void {
  const parsed = parseMessage(bytes);
  if (!parsed.ok) return;
  const message = parsed.value;
  for (const name of ['Via', 'Contact', 'Route', 'Record-Route', 'Require', 'Path'])
    message.values(name);
  for (const contact of message.values('Contact')) parseNameAddr(contact);
  for (const via of message.values('Via')) parseVia(via);
  if (message.kind === 'request') parseUri(message.uri);
  touched = [message.from, message.to, message.via, message.cseq, message.callId];
  message.toBytes();
}

const stunKey = shortTermKey('secret');
const stunAddress = { address: '2001:db8::1', port: 3478 };
const xml = createXml();
const verifier = { parseCertificate: () => failure('not looked at') };

export const fuzzTargets: readonly FuzzTarget[] = [
  { name: 'SIP message', run: touchSip, samples: sipSamples },
  {
    name: 'SIP URI',
    run: (bytes) => void parseUri(Buffer.from(bytes).toString('latin1')),
    samples: [utf8Encode('sips:alice%20b:pw@[2001:db8::1]:5061;transport=tcp;lr?subject=x&to=y')],
  },
  {
    name: 'SIP name-addr',
    run: (bytes) => void parseNameAddr(Buffer.from(bytes).toString('latin1')),
    samples: [utf8Encode('"a \\" b" <sip:c@d;lr>;q=0.3;+sip.instance="<urn:uuid:1>"')],
  },
  {
    name: 'SIP Via',
    run: (bytes) => void parseVia(Buffer.from(bytes).toString('latin1')),
    samples: [utf8Encode('SIP/2.0/UDP [::1]:5060;rport;branch=z9hG4bKx;received=127.0.0.1')],
  },
  {
    name: 'RELOAD message',
    run: (bytes) => {
      const header = attempt(() => decodeHeader(bytes));
      if (header.ok) attempt(() => decodePayload(bytes.subarray(header.value.headerLength)));
    },
    samples: vectorBytes(/-message$/),
  },
  codecTarget('MessageContents', messageContents, /contents$/),
  codecTarget('Attach', attachReqAns, /^attach-req-body/),
  codecTarget('AppAttach', appAttachReqAns, /^app-attach-req-body/),
  codecTarget('StoreReq', storeReq, /^store-req-body/),
  codecTarget('FetchReq', fetchReq, /^fetch-req-(dictionary|array|single)/),
  codecTarget('FindReq', findReq, /^find-req-body/),
  codecTarget('FindAns', findAns, /^find-ans-body/),
  codecTarget('JoinReq', joinReq, /^join-req-body/),
  codecTarget('LeaveReq', leaveReq, /^leave-req-body/),
  codecTarget('ChordUpdate', chordUpdate, /^chord-update/),
  codecTarget('ChordLeaveData', chordLeaveData, /^leave-req-body/),
  codecTarget('ConfigUpdateReq', configUpdateReq, /^config-update-.*-body/),
  codecTarget('SipRegistration', sipRegistration, /^sip-registration/),
  {
    name: 'link framing',
    run: (bytes) => {
      const ignore = (): void => undefined;
      const sink = { data: ignore, ack: ignore, oversized: ignore, invalid: ignore };
      createDeframer(() => 65_536, sink).push(bytes);
    },
    samples: vectorBytes(/^frame-/),
  },
  {
    name: 'STUN',
    run(bytes) {
      const decoded = decodeStun(bytes);
      if (decoded.ok) isAuthentic(decoded.value, stunKey);
      bindingAnswer(bytes, stunAddress);
    },
    samples: [
      encodeStun(
        {
          class: 'request',
          method: 'binding',
          transactionId: '000102030405060708090a0b',
          attributes: { username: 'a:b', priority: 1, iceControlling: 2n, useCandidate: true },
        },
        stunKey,
      ),
      encodeStun({
        class: 'error',
        method: 'allocate',
        transactionId: '0b0a09080706050403020100',
        attributes: {
          errorCode: { code: 401, reason: 'Unauthorized' },
          realm: 'r',
          nonce: 'n',
          unknownAttributes: [1, 2],
          xorMappedAddress: stunAddress,
        },
      }),
    ],
  },
  {
    name: 'ChannelData',
    run: (bytes) => void decodeChannelData(bytes),
    samples: [encodeChannelData(0x4001, Uint8Array.of(1, 2, 3))],
  },
  {
    name: 'configuration document',
    run: (bytes) => void parseOverlayDocument(bytes, xml, verifier),
    samples: [
      utf8Encode(
        '<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base"><configuration instance-name="a.example" sequence="3"><topology-plugin>CHORD-RELOAD</topology-plugin><node-id-length>16</node-id-length><no-ice>true</no-ice></configuration></overlay>',
      ),
    ],
  },
  {
    name: 'certificate',
    run: (bytes) => void parseCertificateDer(bytes),
    samples: [certificateSample()],
  },
  {
    name: 'certificate request',
    run: (bytes) => void parseCsr(bytes),
    samples: [certificateSample()],
  },
];

function certificateSample(): Uint8Array {
  const pem = readFileSync('test/vectors/data/test-only-cert.pem', 'latin1');
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}
