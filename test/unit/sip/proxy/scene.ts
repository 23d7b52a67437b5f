import type { SipTransportName } from '../../../../src/ports/flow.ts';
import type { SipRequest } from '../../../../src/sip/message/message.ts';
import { type FakePhone, type Rig, createRig, message, register } from '../core/rig.ts';

/** Alice, who calls, and Bob, who has a phone. */
export function pair(
  callers: SipTransportName = 'udp',
  callees: SipTransportName = 'udp',
): { rig: Rig; alice: FakePhone; bob: FakePhone } {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10', callers);
  const bob = rig.phone('192.0.2.20', callees);
  register(bob, 'bob');
  return { rig, alice, bob };
}

/** Alice, who calls, and two phones of Bob. */
export function two(): { rig: Rig; alice: FakePhone; b: FakePhone; c: FakePhone } {
  const { rig, alice, bob: b } = pair();
  const c = rig.phone('192.0.2.21');
  register(c, 'bob');
  return { rig, alice, b, c };
}

/** Alice calls; the INVITE that the phone gets. */
export function inviteTo(
  alice: FakePhone,
  phone: FakePhone,
  headers: readonly string[] = [],
): SipRequest {
  alice.send(message(alice, { headers }));
  alice.response(100);
  return phone.request('INVITE');
}
