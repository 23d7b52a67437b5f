import { latin1Decode, latin1Encode } from '../../base/text.ts';
import type { Outcome } from '../../base/outcome.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Flow } from '../../ports/flow.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { RegistrarSettings } from '../core/settings.ts';
import type { Binding, DirectContact, LocationChange } from '../location/binding.ts';
import { uriEquals } from '../message/uri.ts';
import { directContact } from './direct-contact.ts';
import { type RegisterContact, type RegisterRequest, comparable } from './register-request.ts';

/** Where and when a REGISTER arrived. */
export interface Arrival {
  readonly nowMs: number;
  readonly flow: Flow;
  readonly userAgent: string;
  /** The request came over no address translation: Contact addresses may be used as they stand. */
  readonly untranslated: boolean;
}

/**
 * Works out the bindings after a REGISTER, all or nothing; nothing is changed here.
 * RFC 3261 §10.3 steps 6 and 7, RFC 5626 §6.
 */
export function updateBindings(
  current: readonly Binding[],
  register: RegisterRequest,
  arrival: Arrival,
  settings: RegistrarSettings,
): Outcome<LocationChange, SipFailure> {
  if (register.contacts === '*') return removeAll(current, register);
  const bindings = current.slice();
  let content = false;
  for (const contact of register.contacts) {
    const nat = isBehindNat(contact, register, arrival);
    const granted = grant(contact.expiresS, settings, nat && arrival.flow.transport === 'udp');
    if (!granted.ok) return granted;
    const index = findBinding(bindings, contact);
    const old = index < 0 ? undefined : bindings[index];
    // A contact named twice in one REGISTER meets its own earlier entry, which is no older request.
    const own = old !== undefined && !current.includes(old);
    if (!own && old?.callId === register.callId && register.cseq <= old.cseq) {
      return failure(outOfOrder);
    }
    if (granted.value === 0) {
      if (index < 0) continue;
      bindings.splice(index, 1);
      content = true;
      continue;
    }
    const epochMs = gruuEpoch(bindings, contact, register, arrival.nowMs);
    const next = makeBinding(old, contact, register, arrival, {
      grantedS: granted.value,
      nat,
      epochMs,
    });
    if (old === undefined || contentDiffers(old, next)) content = true;
    if (index >= 0 && index === bindings.length - 1) {
      bindings[index] = next;
    } else {
      if (index >= 0) bindings.splice(index, 1);
      bindings.push(next);
    }
    if (dropReplaced(bindings, next, register)) content = true;
    if (epochMs !== undefined) alignEpochs(bindings, next.instance, epochMs);
  }
  const tooMany = refusalOfCount(current, bindings, settings);
  if (tooMany !== undefined) return failure(tooMany);
  return success({
    aor: register.aor,
    // An array that grew holds room for sixteen more.
    bindings: bindings.length > current.length ? bindings.slice() : bindings,
    first: current.length === 0 && bindings.length > 0,
    last: current.length > 0 && bindings.length === 0,
    content,
  });
}

const outOfOrder = sipFailure(500, 'CSeq Out of Order');

function removeAll(
  current: readonly Binding[],
  register: RegisterRequest,
): Outcome<LocationChange, SipFailure> {
  for (const old of current) {
    if (old.callId === register.callId && register.cseq <= old.cseq) return failure(outOfOrder);
  }
  return success({
    aor: register.aor,
    bindings: [],
    first: false,
    last: current.length > 0,
    content: current.length > 0,
  });
}

/** Seconds granted; 423 only for more than 0, less than an hour, less than the minimum. */
function grant(
  requestedS: number | undefined,
  settings: RegistrarSettings,
  natOnUdp: boolean,
): Outcome<number, SipFailure> {
  const wantedS = requestedS ?? settings.defaultExpiresS;
  if (wantedS === 0) return success(0);
  if (wantedS < settings.minExpiresS && wantedS < 3600) {
    const minimum = String(Math.min(settings.minExpiresS, 3600));
    return failure(sipFailure(423, 'Interval Too Brief', [['Min-Expires', minimum]]));
  }
  const { natExpiresS, maxExpiresS } = settings;
  const mostS = natOnUdp && natExpiresS > 0 ? Math.min(natExpiresS, maxExpiresS) : maxExpiresS;
  return success(Math.min(wantedS, mostS));
}

/** Refused only where the REGISTER made it worse: limits may have been lowered meanwhile. */
function refusalOfCount(
  current: readonly Binding[],
  bindings: readonly Binding[],
  settings: RegistrarSettings,
): SipFailure | undefined {
  if (bindings.length <= current.length) return undefined;
  if (bindings.length > settings.maxContacts) return tooManyBindings;
  for (const { instance } of bindings) {
    if (instance === undefined) continue;
    let count = 0;
    for (const b of bindings) if (b.instance === instance) count++;
    if (count > settings.maxContactsPerDevice) return tooManyOfDevice;
  }
  return undefined;
}

const tooManyBindings = sipFailure(503, 'Too Many Bindings');
const tooManyOfDevice = sipFailure(503, 'Too Many Bindings Of One Device');

/**
 * A phone with outbound keeps its flow open, one behind an edge proxy is the proxy's care, and
 * WebSockets are kept open below SIP.
 */
function isBehindNat(
  contact: RegisterContact,
  register: RegisterRequest,
  { flow, untranslated }: Arrival,
): boolean {
  if (untranslated || contact.regId !== undefined || register.path.length > 0) return false;
  return flow.transport !== 'ws' && flow.transport !== 'wss';
}

/**
 * Another Call-ID than that of the contact registered last (of the flow, where it is one) voids all
 * temporary GRUUs of the instance. RFC 5627 §5.1.
 */
function gruuEpoch(
  bindings: readonly Binding[],
  { instance, regId }: RegisterContact,
  register: RegisterRequest,
  nowMs: number,
): number | undefined {
  if (instance === undefined) return undefined;
  let heldMs: number | undefined;
  let latest: Binding | undefined;
  for (const b of bindings) {
    if (b.instance !== instance) continue;
    heldMs = b.gruuEpochMs;
    if (b.regId !== regId) continue;
    if (latest === undefined || b.lastRefreshMs >= latest.lastRefreshMs) latest = b;
  }
  if (heldMs === undefined) return nowMs;
  if (latest === undefined || latest.callId === register.callId) return heldMs;
  return Math.max(nowMs, heldMs + 1);
}

function alignEpochs(bindings: Binding[], instance: string | undefined, epochMs: number): void {
  for (let i = 0; i < bindings.length; i++) {
    const b = bindings[i] as Binding;
    if (b.instance === instance && b.gruuEpochMs !== epochMs) {
      bindings[i] = { ...b, gruuEpochMs: epochMs };
    }
  }
}

/** By instance and reg-id where both are given, else by URI comparison. */
function findBinding(bindings: readonly Binding[], contact: RegisterContact): number {
  if (contact.regId !== undefined) {
    return bindings.findIndex((b) => b.instance === contact.instance && b.regId === contact.regId);
  }
  const exact = bindings.findIndex((b) => b.contact === contact.uri);
  if (exact >= 0 || bindings.length === 0) return exact;
  const wanted = comparable(contact.uri);
  if (wanted === undefined) return -1;
  return bindings.findIndex((b) => {
    const have = comparable(b.contact);
    return have !== undefined && uriEquals(have, wanted);
  });
}

/**
 * A phone that started anew (same instance, another Call-ID) leaves its former contact behind: it goes.
 * With reg-id the key itself does this.
 */
function dropReplaced(bindings: Binding[], next: Binding, register: RegisterRequest): boolean {
  if (next.instance === undefined || next.regId !== undefined) return false;
  let dropped = false;
  for (let i = bindings.length - 1; i >= 0; i--) {
    const b = bindings[i];
    if (b === undefined || b === next || b.instance !== next.instance) continue;
    if (b.regId !== undefined || b.callId === register.callId) continue;
    bindings.splice(i, 1);
    dropped = true;
  }
  return dropped;
}

function makeBinding(
  old: Binding | undefined,
  contact: RegisterContact,
  register: RegisterRequest,
  arrival: Arrival,
  worked: { grantedS: number; nat: boolean; epochMs: number | undefined },
): Binding {
  const { flow } = arrival;
  return {
    contact: keep(old?.contact, contact.uri),
    instance: contact.instance === undefined ? undefined : keep(old?.instance, contact.instance),
    regId: contact.regId,
    q: contact.q,
    expiresAtMs: arrival.nowMs + worked.grantedS * 1000,
    callId: keep(old?.callId, register.callId),
    cseq: register.cseq,
    receivedAddress: keep(old?.receivedAddress, flow.remote.address),
    receivedPort: flow.remote.port,
    transport: flow.transport,
    listener: flow.listener,
    flowId: keep(old?.flowId, flow.id),
    flowDead: flow.closed && flow.transport !== 'udp',
    direct: directOf(old?.direct, contact, register, arrival),
    path: keepList(old?.path, register.path),
    userAgent: keep(old?.userAgent, arrival.userAgent),
    parameters: keep(old?.parameters, contact.parameters),
    lastRefreshMs: arrival.nowMs,
    gruuEpochMs: worked.epochMs,
    nat: worked.nat,
  };
}

/** Outbound (RFC 5626) and Path (RFC 3327) say themselves which way a phone is to be reached. */
function directOf(
  held: DirectContact | undefined,
  contact: RegisterContact,
  register: RegisterRequest,
  arrival: Arrival,
): DirectContact | undefined {
  if (!arrival.untranslated || contact.regId !== undefined || register.path.length > 0) {
    return undefined;
  }
  const direct = directContact(contact.parsedUri, arrival.flow);
  return held?.port === direct?.port && held?.transport === direct?.transport ? held : direct;
}

/** The text already held when equal, else a copy that does not hold on to the whole message. */
function keep(held: string | undefined, text: string): string {
  if (held === text) return held;
  return text.length < 13 ? text : latin1Decode(latin1Encode(text));
}

function keepList(
  held: readonly string[] | undefined,
  texts: readonly string[],
): readonly string[] {
  if (held !== undefined && sameList(held, texts)) return held;
  return texts.length === 0 ? noPath : texts.map((text) => keep(undefined, text));
}

const noPath: readonly string[] = [];

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

function contentDiffers(a: Binding, b: Binding): boolean {
  return (
    a.contact !== b.contact ||
    a.q !== b.q ||
    a.instance !== b.instance ||
    a.regId !== b.regId ||
    a.parameters !== b.parameters ||
    a.transport !== b.transport ||
    a.direct !== b.direct ||
    a.gruuEpochMs !== b.gruuEpochMs ||
    a.nat !== b.nat ||
    a.path !== b.path
  );
}
