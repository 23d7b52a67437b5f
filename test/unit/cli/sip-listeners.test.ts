import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certifiedName } from '../../../src/cli/box/sip-certificates.ts';
import { sipListeners } from '../../../src/cli/box/sip-listeners.ts';
import { shownAddress } from '../../../src/cli/box/own-addresses.ts';
import type { Flow } from '../../../src/ports/flow.ts';
import { createPhoneHops } from '../../../src/sip/proxy/phone-hops.ts';
import { loadSettings, type Settings } from '../../../src/node/settings.ts';
import { makeCertificate } from '../../support/certificates.ts';

function settingsWith(sip: object): Settings {
  const flags = Object.entries(sip).map(([key, value]) => [
    `sip.${key}`,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ]);
  const settings = loadSettings([], {}, Object.fromEntries(flags) as Record<string, string>);
  assert.ok(settings.ok, settings.ok ? '' : settings.error);
  return settings.value;
}

async function listenersOf(sip: object): Promise<string[]> {
  const listeners = await sipListeners(settingsWith({ tlsPort: 0, ...sip }), '/nowhere', []);
  return listeners.map(({ transport, address, port }) => `${transport} ${address}:${port}`);
}

test('[S3261-18.2.1-02] [S7118-5.4-01] where UDP is served TCP is too, also beside WebSocket', async () => {
  assert.deepEqual(await listenersOf({ address: '127.0.0.1' }), [
    'udp 127.0.0.1:5060',
    'tcp 127.0.0.1:5060',
    'ws 127.0.0.1:5066',
  ]);
  const extra = { name: 'more', transport: 'udp', address: '127.0.0.2', port: 5070 };
  assert.deepEqual(await listenersOf({ port: 0, wsPort: 0, listeners: [extra] }), [
    'udp 127.0.0.2:5070',
    'tcp 127.0.0.2:5070',
  ]);
  const both = [extra, { ...extra, name: 'its tcp', transport: 'tcp' }];
  assert.deepEqual(await listenersOf({ port: 0, wsPort: 0, listeners: both }), [
    'udp 127.0.0.2:5070',
    'tcp 127.0.0.2:5070',
  ]);
});

test('[S5922-7.5-01] on secure flows Record-Route names what the certificate names', () => {
  const local = { address: '192.0.2.1', port: 5061 };
  const remote = { address: '192.0.2.9', port: 40_000 };
  const shown = (secure: boolean) => shownAddress({ secure, local, remote }, 'sip.example.com');
  assert.deepEqual(shown(true), { host: 'sip.example.com', port: 5061 });
  assert.equal(shown(false), undefined);
  const flow = { id: 'tls:1', transport: 'tls', secure: true, local, remote } as Flow;
  const hops = createPhoneHops({
    domains: {
      canonical: 'example.com',
      servedDomain: () => undefined,
      isSelf: (host) => host === 'sip.example.com',
    },
    flows: { open: () => undefined, find: () => flow },
    tokenKeys: [new Uint8Array(32)],
    advertised: (on) => shownAddress(on, 'sip.example.com'),
  });
  assert.match(
    hops.recordRoute(flow, false),
    /^sip:[^@]+@sip\.example\.com:5061;transport=tls;lr$/,
  );
  assert.match(hops.recordRoute(flow, true), /^sips:[^@]+@sip\.example\.com:5061;lr$/);
  assert.equal(hops.ownRoute(hops.recordRoute(flow, true))?.kind, 'flow');
});

test('secure listeners go by the first name of the operator, never by a wildcard', () => {
  const files = [{ cert: 'cert.pem', key: 'key.pem' }];
  const name = (dns: readonly string[], certificates: readonly object[] = files) =>
    certifiedName(settingsWith({ certificates }), makeCertificate({ dns }));
  assert.equal(name(['*.example.com', 'sip.example.com']), 'sip.example.com');
  assert.equal(name(['*.example.com']), undefined);
  assert.equal(name(['box.example.com'], []), undefined);
});
