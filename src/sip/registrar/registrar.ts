import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Trace } from '../../ports/trace.ts';
import type { Domains } from '../core/domains.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { RegistrarSettings } from '../core/settings.ts';
import type { Binding, LocationChange } from '../location/binding.ts';
import type { LocationTable } from '../location/location-table.ts';
import { type SipRequest, type SipResponse, createResponse } from '../message/message.ts';
import type { Gruus } from '../gruu/gruus.ts';
import type { RegistrationAdmission } from './admission.ts';
import { updateBindings } from './binding-update.ts';
import { isUntranslated } from './direct-contact.ts';
import { type RegisterRequest, readRegister, supports } from './register-request.ts';
import { formatSipDate } from './sip-date.ts';

export interface RegistrarDeps {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly domains: Domains;
  readonly location: LocationTable;
  readonly settings: RegistrarSettings;
  readonly admission?: RegistrationAdmission | undefined;
  /** Absent: no GRUUs are given out. */
  readonly gruus?: Gruus | undefined;
}

export interface RegisterArrival {
  readonly request: SipRequest;
  readonly flow: Flow;
  /** Address of record proved by digest; `undefined` where nobody is asked for a proof. */
  readonly aor: string | undefined;
  readonly toTag: string;
  /** Called once, within or after `register`. */
  respond(response: SipResponse): void;
}

/** The registrar of RFC 3261 §10.3. */
export interface Registrar {
  register(arrival: RegisterArrival): void;
  /** Addresses whose REGISTER waits for its admission. */
  readonly waiting: number;
}

export function createRegistrar(deps: RegistrarDeps): Registrar {
  const { clock, domains, gruus, location, settings, trace } = deps;
  /** REGISTERs behind one that waits for its admission, by address. */
  const queues = new Map<string, (() => void)[]>();
  const accepted = trace.counter('sip_registrations_total', { result: 'accepted' });
  const rejected = trace.counter('sip_registrations_total', { result: 'rejected' });
  const unanswered = trace.counter('sip_registration_admission_timeouts_total');
  let dateS = -1;
  let dateText = '';

  function register(arrival: RegisterArrival): void {
    const parsed = readRegister(arrival.request, domains, settings);
    if (!parsed.ok) {
      refuse(arrival, parsed.error);
      return;
    }
    const { aor } = parsed.value;
    if (arrival.aor !== undefined && aor !== arrival.aor) {
      refuse(arrival, thirdParty);
      return;
    }
    const queue = queues.get(aor);
    if (queue === undefined) {
      process(arrival, parsed.value);
    } else if (queue.length < limits.sipRoles.waitingRegistersPerAor) {
      queue.push(() => {
        process(arrival, parsed.value);
      });
    } else {
      refuse(arrival, busy);
    }
  }

  function process(arrival: RegisterArrival, parsed: RegisterRequest): void {
    if (parsed.contacts.length === 0) {
      confirm(arrival, parsed, location.bindings(parsed.aor));
      return;
    }
    const change = evaluate(arrival, parsed);
    if (!change.ok) {
      refuse(arrival, change.error);
      return;
    }
    const asks = change.value.first || change.value.last || change.value.content;
    if (!asks || deps.admission === undefined) commit(arrival, parsed, change.value);
    else ask(deps.admission, arrival, parsed, change.value);
  }

  function evaluate(
    arrival: RegisterArrival,
    parsed: RegisterRequest,
  ): Outcome<LocationChange, SipFailure> {
    const { flow, request } = arrival;
    const named = request.header('User-Agent') ?? '';
    const userAgent =
      named.length > limits.sipRoles.userAgentBytes
        ? named.slice(0, limits.sipRoles.userAgentBytes)
        : named;
    return updateBindings(
      location.bindings(parsed.aor),
      parsed,
      { nowMs: clock.wallMs(), flow, userAgent, untranslated: isUntranslated(request, flow) },
      settings,
    );
  }

  function ask(
    admission: RegistrationAdmission,
    arrival: RegisterArrival,
    parsed: RegisterRequest,
    change: LocationChange,
  ): void {
    if (queues.size >= limits.sipRoles.pendingAdmissions) {
      refuse(arrival, busy);
      return;
    }
    queues.set(parsed.aor, []);
    let settled = false;
    const settle = (refusal: SipFailure | undefined): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      if (refusal !== undefined) {
        refuse(arrival, refusal);
      } else {
        // Bindings may have expired and flows closed meanwhile.
        const now = evaluate(arrival, parsed);
        if (now.ok) commit(arrival, parsed, now.value);
        else refuse(arrival, now.error);
      }
      release(parsed.aor);
    };
    const timer = clock.after('sip-admission', settings.admissionTimeoutMs, () => {
      unanswered.add();
      settle(undefined);
    });
    admission.admit(change, settle);
  }

  /** Lets the REGISTERs that waited go on, until one of them waits again. */
  function release(aor: string): void {
    const waiting = queues.get(aor) ?? [];
    queues.delete(aor);
    for (;;) {
      const next = waiting.shift();
      if (next === undefined) return;
      next();
      const queue = queues.get(aor);
      if (queue === undefined) continue;
      queue.push(...waiting);
      return;
    }
  }

  function commit(arrival: RegisterArrival, parsed: RegisterRequest, change: LocationChange): void {
    if (!location.apply(change)) {
      refuse(arrival, sipFailure(503, 'Too Many Bindings'));
      return;
    }
    confirm(arrival, parsed, change.bindings);
  }

  function refuse(arrival: RegisterArrival, refusal: SipFailure): void {
    rejected.add();
    arrival.respond(
      createResponse(arrival.request, refusal.status, refusal.reason, {
        toTag: arrival.toTag,
        ...(refusal.headers === undefined ? {} : { headers: refusal.headers }),
      }),
    );
  }

  /** 200 with every binding and what is left of it. RFC 3261 §10.3 step 8. */
  function confirm(
    arrival: RegisterArrival,
    parsed: RegisterRequest,
    bindings: readonly Binding[],
  ): void {
    accepted.add();
    const now = clock.wallMs();
    const headers: (readonly [string, string])[] = [];
    const { request } = arrival;
    const withGruus = gruus !== undefined && supports(request, 'gruu');
    for (const b of bindings) {
      const gruu = withGruus ? gruuParameters(gruus, parsed, b) : '';
      headers.push(['Contact', contactValue(b, now, gruu)]);
    }
    if (parsed.path.length > 0 && supports(request, 'path')) {
      headers.push(['Path', parsed.path.join(', ')]);
    }
    for (const route of settings.serviceRoute) headers.push(['Service-Route', route]);
    if (parsed.outbound) {
      headers.push(['Require', 'outbound']);
      // Behind an edge proxy the flow is the proxy's, which adds its own.
      if (settings.flowTimerS > 0 && parsed.path.length === 0) {
        headers.push(['Flow-Timer', String(settings.flowTimerS)]);
        arrival.flow.expectTraffic?.(settings.flowTimerS * 1000 + flowGraceMs);
      }
    }
    headers.push(['Date', date(now)]);
    arrival.respond(createResponse(request, 200, 'OK', { toTag: arrival.toTag, headers }));
  }

  function date(now: number): string {
    const seconds = Math.trunc(now / 1000);
    if (seconds !== dateS) {
      dateS = seconds;
      dateText = formatSipDate(now);
    }
    return dateText;
  }

  return {
    register,
    get waiting() {
      return queues.size;
    },
  };
}

const busy = sipFailure(503, 'Service Unavailable', [['Retry-After', '5']]);

/** RFC 7904 §3.3: the record is signed with the user's own certificate, which nobody else holds. */
const thirdParty = sipFailure(403, 'Third-Party Registration Refused', [
  [
    'Warning',
    '399 chordial "To names another user than the credentials; users register themselves only"',
  ],
]);

/** A flow is given up this long after its Flow-Timer (RFC 5626 §5.4: later than that). */
const flowGraceMs = 30_000;

/** RFC 5627 §5.2. */
function gruuParameters(gruus: Gruus, { aor, scheme }: RegisterRequest, b: Binding): string {
  const { instance, gruuEpochMs } = b;
  if (instance === undefined || gruuEpochMs === undefined) return '';
  const temporary = gruus.temporaryGruu(aor, instance, gruuEpochMs, scheme);
  const ofPublic = `;pub-gruu="${gruus.publicGruu(aor, instance, scheme)}"`;
  return temporary === undefined ? ofPublic : `${ofPublic};temp-gruu="${temporary}"`;
}

function contactValue(b: Binding, now: number, gruu: string): string {
  const leftS = Math.max(1, Math.round((b.expiresAtMs - now) / 1000));
  const q = b.q === 1000 ? '' : `;q=${(b.q / 1000).toFixed(3).replace(/0{1,2}$/, '')}`;
  return `<${b.contact}>${b.parameters}${gruu}${q};expires=${String(leftS)}`;
}
