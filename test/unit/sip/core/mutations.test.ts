import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrng } from '../../../../src/base/prng.ts';
import { latin1Encode } from '../../../../src/base/text.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import { parseMessage } from '../../../../src/sip/message/message.ts';
import { createRegistrar } from '../../../../src/sip/registrar/registrar.ts';
import { createRig, domain, domains, message, register, serverAddress } from './rig.ts';

const fragments = [
  '"',
  '<',
  '>',
  ';',
  ',',
  '\\',
  '@',
  ':',
  '[',
  ']',
  '?',
  '=',
  '~',
  '*',
  ' ',
  '%',
  '0',
  '\u0000',
  '\\\u0000',
  '%00',
  '[::1]',
  'sip:',
  'sips:',
  '\r\n',
  '\r\n ',
  'ÿ',
  ';lr',
  `;maddr=${serverAddress}`,
  '99999999999',
  ';tag=',
  `;fh=${serverAddress}`,
  ';th=lab.example',
  'Privacy: id\r\n',
];

test('mutated requests of every kind: no exception, every copy sent on parses, nothing is left behind', () => {
  const random = createPrng('mutations');
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20', 'tcp');
  const registrar = createRegistrar({
    clock: rig.clock,
    trace: silentTrace,
    domains,
    location: rig.location,
    settings: defaultSipSettings.registrar,
  });
  register(bob, 'bob');
  alice.send(message(alice, { callId: 'first' }));
  bob.reply(bob.request('INVITE'), 200, { contact: 'sip:bob@192.0.2.20:5062' });
  alice.response(100);
  const routes = [...alice.response(200).values('Record-Route')].reverse();
  const headers = routes.map((route) => `Route: ${route}`);
  const inDialog = {
    uri: 'sip:bob@192.0.2.20:5062',
    to: `<sip:bob@${domain}>;tag=callee`,
    headers,
  };
  const originals = [
    {
      headers: ['Route: <sip:lab.example;lr>', 'Max-Breadth: 2', 'P-Preferred-Identity: <sip:a@b>'],
    },
    {
      from: `"A \\" b" <sip:alice@${serverAddress}>;tag=1;x="\\\\"`,
      uri: `sip:bob@${serverAddress}`,
    },
    { from: `sip:alice@${serverAddress};tag=1;x="\\a"`, method: 'BYE', ...inDialog },
    { method: 'ACK', ...inDialog },
    {
      method: 'REGISTER',
      uri: `sip:${domain}`,
      to: `<sip:alice@${domain}>`,
      headers: [
        'Contact: <sip:alice@192.0.2.10;x=1>;q=0.5;expires=60;+sip.instance="<urn:uuid:1>";reg-id=1',
        'Path: <sip:p;lr>',
        'Supported: path, outbound',
      ],
    },
  ];
  for (let i = 0; i < 2000; i++) {
    let text = message(alice, originals[i % originals.length]).replaceAll('\n', '\r\n');
    for (let edits = random.below(4); edits >= 0; edits--) {
      const at = random.below(text.length);
      const fragment = fragments[random.below(fragments.length)] ?? '';
      text = text.slice(0, at) + fragment + text.slice(at + random.below(3) * random.below(6));
    }
    const bytes = latin1Encode(text);
    rig.server.receive(alice.flow, bytes);
    const parsed = parseMessage(bytes);
    if (parsed.ok && parsed.value.kind === 'request' && parsed.value.method === 'REGISTER') {
      registrar.register({
        request: parsed.value,
        flow: alice.flow,
        aor: `alice@${domain}`,
        toTag: 't',
        respond: (response) => {
          assert.ok(parseMessage(response.toBytes()).ok, JSON.stringify(text));
        },
      });
    }
    while (bob.waiting > 0) bob.take();
    alice.flow.sent.length = 0;
  }
  rig.clock.advance(4_000_000);
  const { contexts, transactions, bindings } = rig.server.snapshot();
  assert.deepEqual(
    { contexts, transactions, bindings },
    { contexts: 0, transactions: 0, bindings: 0 },
  );
});
