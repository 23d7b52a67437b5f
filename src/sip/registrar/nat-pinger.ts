import { hexEncode, latin1Encode } from '../../base/text.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { FlowOpener } from '../../ports/flow.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import type { Domains } from '../core/domains.ts';
import type { RegistrarSettings } from '../core/settings.ts';
import type { Binding } from '../location/binding.ts';
import type { LocationTable } from '../location/location-table.ts';
import { type SipResponse, createRequest } from '../message/message.ts';
import type { HopAddressing } from '../proxy/targets.ts';
import type { TransactionLayer } from '../transaction/types.ts';

/**
 * Keeps the address translations of phones open that do not do so themselves: each gets a ping every
 * `natPingS` seconds, spread over that time. A phone that has answered pings and leaves `natPingsLost` of
 * them in a row unanswered is gone: its binding is removed. Nothing is concluded from the silence of
 * phones that never answered, nor where all of many fall silent at once, which is the network.
 */
export interface NatPinger {
  /** Takes a response without transaction; true when it answers a ping. */
  answered(response: SipResponse): boolean;
  /** Addresses of record with phones that are pinged. */
  readonly size: number;
  stop(): void;
}

export interface NatPingerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly domains: Domains;
  readonly location: LocationTable;
  readonly flows: Pick<FlowOpener, 'find'>;
  readonly hops: Pick<HopAddressing, 'via'>;
  readonly layer: Pick<TransactionLayer, 'sendStateless'>;
  readonly settings: Pick<RegistrarSettings, 'natPingS' | 'natPing' | 'natPingsLost'>;
}

/** What is known of a phone by its answers. */
interface Watch {
  readonly contact: string;
  hasAnswered: boolean;
  /** Pings in a row without an answer. */
  lost: number;
  /** Number of the ping that waits for its answer, and when it went; 0 = none. */
  waiting: number;
  sentMs: number;
  /** {@link Binding.lastRefreshMs} at the last ping: a REGISTER shows life, too. */
  refreshMs: number;
}

const tickMs = 1000;
/** Fewer phones than these may all be dead. */
const manyPhones = 5;
const crlfPing = latin1Encode('\r\n\r\n');

export function createNatPinger(deps: NatPingerDeps): NatPinger {
  const { clock, domains, flows, hops, layer, location, settings, trace } = deps;
  const sent = trace.counter('sip_nat_pings_total', { result: 'sent' });
  const answers = trace.counter('sip_nat_pings_total', { result: 'answered' });
  const removed = trace.counter('sip_nat_bindings_removed_total');
  /** Tells our pings from other requests in the responses. */
  const mark = `ping-${hexEncode(deps.random.bytes(8))}-`;
  const intervalMs = settings.natPingS * 1000;
  /** Addresses of record with phones that are pinged, and what is known of those that may answer. */
  const members = new Map<string, readonly Watch[]>();
  const waiting = new Map<number, Watch>();
  let lastAnswerMs = -Infinity;
  /** Those that wait for their ping in this round, from `at` on. */
  let round: string[] = [];
  let at = 0;
  let roundBeganMs = -Infinity;
  let timer: Timer | undefined;
  let serial = 0;
  let unfollow = (): void => undefined;
  if (settings.natPingS > 0) {
    for (const aor of location.aors()) look(aor);
    unfollow = location.onChange((event) => {
      if (event.content || event.first || event.last) look(event.aor);
    });
    trace.gauge('sip_nat_pinged_aors', () => members.size);
  }

  function look(aor: string): void {
    const bindings = location.bindings(aor);
    if (!bindings.some((binding) => binding.nat)) {
      for (const watch of members.get(aor) ?? []) waiting.delete(watch.waiting);
      members.delete(aor);
    } else {
      const known = members.get(aor) ?? [];
      const kept = known.filter((watch) => bindings.some((b) => b.contact === watch.contact));
      for (const watch of known) if (!kept.includes(watch)) waiting.delete(watch.waiting);
      members.set(aor, kept);
      timer ??= clock.after('sip-nat-ping', tickMs, tick);
    }
  }

  function isGone(watch: Watch): boolean {
    const { natPingsLost } = settings;
    return natPingsLost > 0 && watch.hasAnswered && watch.lost >= natPingsLost;
  }

  function tick(): void {
    timer = undefined;
    if (members.size === 0) {
      round = [];
      at = 0;
      return;
    }
    const nowMs = clock.monotonicMs();
    if (at >= round.length && nowMs - roundBeganMs >= intervalMs) {
      round = [...members.keys()];
      at = 0;
      roundBeganMs = nowMs;
    }
    const share = Math.ceil((round.length * tickMs) / intervalMs);
    const end = Math.min(at + share, round.length);
    for (; at < end; at++) {
      const aor = round[at] as string;
      if (members.has(aor)) pingPhones(aor);
    }
    timer = clock.after('sip-nat-ping', tickMs, tick);
  }

  function pingPhones(aor: string): void {
    const bindings = location.bindings(aor);
    const left = bindings.filter((binding) => {
      const watch = binding.nat ? watchOf(aor, binding) : undefined;
      return watch === undefined || !isGone(watch);
    });
    if (left.length < bindings.length) {
      removed.add(bindings.length - left.length);
      trace.log('info', 'sip-phone-gone', { aor, pingsLost: settings.natPingsLost });
      const last = left.length === 0;
      location.apply({ aor, bindings: left, first: false, last, content: true }, 'expiry');
    }
    for (const binding of left) if (binding.nat) ping(aor, binding);
  }

  /** With the ping counted that has had no answer until now. */
  function watchOf(aor: string, { contact, lastRefreshMs }: Binding): Watch | undefined {
    const watch = members.get(aor)?.find((known) => known.contact === contact);
    if (watch === undefined) return undefined;
    if (watch.refreshMs !== lastRefreshMs) watch.lost = 0;
    else if (waiting.delete(watch.waiting) && countsAsLost(watch)) watch.lost++;
    watch.refreshMs = lastRefreshMs;
    return watch;
  }

  /** Where nobody has answered since, many silent phones are the fault of the network. */
  function countsAsLost({ sentMs }: Watch): boolean {
    return lastAnswerMs >= sentMs || members.size < manyPhones;
  }

  function ping(aor: string, binding: Binding): void {
    const flow = binding.flowDead ? undefined : flows.find(binding.flowId);
    if (flow === undefined || flow.closed) return;
    sent.add();
    if (flow.reliable || settings.natPing === 'crlf') {
      flow.send(crlfPing);
      return;
    }
    const number = ++serial;
    expectAnswer(aor, binding, number);
    const request = createRequest({
      method: 'OPTIONS',
      uri: binding.contact,
      from: `<sip:${domains.canonical}>;tag=${mark}${String(number)}`,
      to: `<${binding.contact}>`,
      callId: `${mark}${String(number)}`,
      cseq: 1,
      headers: [['Accept', 'application/sdp']],
    });
    layer.sendStateless(request, flow, hops.via(flow));
  }

  function expectAnswer(aor: string, { contact, lastRefreshMs }: Binding, number: number): void {
    const known = members.get(aor) ?? [];
    let watch = known.find((other) => other.contact === contact);
    if (watch === undefined) {
      watch = {
        contact,
        hasAnswered: false,
        lost: 0,
        waiting: 0,
        sentMs: 0,
        refreshMs: lastRefreshMs,
      };
      members.set(aor, [...known, watch]);
    }
    waiting.delete(watch.waiting);
    watch.waiting = number;
    watch.sentMs = clock.monotonicMs();
    waiting.set(number, watch);
  }

  return {
    answered(response) {
      const isAnswer = response.callId.startsWith(mark) && response.cseq.method === 'OPTIONS';
      if (!isAnswer) return false;
      answers.add();
      lastAnswerMs = clock.monotonicMs();
      const number = Number(response.callId.slice(mark.length));
      const watch = waiting.get(number);
      if (watch === undefined) return true;
      waiting.delete(number);
      watch.hasAnswered = true;
      watch.lost = 0;
      return true;
    },
    get size() {
      return members.size;
    },
    stop() {
      unfollow();
      timer?.cancel();
      members.clear();
      waiting.clear();
    },
  };
}
