/** Two boxes, a phone at each, and a call between them. */
import { message } from '../../sip/core/rig.ts';
import type { MessageParts } from '../../sip/core/rig.ts';
import type { Box, FakePhone, SipRequest, SipResponse, World } from './box.ts';
import { createWorld } from './box.ts';
import { register } from './register.ts';
import { domain } from './world.ts';

export const alice = `alice@${domain}`;
export const bob = `bob@${domain}`;

export interface Scene {
  readonly world: World;
  readonly one: Box;
  readonly two: Box;
  readonly a: FakePhone;
  readonly b: FakePhone;
}

/** alice at box 1, bob at box 2. */
export function scene(more: Parameters<World['box']>[1] = {}): Scene {
  const world = createWorld();
  const one = world.box(1, more);
  const two = world.box(2, more);
  const a = one.phone('192.0.2.10');
  const b = two.phone('192.0.2.20');
  register(world.clock, a, 'alice');
  register(world.clock, b, 'bob');
  world.clock.run(6000);
  return { world, one, two, a, b };
}

export interface Call {
  readonly invite: SipRequest;
  readonly ok: SipResponse;
  fromCaller(method: string, cseq?: number): string;
  fromCallee(method: string): string;
}

export function establish({ world, a, b }: Scene, parts: MessageParts = {}): Call {
  a.send(message(a, parts));
  world.clock.run(10);
  a.response(100);
  const invite = b.request('INVITE');
  b.reply(invite, 180);
  world.clock.run(10);
  a.response(180);
  b.reply(invite, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  world.clock.run(10);
  const ok = a.response(200);
  const routes = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  const calleeRoutes = invite.values('Record-Route').map((route) => `Route: ${route}`);
  const call: Call = {
    invite,
    ok,
    fromCaller: (method, cseq = 1) =>
      message(a, {
        method,
        cseq,
        uri: 'sip:bob@192.0.2.20:5062',
        from: ok.header('From')!,
        to: ok.header('To')!,
        headers: routes,
      }),
    fromCallee: (method) =>
      message(b, {
        method,
        cseq: 7,
        uri: 'sip:alice@192.0.2.10:5062',
        from: ok.header('To')!,
        to: invite.header('From')!,
        headers: calleeRoutes,
      }),
  };
  a.send(call.fromCaller('ACK'));
  world.clock.run(10);
  b.request('ACK');
  return call;
}
