import { test } from 'node:test';
import assert from 'node:assert/strict';
import { hostPort, portRange, turnServers } from '../../../src/cli/box/ice-settings.ts';
import { CommandError } from '../../../src/cli/command.ts';
import { linkValues } from '../../../src/cli/link-protocol.ts';
import { noIceLinkTypes, usesIce } from '../../../src/overlay/link-types.ts';
import { unsupportedRequirement } from '../../../src/overlay-config/parse.ts';
import type { OverlayConfig } from '../../../src/ports/overlay-config.ts';
import { supportedFeatures } from '../../../src/cli/box/configuration-keeper.ts';
import { possibleLinkTypes, usesDatagrams } from '../../../src/cli/box/datagram-links.ts';

const given = (protocol: string) => ({ link: { protocol } }) as Parameters<typeof linkValues>[0];

/** What a box makes of the document that `init` writes. */
function configOf(protocol: string, more: Partial<OverlayConfig> = {}): OverlayConfig {
  return {
    topologyPlugin: 'CHORD-RELOAD',
    nodeIdLength: 16,
    mandatoryExtensions: [],
    sharedSecret: undefined,
    ...linkValues(given(protocol), undefined),
    ...more,
  } as unknown as OverlayConfig;
}

test('each choice of links gives a document that a box can meet, with just those links', () => {
  const expected = {
    tls: [false, ['TLS-TCP-FH-NO-ICE'], false],
    dtls: [false, ['DTLS-UDP-SR-NO-ICE'], true],
    'tls+dtls': [false, ['TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR-NO-ICE'], true],
    'dtls-ice': [true, [], true],
  } as const;
  for (const [protocol, [ice, types, datagrams]] of Object.entries(expected)) {
    const config = configOf(protocol);
    assert.equal(unsupportedRequirement(config, supportedFeatures), undefined, protocol);
    assert.equal(usesIce(config), ice);
    assert.deepEqual(noIceLinkTypes(config, possibleLinkTypes), types);
    assert.equal(usesDatagrams(config), datagrams);
  }
});

test('the default of the RFC stands for TLS and DTLS; what the host cannot do is left out', () => {
  const config = configOf('tls', { overlayLinkProtocols: ['TLS'] });
  assert.deepEqual(noIceLinkTypes(config, possibleLinkTypes), possibleLinkTypes);
  assert.deepEqual(noIceLinkTypes(config, ['TLS-TCP-FH-NO-ICE']), ['TLS-TCP-FH-NO-ICE']);
});

test('a shared secret keys TLS links only', () => {
  assert.throws(() => linkValues(given('dtls-ice'), 'secret'), CommandError);
  assert.equal(linkValues(given('tls'), 'secret').noIce, true);
  const both = configOf('tls+dtls', { sharedSecret: 'secret' });
  assert.deepEqual(noIceLinkTypes(both, possibleLinkTypes), ['TLS-TCP-FH-NO-ICE']);
  const ice = configOf('dtls-ice', { sharedSecret: 'secret' });
  assert.match(unsupportedRequirement(ice, supportedFeatures) ?? '', /shared-secret/);
});

test('servers and ports of ICE are read, and what is wrong is named without its password', () => {
  assert.deepEqual(hostPort('x', '[2001:db8::1]:3478'), { address: '2001:db8::1', port: 3478 });
  for (const text of ['', '1.2.3.4', '1.2.3.4:0', '1.2.3.4:70000', 'name.example:1', ':1', '1:']) {
    assert.throws(() => hostPort('link.stunServers', text), /link\.stunServers: .*ADDRESS:PORT/);
  }
  assert.deepEqual(turnServers(['me:a:b@c@192.0.2.1:3478']), [
    {
      server: { address: '192.0.2.1', port: 3478 },
      username: 'me',
      password: 'a:b@c',
    },
  ]);
  for (const text of [
    'me@192.0.2.1:3478',
    ':hunter2@192.0.2.1:1',
    'me:hunter2@nowhere',
    'hunter2',
  ]) {
    assert.throws(
      () => turnServers([text]),
      (error: Error) => error instanceof CommandError && !error.message.includes('hunter2'),
    );
  }
  assert.equal(portRange(''), undefined);
  assert.deepEqual(portRange('50000-50010'), { from: 50_000, to: 50_010 });
  for (const text of ['1', '1-2', '5000-4000', '5000-70000', 'a-b', '5000-']) {
    assert.throws(() => portRange(text), /link\.icePorts/);
  }
});
