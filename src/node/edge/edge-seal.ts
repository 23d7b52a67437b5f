/** What the edge writes into SIP messages so that nobody else can: seals by HMAC-SHA-256. */
import { constantTimeEqual, hmacSha256 } from '../../base/hash.ts';
import { latin1Encode } from '../../base/text.ts';
import type { SipTransportName } from '../../ports/flow.ts';
import { familyOf, hostPort, parseHostPort } from '../sip-addresses.ts';

/** Where a phone is, as the drachtio server saw it. */
export interface PhonePlace {
  readonly transport: SipTransportName;
  /** Numeric, without brackets. */
  readonly address: string;
  readonly port: number;
}

/** What a relayed request was when it came from the phone. */
export interface Arrival {
  readonly phone: PhonePlace;
  /** The Request-URI as the phone wrote it: a drachtio server replaces one that names itself. */
  readonly uri: string;
  /** Call-ID and CSeq of the request: the seal counts for no other. */
  readonly callId: string;
  readonly cseq: string;
}

export interface EdgeSeals {
  /** Value of the header that vouches for a relayed request; it holds for `lifetimeMs`. */
  sealArrival(arrival: Arrival, nowMs: number): string;
  /** What was sealed; `undefined` when wrong, of another request, or too old. */
  openArrival(
    value: string,
    request: Pick<Arrival, 'callId' | 'cseq'>,
    nowMs: number,
  ): Omit<Arrival, 'callId' | 'cseq'> | undefined;
  /** User part of the route that leads back through the edge to a phone; only that phone gets to know it. */
  routeUser(flowId: string): string;
  /** The flow id, when this edge made the user part. */
  openRouteUser(user: string): string | undefined;
}

const transports: ReadonlySet<string> = new Set(['udp', 'tcp', 'tls', 'ws', 'wss']);

export function isSipTransport(text: string): text is SipTransportName {
  return transports.has(text);
}

/** `edge:tcp:192.0.2.1:40000`: the same phone has the same id after a restart. */
export function flowIdOf({ transport, address, port }: PhonePlace): string {
  return `edge:${transport}:${hostPort({ address, port })}`;
}

/** The reverse of {@link flowIdOf}. */
export function placeOfFlowId(id: string): PhonePlace | undefined {
  const match = /^edge:([a-z]{2,3}):(.{3,64})$/.exec(id);
  const transport = match?.[1] ?? '';
  const remote = parseHostPort(match?.[2] ?? '');
  if (remote === undefined || !isSipTransport(transport)) return undefined;
  return { transport, ...remote };
}

/**
 * @param arrivalKey 32 random bytes, for this process only
 * @param routeKey 32 bytes that stay the same when the box starts again: calls outlive it
 */
export function createEdgeSeals(deps: {
  readonly arrivalKey: Uint8Array;
  readonly routeKey: Uint8Array;
  readonly lifetimeMs: number;
}): EdgeSeals {
  const { arrivalKey, routeKey, lifetimeMs } = deps;

  function arrivalMac(content: string, callId: string, cseq: string): string {
    return mac(arrivalKey, `arrival\n${content}\n${callId}\n${cseq.replaceAll(/\s+/g, ' ')}`, 32);
  }

  return {
    sealArrival({ phone, uri, callId, cseq }, nowMs) {
      const where = `${phone.transport};${hostPort(phone)}`;
      const content = `${where};${String(Math.floor(nowMs))};${encode(uri)}`;
      return `${content};${arrivalMac(content, callId, cseq)}`;
    },
    openArrival(value, { callId, cseq }, nowMs) {
      const cut = value.lastIndexOf(';');
      const content = value.slice(0, Math.max(0, cut));
      if (!same(value.slice(cut + 1), arrivalMac(content, callId, cseq))) return undefined;
      const [transport = '', where = '', atMs = '', uri = ''] = content.split(';');
      const remote = parseHostPort(where);
      if (remote === undefined || !isSipTransport(transport)) return undefined;
      if (nowMs - Number(atMs) > lifetimeMs) return undefined;
      const text = Buffer.from(uri, 'base64url').toString('latin1');
      return { phone: { transport, ...remote }, uri: text };
    },
    routeUser: (flowId) => `edge.${encode(flowId)}.${mac(routeKey, `route\n${flowId}`, 15)}`,
    openRouteUser(user) {
      const [mark, encoded = '', proof = ''] = user.split('.', 3);
      if (mark !== 'edge' || encoded.length > 120) return undefined;
      const flowId = Buffer.from(encoded, 'base64url').toString('latin1');
      return same(proof, mac(routeKey, `route\n${flowId}`, 15)) ? flowId : undefined;
    },
  };
}

/** A numeric address that a flow id can hold. */
export function isNumericAddress(address: string): boolean {
  return familyOf(address) === 6 || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(address);
}

function encode(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64url');
}

function mac(key: Uint8Array, text: string, bytes: number): string {
  const whole = hmacSha256(key, Buffer.from(text, 'latin1'));
  return Buffer.from(whole.subarray(0, bytes)).toString('base64url');
}

function same(a: string, b: string): boolean {
  return constantTimeEqual(latin1Encode(a), latin1Encode(b));
}
