/** REGISTER through an adapter: the answer comes after the overlay has spoken. */
import assert from 'node:assert/strict';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import { credentials, message } from '../../sip/core/rig.ts';
import type { FakePhone } from '../../sip/core/rig.ts';
import type { FakeClock } from './world.ts';
import { domain } from './world.ts';

let cseq = 0;

export interface RegisterOptions {
  readonly contact?: string;
  readonly host?: string;
  readonly expiresS?: number;
  /** Name in the credentials; else the user. */
  readonly login?: string;
  readonly headers?: readonly string[];
  readonly callId?: string;
  /** How long to wait for the answer. */
  readonly waitMs?: number;
}

/** `undefined` when no answer came in time. */
export function tryRegister(
  clock: FakeClock,
  phone: FakePhone,
  user: string,
  options: RegisterOptions = {},
): SipResponse | undefined {
  const host = options.host ?? domain;
  const contact = options.contact ?? `<sip:${user}@${phone.flow.remote.address}:5062>`;
  const text = (headers: readonly string[]): string =>
    message(phone, {
      method: 'REGISTER',
      uri: `sip:${host}`,
      from: `<sip:${user}@${host}>;tag=r`,
      to: `<sip:${user}@${host}>`,
      callId: options.callId ?? `reg-${user}-${phone.flow.id}`,
      cseq: ++cseq,
      headers: [
        `Contact: ${contact}`,
        ...(options.expiresS === undefined ? [] : [`Expires: ${String(options.expiresS)}`]),
        ...(options.headers ?? []),
        ...headers,
      ],
    });
  phone.send(text([]));
  const challenge = phone.response(401).header('WWW-Authenticate') ?? '';
  const name = options.login ?? user;
  const login = credentials(challenge, name, `${user}pw`, 'REGISTER', `sip:${host}`);
  phone.send(text([`Authorization: ${login}`]));
  clock.run(options.waitMs ?? 10);
  if (phone.waiting === 0) return undefined;
  const answer = phone.take();
  assert.ok(answer.kind === 'response');
  return answer;
}

export function register(
  clock: FakeClock,
  phone: FakePhone,
  user: string,
  options: RegisterOptions = {},
): SipResponse {
  const answer = tryRegister(clock, phone, user, options);
  assert.ok(answer !== undefined, 'no answer to REGISTER');
  return answer;
}
