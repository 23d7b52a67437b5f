/** Message code → where tshark shows the fields of its body, beside the getters of our values. */
import { nothing } from '../../../src/wire/codec.ts';
import { appAttachReqAns, type AppAttachReqAns } from '../../../src/wire/reload/app-attach.ts';
import { attachReqAns, type AttachReqAns } from '../../../src/wire/reload/attach.ts';
import { chordLeaveData, chordRouteQueryAns, chordUpdate } from '../../../src/wire/reload/chord.ts';
import { configUpdateReq } from '../../../src/wire/reload/config-update.ts';
import { decodePayload } from '../../../src/wire/reload/contents.ts';
import { errorResponse } from '../../../src/wire/reload/errors.ts';
import { findAns, findReq } from '../../../src/wire/reload/find.ts';
import { decodeHeader } from '../../../src/wire/reload/header.ts';
import { overlayLinkTypes, type IceCandidate } from '../../../src/wire/reload/ice-candidate.ts';
import {
  joinAns,
  joinReq,
  leaveReq,
  type LeaveReq,
} from '../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { pingAns, pingReq } from '../../../src/wire/reload/ping.ts';
import { probeAns, probeInformationTypes, probeReq } from '../../../src/wire/reload/probe.ts';
import { routeQueryReq, type RouteQueryReq } from '../../../src/wire/reload/route-query.ts';
import { decodeExact, type Infer } from '../../../src/wire/codec.ts';
import { destinationRules, frameRules, headerRules, payloadRules } from './tshark-envelope.ts';
import { dissectorMistakes } from './tshark-mistakes.ts';
import type { PlainFrame } from './tshark-pcap.ts';
import type { PdmlNode } from './tshark-pdml.ts';
import {
  bodyRules,
  bytes,
  compare,
  mistake,
  number,
  raw,
  size,
  text,
  time,
  type BodyRules,
  type Comparison,
  type Rule,
} from './tshark-rules.ts';
import {
  fetchAnswer,
  fetchRequest,
  statAnswer,
  storeAnswer,
  storeRequest,
} from './tshark-stored.ts';

type KnownAddress = Exclude<IceCandidate['addrPort'], { type: 'unknown' }>;

const candidateTypes = { host: 1, srflx: 2, relay: 4 } as const;

/** What Attach and AppAttach have in common. */
function attachRules<T extends Omit<AttachReqAns, 'sendUpdate'>>(): readonly Rule<T>[] {
  const addresses = ({ candidates }: T): KnownAddress[] =>
    candidates
      .flatMap((c) => (c.type === 'host' ? [c.addrPort] : [c.addrPort, c.relAddrPort]))
      .filter((address) => address.type !== 'unknown');
  const ofFamily = (family: KnownAddress['type']) => (value: T) =>
    addresses(value).flatMap(({ type, address }) => (type === family ? [address] : []));
  return [
    text('.ufrag .opaque.string', ({ ufrag }) => [ufrag].filter(Boolean)),
    text('.password .opaque.string', ({ password }) => [password].filter(Boolean)),
    text('.role .opaque.string', ({ role }) => [role].filter(Boolean)),
    number('.icecandidate .ipaddressport.type', (v) =>
      addresses(v).map(({ type }) => (type === 'ipv4' ? 1 : 2)),
    ),
    text('.icecandidate .ipv4addr', ofFamily('ipv4')),
    text('.icecandidate .ipv6addr', ofFamily('ipv6')),
    number('.icecandidate .port', (v) => addresses(v).map(({ port }) => port)),
    number('.icecandidate .overlaylink.type', ({ candidates }) =>
      candidates.map(({ overlayLink }) =>
        typeof overlayLink === 'number' ? overlayLink : overlayLinkTypes[overlayLink],
      ),
    ),
    text('.icecandidate.foundation .opaque.string', ({ candidates }) =>
      candidates.map(({ foundation }) => foundation).filter(Boolean),
    ),
    number('.icecandidate >.icecandidate.type', ({ candidates }) =>
      candidates.map(({ type }) => candidateTypes[type]),
    ),
    size('.iceextension.name', ({ candidates }) =>
      candidates.flatMap(({ extensions }) => extensions.map(({ name }) => 2 + name.length)),
    ),
    mistake(
      dissectorMistakes.candidatePriority,
      number('.icecandidate.priority', ({ candidates }) =>
        candidates.map(({ addrPort }) => startOf(addrPort)),
      ),
    ),
  ];
}

/** Type, length and the first two bytes of the address as one number; IPv4 only. */
function startOf(address: IceCandidate['addrPort']): number {
  if (address.type !== 'ipv4') throw new Error('only IPv4 candidates are compared');
  const [first = 0, second = 0] = address.address.split('.').map(Number);
  return 0x0106_0000 + first * 256 + second;
}

const attach = bodyRules(attachReqAns, [
  ...attachRules<AttachReqAns>(),
  number('.sendupdate', ({ sendUpdate }) => [sendUpdate]),
]);

const appAttach = bodyRules(appAttachReqAns, [
  ...attachRules<AppAttachReqAns>(),
  number('.application', ({ application }) => [application]),
]);

const updateTypes = { peerReady: 1, neighbors: 2, full: 3 } as const;

const update = bodyRules(chordUpdate, [
  number('.uptime', ({ uptime }) => [uptime]),
  number('.chordupdate.type', ({ type }) => [updateTypes[type]]),
  bytes('.chordupdate.predecessors .nodeid', (v) => ('predecessors' in v ? v.predecessors : [])),
  bytes('.chordupdate.successors .nodeid', (v) => ('successors' in v ? v.successors : [])),
  bytes('.chordupdate.fingers .nodeid', (v) => ('fingers' in v ? v.fingers : [])),
]);

const leaveData = ({ overlaySpecificData }: LeaveReq): Infer<typeof chordLeaveData> =>
  decodeExact(chordLeaveData, overlaySpecificData);

const leave = bodyRules(leaveReq, [
  bytes('.leavereq.leaving_peer_id', ({ leavingPeerId }) => [leavingPeerId]),
  number('.overlay_specific_data >.length.16', (v) => [v.overlaySpecificData.length]),
  number('.chordleavedata.type', (v) => [leaveData(v).type === 'fromSucc' ? 1 : 2]),
  bytes('.chordleavedata.successors .nodeid', (v) => {
    const data = leaveData(v);
    return data.type === 'fromSucc' ? data.successors : [];
  }),
  bytes('.chordleavedata.predecessors .nodeid', (v) => {
    const data = leaveData(v);
    return data.type === 'fromPred' ? data.predecessors : [];
  }),
]);

const probeType = (type: keyof typeof probeInformationTypes | number): number =>
  typeof type === 'number' ? type : probeInformationTypes[type];

const probeAnswer = bodyRules(probeAns, [
  number('.probe_information.type', ({ probeInfo }) =>
    probeInfo.map((info) => (info.type === 'unknown' ? info.tag : probeType(info.type))),
  ),
  number('.responsible_set', ({ probeInfo }) =>
    probeInfo.flatMap((info) => (info.type === 'responsibleSet' ? [info.responsiblePpb] : [])),
  ),
  number('.num_resources', ({ probeInfo }) =>
    probeInfo.flatMap((info) => (info.type === 'numResources' ? [info.numResources] : [])),
  ),
  number('.uptime', ({ probeInfo }) =>
    probeInfo.flatMap((info) => (info.type === 'uptime' ? [info.uptime] : [])),
  ),
]);

const nothingInside = bodyRules(nothing, []);

const bodies = new Map<number, BodyRules>([
  [messageCodes.attachReq, attach],
  [messageCodes.attachAns, attach],
  [messageCodes.appAttachReq, appAttach],
  [messageCodes.appAttachAns, appAttach],
  [messageCodes.storeReq, storeRequest],
  [messageCodes.storeAns, storeAnswer],
  [messageCodes.fetchReq, fetchRequest],
  [messageCodes.fetchAns, fetchAnswer],
  [messageCodes.statReq, fetchRequest],
  [messageCodes.statAns, statAnswer],
  [messageCodes.updateReq, update],
  [messageCodes.updateAns, nothingInside],
  [messageCodes.leaveReq, leave],
  [messageCodes.leaveAns, nothingInside],
  [messageCodes.probeAns, probeAnswer],
  [messageCodes.configUpdateAns, nothingInside],
  [
    messageCodes.joinReq,
    bodyRules(joinReq, [
      bytes('.joinreq.joining_peer_id', ({ joiningPeerId }) => [joiningPeerId]),
      number('.overlay_specific_data >.length.16', (v) => [v.overlaySpecificData.length]),
    ]),
  ],
  [
    messageCodes.joinAns,
    bodyRules(joinAns, [
      number('.overlay_specific_data >.length.16', (v) => [v.overlaySpecificData.length]),
    ]),
  ],
  [
    messageCodes.pingReq,
    bodyRules(pingReq, [number('.padding >.length.16', ({ padding }) => [padding.length])]),
  ],
  [
    messageCodes.pingAns,
    bodyRules(pingAns, [
      number('.ping.response_id', ({ responseId }) => [responseId]),
      time('.ping.time', (v) => [v.time]),
    ]),
  ],
  [
    messageCodes.probeReq,
    bodyRules(probeReq, [
      number('.probe_information.type', ({ requestedInfo }) => requestedInfo.map(probeType)),
    ]),
  ],
  [
    messageCodes.findReq,
    bodyRules(findReq, [
      bytes('.resource .opaque.data', ({ resource }) => [resource]),
      number('.kindid', ({ kinds }) => kinds),
    ]),
  ],
  [
    messageCodes.findAns,
    bodyRules(findAns, [
      number('.findkinddata .kinddata.kind', ({ results }) => results.map(({ kind }) => kind)),
      bytes('.findkindata.closest .opaque.data', ({ results }) =>
        results.map(({ closest }) => closest),
      ),
    ]),
  ],
  [
    messageCodes.routeQueryReq,
    bodyRules(routeQueryReq, [
      number('.sendupdate', ({ sendUpdate }) => [sendUpdate]),
      ...destinationRules<RouteQueryReq>('.routequeryreq.destination', (v) => [v.destination]),
      number('.overlay_specific_data >.length.16', (v) => [v.overlaySpecificData.length]),
    ]),
  ],
  [
    messageCodes.routeQueryAns,
    bodyRules(chordRouteQueryAns, [
      bytes('.chordroutequeryans.nodeid', ({ nextPeer }) => [nextPeer]),
    ]),
  ],
  [
    messageCodes.configUpdateReq,
    bodyRules(configUpdateReq, [
      number('.configupdatereq.type', (v) => [
        v.type === 'unknown' ? v.tag : v.type === 'config' ? 1 : 2,
      ]),
      number('.configupdatereq.config_data >.length.24', (v) =>
        v.type === 'config' ? [v.configData.length] : [],
      ),
    ]),
  ],
  [
    messageCodes.error,
    bodyRules(errorResponse, [
      number('.error_response.code', ({ errorCode }) => [errorCode]),
      number('.error_response_info >.length.16', ({ errorInfo }) => [errorInfo.length]),
      raw('.error_response_info >.opaque.string', ({ errorInfo }) =>
        errorInfo.length === 0 ? [] : [errorInfo],
      ),
    ]),
  ],
]);

/** Bodies that tshark shows as mere bytes. */
const opaqueBodies = new Map<number, string>([
  [messageCodes.pathTrackReq, dissectorMistakes.pathTrack],
  [messageCodes.pathTrackAns, dissectorMistakes.pathTrack],
]);

export interface MessageComparison extends Comparison {
  /** Absent for an acknowledgement. */
  readonly code: number | undefined;
}

/** Compares one packet with the frame that it was made of. */
export function compareFrame(packet: PdmlNode, { frame }: PlainFrame): MessageComparison {
  const link = compare(packet, frame, frameRules);
  if (frame.type === 'ack') return { ...link, code: undefined };
  const decoded = decodeHeader(frame.message);
  const payload = decodePayload(frame.message.subarray(decoded.headerLength));
  const { messageCode: code, messageBody } = payload.contents;
  const body = bodies.get(code);
  if (body === undefined && !opaqueBodies.has(code)) {
    throw new Error(`nothing to compare for message code ${code}`);
  }
  const parts = [
    link,
    compare(packet, decoded, headerRules),
    compare(packet, payload, payloadRules),
    ...(body === undefined ? [] : [body(packet, messageBody)]),
  ];
  return {
    code,
    values: parts.reduce((sum, part) => sum + part.values, 0),
    differences: parts.flatMap(({ differences }) => differences),
  };
}
