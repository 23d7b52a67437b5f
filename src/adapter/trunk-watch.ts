/** Keeps one trunk in use: registers there where asked to, and asks by OPTIONS whether it is there. */
import type { TrunkSettings } from '../ports/trunk.ts';
import { hexEncode } from '../base/text.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Flow } from '../ports/flow.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import { withCredentials } from '../sip/digest/answer.ts';
import { type SipRequest, type SipResponse, createRequest } from '../sip/message/message.ts';
import { escapeUser, parseUri } from '../sip/message/uri.ts';
import type { OpenFlow } from '../sip/proxy/targets.ts';
import type { ClientCallbacks } from '../sip/transaction/types.ts';

export interface TrunkWatch {
  /** False after a failed OPTIONS or REGISTER, until the next good one. */
  readonly up: boolean;
  readonly registered: boolean;
  start(): void;
  stop(): void;
}

export interface TrunkWatchDeps {
  readonly settings: TrunkSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly open: OpenFlow;
  request(request: SipRequest, flow: Flow, callbacks: ClientCallbacks): void;
  /** `host:port` that the trunk can reach this box by. */
  contactHost(flow: Flow): string;
}

const expiresS = 600;
const retryMs = 30_000;

export function createTrunkWatch(deps: TrunkWatchDeps): TrunkWatch {
  const { clock, random, settings, trace } = deps;
  const { name, password, uri, user } = settings;
  const parsed = parseUri(uri);
  const host = parsed.ok ? parsed.value.host : '';
  const domain = `sip:${host}`;
  const failures = trace.counter('sip_trunk_failures_total', { trunk: name });
  const callId = hexEncode(random.bytes(16));
  const timers = new Set<Timer>();
  let cseq = 0;
  let up = true;
  let registered = false;
  let stopped = false;

  function later(what: string, delayMs: number, run: () => void): void {
    const timer = clock.after(what, delayMs, () => {
      timers.delete(timer);
      if (!stopped) run();
    });
    timers.add(timer);
  }

  function tell(now: boolean, why: string): void {
    if (now !== up)
      trace.log(now ? 'info' : 'warn', now ? 'trunk-up' : 'trunk-down', { name, why });
    if (!now) failures.add();
    up = now;
  }

  /** One request with at most one answer to a challenge; `status` 0 when nobody answered. */
  function ask(
    method: string,
    headers: (flow: Flow) => [string, string][],
    done: (status: number, response: SipResponse | undefined) => void,
  ): void {
    deps.open((outcome) => {
      if (!outcome.ok) {
        done(0, undefined);
        return;
      }
      const flow = outcome.value;
      const self = `<sip:${escapeUser(user ?? 'chordial')}@${host}>`;
      const send = (request: SipRequest, isAnswer: boolean): void => {
        deps.request(request, flow, {
          response(response) {
            const { status } = response;
            if (status < 200) return;
            const asks = (status === 401 || status === 407) && !isAnswer;
            const again =
              asks && user !== undefined && password !== undefined
                ? withCredentials(request, response, { user, password }, random)
                : undefined;
            if (again === undefined) done(status, response);
            else
              send(
                again
                  .edit()
                  .set('CSeq', `${String(++cseq)} ${method}`)
                  .build(),
                true,
              );
          },
          failed: () => {
            done(0, undefined);
          },
        });
      };
      const from = `${self};tag=${hexEncode(random.bytes(6))}`;
      const parts = { method, uri: domain, from, to: self, callId, cseq: ++cseq };
      send(createRequest({ ...parts, headers: headers(flow) }), false);
    });
  }

  function register(forS: number): void {
    ask(
      'REGISTER',
      (flow) => [
        ['Contact', `<sip:${escapeUser(user ?? name)}@${deps.contactHost(flow)}>`],
        ['Expires', String(forS)],
      ],
      (status, response) => {
        if (stopped || forS === 0) return;
        registered = status >= 200 && status < 300;
        tell(registered, `REGISTER ${String(status)}`);
        const minimumS = status === 423 ? Number(response?.header('Min-Expires')) : Number.NaN;
        if (Number.isInteger(minimumS) && minimumS > forS && minimumS <= 86_400) {
          later('trunk-register', 0, () => {
            register(minimumS);
          });
          return;
        }
        const grantedMs = grantedSeconds(response, forS) * 1000;
        later('trunk-register', registered ? grantedMs * 0.8 : retryMs, () => {
          register(forS);
        });
      },
    );
  }

  function ping(everyMs: number): void {
    ask(
      'OPTIONS',
      () => [],
      (status) => {
        // Any answer shows that somebody is there, but 503 that it does not work.
        tell(status !== 0 && status !== 408 && status !== 503, `OPTIONS ${String(status)}`);
        later('trunk-options', everyMs, () => {
          ping(everyMs);
        });
      },
    );
  }

  return {
    get up() {
      return up;
    },
    get registered() {
      return registered;
    },
    start() {
      if (settings.register === true) register(expiresS);
      const { healthS = 0 } = settings;
      if (healthS > 0) ping(healthS * 1000);
    },
    stop() {
      if (registered) register(0);
      stopped = true;
      for (const timer of timers) timer.cancel();
      timers.clear();
    },
  };
}

/** Seconds the registrar granted: expires of a Contact, else Expires, else what was asked for. */
function grantedSeconds(response: SipResponse | undefined, askedS: number): number {
  const contact = response?.values('Contact').find((value) => /;\s*expires=/i.test(value)) ?? '';
  const text = /;\s*expires=(\d{1,9})/i.exec(contact)?.[1] ?? response?.header('Expires') ?? '';
  const seconds = Number(text);
  return text === '' || !Number.isFinite(seconds)
    ? askedS
    : Math.min(Math.max(seconds, 30), askedS);
}
