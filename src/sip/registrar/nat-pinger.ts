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
 * `natPingS` seconds, spread over that time.
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
  readonly settings: Pick<RegistrarSettings, 'natPingS' | 'natPing'>;
}

const tickMs = 1000;
const crlfPing = latin1Encode('\r\n\r\n');

export function createNatPinger(deps: NatPingerDeps): NatPinger {
  const { clock, domains, flows, hops, layer, location, settings, trace } = deps;
  const sent = trace.counter('sip_nat_pings_total', { result: 'sent' });
  const answers = trace.counter('sip_nat_pings_total', { result: 'answered' });
  /** Tells our pings from other requests in the responses. */
  const mark = `ping-${hexEncode(deps.random.bytes(8))}-`;
  const intervalMs = settings.natPingS * 1000;
  const members = new Set<string>();
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
    if (!location.bindings(aor).some((binding) => binding.nat)) {
      members.delete(aor);
    } else {
      members.add(aor);
      timer ??= clock.after('sip-nat-ping', tickMs, tick);
    }
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
      round = [...members];
      at = 0;
      roundBeganMs = nowMs;
    }
    const share = Math.ceil((round.length * tickMs) / intervalMs);
    const end = Math.min(at + share, round.length);
    for (; at < end; at++) {
      const aor = round[at] as string;
      if (!members.has(aor)) continue;
      for (const binding of location.bindings(aor)) if (binding.nat) ping(binding);
    }
    timer = clock.after('sip-nat-ping', tickMs, tick);
  }

  function ping(binding: Binding): void {
    const flow = binding.flowDead ? undefined : flows.find(binding.flowId);
    if (flow === undefined || flow.closed) return;
    sent.add();
    if (flow.reliable || settings.natPing === 'crlf') {
      flow.send(crlfPing);
      return;
    }
    const number = ++serial;
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

  return {
    answered(response) {
      const isAnswer = response.callId.startsWith(mark) && response.cseq.method === 'OPTIONS';
      if (isAnswer) answers.add();
      return isAnswer;
    },
    get size() {
      return members.size;
    },
    stop() {
      unfollow();
      timer?.cancel();
      members.clear();
    },
  };
}
