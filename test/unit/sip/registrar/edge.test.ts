/** REGISTERs for other domains, passed on with the flow of the phone in Path. RFC 3327, RFC 5626 §5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakePhone, type Rig, createRig, credentials, domain, message } from '../core/rig.ts';

const instance = '+sip.instance="<urn:uuid:1>"';
const both = 'Supported: path, outbound';

interface Edge {
  readonly rig: Rig;
  readonly phone: FakePhone;
  readonly registrar: FakePhone;
  /** Registers `carol@other.example` through this server. */
  send(more: readonly string[], contact?: string): void;
}

function createEdge(transport: 'udp' | 'tcp' = 'tcp'): Edge {
  const rig = createRig((deps) => ({
    settings: { ...deps.settings, auth: { ...deps.settings.auth, challengeRequests: true } },
  }));
  const phone = rig.phone('192.0.2.10', transport);
  const registrar = rig.phone('192.0.2.50', 'udp', 'lan', 5060);
  let cseq = 0;
  const carol = '<sip:carol@other.example>';
  return {
    rig,
    phone,
    registrar,
    send(more, contact = '<sip:carol@192.0.2.10:5062>') {
      const text = (headers: readonly string[]): string =>
        message(phone, {
          method: 'REGISTER',
          uri: 'sip:other.example',
          from: `${carol};tag=r`,
          to: carol,
          callId: 'edge',
          cseq: ++cseq,
          headers: [`Contact: ${contact}`, 'Route: <sip:192.0.2.50;lr>', ...more, ...headers],
        });
      phone.send(text([]));
      const challenge = phone.response(407).header('Proxy-Authenticate') ?? '';
      // A registrar URI that is not served here cannot be the digest URI.
      const proof = credentials(challenge, 'alice', 'alicepw', 'REGISTER', `sip:${domain}`);
      phone.send(text([`Proxy-Authorization: ${proof}`]));
    },
  };
}

test('[S3261-10.3-04] [S3327-4-01] [S5626-5.1-01] a REGISTER for another domain is passed on, with the flow of the phone in Path', () => {
  const edge = createEdge();
  edge.send([both], `<sip:carol@10.0.0.9>;${instance};reg-id=1`);
  const got = edge.registrar.request('REGISTER');
  assert.equal(got.uri, 'sip:other.example');
  assert.equal(edge.rig.location.bindingCount, 0);
  const [path = ''] = got.values('Path');
  assert.match(path, /^<sip:~[\w-]+@192\.0\.2\.1:5060;transport=tcp;lr;ob>$/);
  const other = createEdge();
  const second = other.rig.phone('192.0.2.10', 'tcp', 'lan', 7777);
  assert.notEqual(second.flow.id, edge.phone.flow.id);

  // A request of that registrar comes back along it.
  edge.registrar.send(
    message(edge.registrar, {
      method: 'MESSAGE',
      uri: 'sip:carol@10.0.0.9',
      from: '<sip:dave@other.example>;tag=d',
      to: '<sip:carol@other.example>',
      headers: [`Route: ${path}`],
    }),
  );
  const refused = edge.registrar.response(407);
  assert.ok(refused.has('Proxy-Authenticate'), 'where calls from outside are not taken');
});

test('[S5626-5.3.1-01] where calls from outside are taken, the Path leads to the phone', () => {
  const rig = createRig((deps) => ({
    settings: { ...deps.settings, auth: { ...deps.settings.auth, challengeRequests: true } },
    listener: () => ({ algorithms: ['MD5'], role: 'proxy', acceptsOutsideCalls: true }),
  }));
  const phone = rig.phone('192.0.2.10', 'tcp');
  const outside = rig.phone('192.0.2.50', 'udp', 'lan', 5060);
  const path = `<${rig.deps.hops.recordRoute(phone.flow, false)};ob>`;
  outside.send(
    message(outside, {
      method: 'MESSAGE',
      uri: 'sip:carol@10.0.0.9',
      from: '<sip:dave@other.example>;tag=d',
      to: '<sip:carol@other.example>',
      headers: [`Route: ${path}`],
    }),
  );
  const got = phone.request('MESSAGE');
  assert.equal(got.uri, 'sip:carol@10.0.0.9');
  assert.equal(got.has('Route'), false);
});

test('[S3327-5.2-01] a phone that does not know Path is refused where it is needed', () => {
  const stream = createEdge('tcp');
  stream.send([]);
  const refused = stream.phone.response(421);
  assert.equal(refused.header('Require'), 'path');
  const flow = createEdge('udp');
  flow.send([], `<sip:carol@10.0.0.9>;${instance};reg-id=1`);
  assert.equal(flow.phone.response(421).header('Require'), 'path');
  const plain = createEdge('udp');
  plain.send([]);
  assert.equal(plain.registrar.request('REGISTER').has('Path'), false);
});

test('[S3327-5.2-02] [S3608-6.2-01] what another registrar answers passes unchanged', () => {
  const edge = createEdge('udp');
  edge.send([both]);
  const got = edge.registrar.request('REGISTER');
  const headers = [
    'Path: <sip:a.example;lr>, <sip:b.example;lr>',
    'Service-Route: <sip:s.example;lr>',
  ];
  const [statusLine, ...rest] = [
    'SIP/2.0 200 OK',
    ...got.rows('Via').map((via) => `Via: ${via}`),
    `From: ${got.header('From') ?? ''}`,
    `To: ${got.header('To') ?? ''};tag=z`,
    `Call-ID: ${got.callId}`,
    `CSeq: ${String(got.cseq.number)} REGISTER`,
    ...headers,
    'Content-Length: 0',
    '',
    '',
  ];
  edge.registrar.send([statusLine, ...rest].join('\n'));
  const answer = edge.phone.response(200);
  assert.deepEqual(answer.rows('Path'), ['<sip:a.example;lr>, <sip:b.example;lr>']);
  assert.deepEqual(answer.rows('Service-Route'), ['<sip:s.example;lr>']);
});
