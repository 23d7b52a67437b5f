/**
 * Session timers as a proxy asks for them, so that calls whose phones vanished end: RFC 4028 §8. The
 * proxy keeps no call state; the phones refresh or hang up.
 */
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';

export interface SessionTimerPolicy {
  /** Longest interval between refreshes, seconds. */
  readonly sessionExpiresS: number;
  /** Shortest interval accepted, seconds; at least 90. */
  readonly minSessionExpiresS: number;
}

/** What was asked of a session for the time of one transaction. */
export interface SessionTimer {
  readonly intervalS: number;
  readonly callerKnowsTimers: boolean;
  /** Headers of the forwarded request. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** RFC 4028 §5. */
const leastS = 90;

const refreshes: ReadonlySet<string> = new Set(['INVITE', 'UPDATE']);

/** §8.1. `undefined` for requests that refresh no session. */
export function askForTimer(
  request: SipRequest,
  policy: SessionTimerPolicy | undefined,
): SessionTimer | SipFailure | undefined {
  if (policy === undefined || !refreshes.has(request.method)) return undefined;
  const callerKnowsTimers = request
    .values('Supported')
    .some((tag) => tag.toLowerCase() === 'timer');
  const minimumS = Math.max(leastS, policy.minSessionExpiresS);
  const wanted = request.header('Session-Expires');
  const wantedS = secondsOf(wanted);
  const givenMinS = secondsOf(request.header('Min-SE'));
  const headers: [string, string][] = [];
  let floorS = Math.max(leastS, givenMinS ?? leastS);
  if (wantedS !== undefined && wantedS < minimumS) {
    if (callerKnowsTimers) {
      return sipFailure(422, 'Session Interval Too Small', [['Min-SE', String(minimumS)]]);
    }
    if (floorS < minimumS || givenMinS === undefined) headers.push(['Min-SE', String(minimumS)]);
    floorS = Math.max(floorS, minimumS);
  }
  const ceilingS = Math.max(policy.sessionExpiresS, minimumS, floorS);
  const intervalS =
    wantedS === undefined ? ceilingS : Math.max(floorS, Math.min(wantedS, ceilingS));
  if (intervalS !== wantedS) {
    const parameters = wanted?.replace(/^[^;]*/, '') ?? '';
    headers.push(['Session-Expires', `${String(intervalS)}${parameters}`]);
  }
  return { intervalS, callerKnowsTimers, headers };
}

/** §8.2: the caller refreshes when the callee knows no timers. */
export function confirmTimer(
  timer: Pick<SessionTimer, 'intervalS' | 'callerKnowsTimers'>,
  response: SipResponse,
): SipResponse {
  const isOver = response.status < 200 || response.status > 299;
  if (isOver || !timer.callerKnowsTimers || response.has('Session-Expires')) return response;
  const editor = response.edit().set('Session-Expires', `${String(timer.intervalS)};refresher=uac`);
  const required = response.values('Require');
  if (!required.some((tag) => tag.toLowerCase() === 'timer')) {
    editor.set('Require', [...required, 'timer'].join(', '));
  }
  return editor.build();
}

function secondsOf(text: string | undefined): number | undefined {
  const digits = text === undefined ? undefined : /^\s*(\d{1,9})\s*(?:;|$)/.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
