/**
 * A real drachtio server between phones and a box. `DRACHTIO_SERVER` names it, as `host:port` of its admin
 * port; `DRACHTIO_SECRET` its secret (`cymru`), `DRACHTIO_SIP` its UDP address on this machine, which is
 * both the hop and where the phones of the test send (`127.0.0.1:5060`). See docs/drachtio.md.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type EdgeBox,
  cancelledCall,
  edgeDomain,
  invite,
  passwordOf,
  startEdgeBox,
  until,
  wholeCall,
} from '../support/edge-box.ts';
import { type EdgePhone, createEdgePhone } from '../support/edge-phone.ts';
import { placeOf } from '../support/sip-lines.ts';

const server = process.env['DRACHTIO_SERVER'] ?? '';
const sip = process.env['DRACHTIO_SIP'] ?? '127.0.0.1:5060';
const skip =
  server === ''
    ? 'needs a drachtio server: set DRACHTIO_SERVER=host:9022 (docs/drachtio.md says how)'
    : false;

describe('a real drachtio server', { skip }, () => {
  let served: EdgeBox;
  let alice: EdgePhone;
  let bob: EdgePhone;

  before(async () => {
    const { host, port } = placeOf(`sip:${server}`);
    const secret = process.env['DRACHTIO_SECRET'] ?? 'cymru';
    served = await startEdgeBox({ host, port, secret, hop: sip });
    await until(() => served.state().connected);
    const at = placeOf(`sip:${sip}`);
    alice = await createEdgePhone({ name: 'alice', domain: edgeDomain, server: at });
    bob = await createEdgePhone({ name: 'bob', domain: edgeDomain, server: at });
  });

  after(async () => {
    alice.close();
    bob.close();
    await served.box.stop();
  });

  test('phones register with digest', async () => {
    await alice.register(passwordOf('alice'));
    await bob.register(passwordOf('bob'));
  });

  test('calls cross it both ways: INVITE, ACK, re-INVITE, BYE', async () => {
    await wholeCall(alice, bob);
    await wholeCall(bob, alice);
  });

  test('CANCEL and refusals cross it', async () => {
    await cancelledCall(alice, bob);
    await invite(alice, 'bob');
    bob.respond(await bob.next('INVITE'), '486 Busy Here');
    await alice.next('SIP/2.0 486');
    assert.equal(await served.figure('sip_edge_refused_total', 'reason="wrong-seal"'), 0);
  });
});
