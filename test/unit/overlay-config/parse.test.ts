import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unsupportedRequirement } from '../../../src/overlay-config/parse.ts';
import type { OverlayConfig } from '../../../src/ports/overlay-config.ts';
import { bytesOf, config, document, parse, refusal, rootBase64 } from './support.ts';

function refused(content: string, pattern: RegExp, attributes = ''): void {
  const outcome = refusal(content, attributes);
  assert.ok(outcome.ok, `${content} must be refused`);
  assert.match(outcome.value, pattern);
}

const kind = (identity: string, body: string): string =>
  `<required-kinds><kind-block><kind ${identity}>${body}</kind><kind-signature>AAAA</kind-signature></kind-block></required-kinds>`;
const limitsOfKind = '<max-count>3</max-count><max-size>100</max-size>';
const arrayKind = `<data-model>ARRAY</data-model><access-control>NODE-MATCH</access-control>${limitsOfKind}`;

test('[R6940-11.1-11][R6940-11.1-13][R6940-11.1-23][R6940-11.1-27][R6940-11.1-30][R6940-11.1-31][R6940-11.1-32][R6940-11.1-34] what is absent has the default of the RFC', () => {
  const parsed = config('');
  assert.equal(parsed.rootCertificates.length, 1);
  assert.deepEqual(parsed, {
    document: parsed.document,
    rootCertificates: parsed.rootCertificates,
    overlayName: 'overlay.example.org',
    sequence: 0,
    expirationMs: undefined,
    topologyPlugin: 'CHORD-RELOAD',
    nodeIdLength: 16,
    enrollmentServers: [],
    selfSignedPermitted: undefined,
    bootstrapNodes: [],
    turnDensity: 1,
    clientsPermitted: true,
    noIce: false,
    sharedSecret: undefined,
    maxMessageSize: 5000,
    initialTtl: 100,
    reliabilityTimerMs: 3000,
    overlayLinkProtocols: ['TLS'],
    configurationSigners: [],
    kindSigners: [],
    badNodes: [],
    mandatoryExtensions: [],
    chordUpdateIntervalS: 600,
    chordPingIntervalS: 3600,
    chordReactive: true,
    requiredKinds: [],
    domainRestriction: undefined,
  } satisfies OverlayConfig);
});

test('[R6940-11.1-21][R6940-11.1-24][R6940-11.1-25][R6940-11.1-26][R6940-11.1-35][R6940-11.1-38] every element is read and trimmed', () => {
  const [a, b] = ['47112162e84c69ba47112162e84c69ba', '6EBA45D31A900C066EBA45D31A900C06'];
  const values = config(
    `<topology-plugin> CHORD-SELF-TUNING </topology-plugin><node-id-length> 16 </node-id-length>
     <enrollment-server> https://a.example/x </enrollment-server><enrollment-server>https://b.example</enrollment-server>
     <bootstrap-node address="192.0.0.1" port="7000" /><bootstrap-node address="2001:DB8::1"/>
     <turn-density> 20 </turn-density><clients-permitted> 0 </clients-permitted><no-ice> 1 </no-ice>
     <chord:chord-update-interval>
        400</chord:chord-update-interval><chord:chord-ping-interval>30</chord:chord-ping-interval>
     <chord:chord-reactive> false </chord:chord-reactive><shared-secret> p&amp;w </shared-secret>
     <max-message-size>4000</max-message-size><initial-ttl> 30 </initial-ttl>
     <overlay-reliability-timer> 200 </overlay-reliability-timer>
     <overlay-link-protocol>TLS-TCP-FH-NO-ICE</overlay-link-protocol><overlay-link-protocol>DTLS</overlay-link-protocol>
     <configuration-signer>${a}</configuration-signer><kind-signer> ${a} </kind-signer><kind-signer>${b}</kind-signer>
     <bad-node> ${b} </bad-node><mandatory-extension> urn:x </mandatory-extension><mandatory-extension>urn:y</mandatory-extension>`,
    'sequence="22" expiration="2002-10-10T07:00:00Z"',
  );
  assert.equal(values.sequence, 22);
  assert.equal(values.expirationMs, Date.UTC(2002, 9, 10, 7));
  assert.equal(values.topologyPlugin, 'CHORD-SELF-TUNING');
  assert.deepEqual(values.enrollmentServers, ['https://a.example/x', 'https://b.example']);
  assert.deepEqual(values.bootstrapNodes, [
    { address: '192.0.0.1', port: 7000 },
    { address: '2001:DB8::1', port: 6084 },
  ]);
  assert.equal(values.turnDensity, 20);
  assert.equal(values.clientsPermitted, false);
  assert.equal(values.noIce, true);
  assert.deepEqual([values.chordUpdateIntervalS, values.chordPingIntervalS], [400, 30]);
  assert.equal(values.chordReactive, false);
  assert.equal(values.sharedSecret, 'p&w');
  assert.deepEqual([values.maxMessageSize, values.initialTtl], [4000, 30]);
  assert.equal(values.reliabilityTimerMs, 200);
  assert.deepEqual(values.overlayLinkProtocols, ['TLS-TCP-FH-NO-ICE', 'DTLS']);
  assert.deepEqual(values.configurationSigners, [a]);
  assert.deepEqual(values.kindSigners, [a, b.toLowerCase()]);
  assert.deepEqual(values.badNodes, [b.toLowerCase()]);
  assert.deepEqual(values.mandatoryExtensions, ['urn:x', 'urn:y']);
});

test('[R6940-11.1-05] booleans are true, false, 1 and 0; the namespaces are those of the RFC', () => {
  const ping = '<c:chord-ping-interval xmlns:c="NAMESPACE">7</c:chord-ping-interval>';
  const chord = 'urn:ietf:params:xml:ns:p2p:config-chord';
  assert.equal(config(ping.replace('NAMESPACE', chord)).chordPingIntervalS, 7);
  assert.equal(config(ping.replace('NAMESPACE', `${chord}s`)).chordPingIntervalS, 3600);
  const base = 'urn:ietf:params:xml:ns:p2p:config-base';
  assert.ok(parse(document('')).ok);
  assert.ok(!parse(document('').replace(`xmlns="${base}"`, `xmlns="${base}s"`)).ok);
  const noIce = (text: string): boolean => config(`<no-ice>${text}</no-ice>`).noIce;
  assert.deepEqual(['true', '1', 'false', '0'].map(noIce), [true, true, false, false]);
  for (const text of ['TRUE', 'yes', '', '01']) {
    refused(`<no-ice>${text}</no-ice>`, /<no-ice>: must be true, false, 1 or 0/);
  }
});

test('[R6940-11.1-08][R6940-11.1.1-02][R6940-6.3.2-04] instance-name is needed, sequence is 0 to 65534', () => {
  assert.equal(config('', 'sequence="65534"').sequence, 65534);
  refused('', /sequence/, 'sequence="65535"');
  refused('', /sequence/, 'sequence="-1"');
  const unnamed = parse(document('').replace('instance-name="overlay.example.org"', ''));
  assert.match(
    unnamed.ok ? '' : unnamed.error,
    /<configuration>: needs the attribute instance-name/,
  );
  for (const name of ['a b', 'under_score.example']) {
    const strange = parse(document('').replace('overlay.example.org', name));
    assert.match(strange.ok ? '' : strange.error, /instance-name: must be a domain name/);
  }
});

test('[R6940-11.1-10] times are RFC 3339 in UTC', () => {
  const at = (text: string): number | undefined => config('', `expiration="${text}"`).expirationMs;
  assert.equal(at('2024-02-29T23:59:59.250Z'), Date.UTC(2024, 1, 29, 23, 59, 59, 250));
  assert.equal(at('1999-12-31t00:00:00+00:00'), Date.UTC(1999, 11, 31));
  for (const text of [
    '2024-02-29T23:59:59+01:00',
    '2024-02-29T23:59:59',
    '2023-02-29T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-01-01T24:00:00Z',
    'soon',
  ]) {
    refused('', /expiration/, `expiration="${text}"`);
  }
});

test('[R6940-11.1-12] node-id-length is 16 to 20', () => {
  assert.equal(config('<node-id-length>20</node-id-length>').nodeIdLength, 20);
  refused('<node-id-length>15</node-id-length>', /<node-id-length>: .*16 to 20/);
  refused('<node-id-length>21</node-id-length>', /<node-id-length>: .*16 to 20/);
  refused(
    `<node-id-length>20</node-id-length><bad-node>${'0a'.repeat(16)}</bad-node>`,
    /<bad-node>: .*40 hexadecimal digits/,
  );
});

test('[R6940-11.1-33] overlay-reliability-timer is at least 200 ms', () => {
  const timer = (ms: number): string =>
    `<overlay-reliability-timer>${ms}</overlay-reliability-timer>`;
  assert.equal(config(timer(200)).reliabilityTimerMs, 200);
  refused(timer(199), /<overlay-reliability-timer>/);
});

test('[R6940-11.1.1-01] numbers keep to their types', () => {
  for (const [name, good, bad] of [
    ['max-message-size', '4294967295', '4294967296'],
    ['max-message-size', '+7', '-1'],
    ['initial-ttl', '255', '256'],
    ['turn-density', '255', '256'],
    ['turn-density', '0', '1.5'],
    ['node-id-length', '016', '0x10'],
  ]) {
    config(`<${name}>${good}</${name}>`);
    refused(`<${name}>${bad}</${name}>`, new RegExp(`<${name}>: must be an integer`));
  }
  const counted = (name: string, value: string): string =>
    kind('id="4026531841"', arrayKind.replace(new RegExp(`(<${name}>)[0-9]+`), `$1${value}`));
  for (const name of ['max-count', 'max-size']) {
    config(counted(name, '2147483647'));
    refused(counted(name, '2147483648'), new RegExp(`<${name}>`));
  }
  refused(kind('id="4294967296"', arrayKind), /attribute id/);
});

test('a shared-secret has 1 to 256 bytes', () => {
  const secret = (text: string): string => `<shared-secret>${text}</shared-secret>`;
  assert.equal(config(secret('ü'.repeat(128))).sharedSecret, 'ü'.repeat(128));
  refused(secret('ü'.repeat(128) + 'x'), /<shared-secret>: must have 1 to 256 bytes/);
  refused(secret(' '), /<shared-secret>/);
});

test('[R6940-11.1-15] enrollment-server URLs use https', () => {
  refused(
    '<enrollment-server>http://a.example</enrollment-server>',
    /<enrollment-server>: .*https/,
  );
});

test('[R6940-11.1-14] several roots; one that cannot be read does not hide the others', () => {
  const parsed = parse(
    document(`<root-cert> YmFkIGNlcnQK </root-cert><root-cert>${rootBase64}</root-cert>`),
  );
  assert.ok(parsed.ok);
  assert.equal(parsed.value.config.rootCertificates.length, 2);
  assert.equal(parsed.value.warnings.length, 1);
  refused('<root-cert>!</root-cert>', /<root-cert>: must hold base64/);
});

test('[R6940-11.1-17][R6940-11.1-19][R6940-11.1.1-02] self-signed-permitted', () => {
  const rootless = (element: string) =>
    parse(document(element).replace(/<root-cert>.*<\/root-cert>/, ''));
  const permitted = rootless('<self-signed-permitted digest="sha256">true</self-signed-permitted>');
  assert.deepEqual(permitted.ok && permitted.value.config.selfSignedPermitted, {
    digest: 'sha256',
  });
  assert.equal(rootless('').ok, false);
  assert.equal(
    rootless('<self-signed-permitted digest="sha1">false</self-signed-permitted>').ok,
    false,
  );
  const forbidden = '<self-signed-permitted digest="sha1">false</self-signed-permitted>';
  assert.equal(config(forbidden).selfSignedPermitted, undefined);
  refused('<self-signed-permitted>true</self-signed-permitted>', /attribute digest/);
  refused('<self-signed-permitted digest="md5">true</self-signed-permitted>', /sha1 or sha256/);
});

test('[R6940-11.3.1-09] self-signed mode warns that names are not protected', () => {
  const warnings = (value: boolean): readonly string[] => {
    const element = `<self-signed-permitted digest="sha1">${value}</self-signed-permitted>`;
    const parsed = parse(document(element));
    assert.ok(parsed.ok);
    return parsed.value.warnings;
  };
  assert.match(warnings(true).join(), /anybody may take any user name/);
  assert.deepEqual(warnings(false), []);
});

test('[R6940-11.1-06] of several overlays the named one is read, whatever the others look like', () => {
  const text = document('<initial-ttl>7</initial-ttl>').replace(
    '</overlay>',
    '<configuration instance-name="other.example.net"><initial-ttl>x</initial-ttl></configuration></overlay>',
  );
  const chosen = parse(text, 'OVERLAY.example.org');
  assert.equal(chosen.ok && chosen.value.config.initialTtl, 7);
  assert.match(parseError(text), /several overlays/);
  assert.match(parseError(text, 'third.example'), /no <configuration> with the instance-name/);
});

test('of several configurations of one overlay the newest sequence wins', () => {
  const text = document('<initial-ttl>7</initial-ttl>', 'sequence="65530"').replace(
    '</overlay>',
    `<configuration instance-name="overlay.example.org" sequence="2"><root-cert>${rootBase64}</root-cert><initial-ttl>8</initial-ttl></configuration></overlay>`,
  );
  const parsed = parse(text);
  assert.equal(parsed.ok && parsed.value.config.initialTtl, 8);
});

test('[R6940-11.1-07] signatures belong to the configuration before them', () => {
  for (const count of [0, 1, 2]) {
    const text = document('').replace(
      '</overlay>',
      `${'<signature algorithm="x"> AQID </signature>'.repeat(count)}<configuration instance-name="z.example"/><signature>BBBB</signature></overlay>`,
    );
    const parsed = parse(text, 'overlay.example.org');
    assert.ok(parsed.ok);
    assert.deepEqual(
      parsed.value.signatures.map((bytes) => [...bytes]),
      Array.from({ length: count }, () => [1, 2, 3]),
    );
  }
});

test('[R6940-11.1.1-03] foreign elements and attributes are passed over', () => {
  const values = config(
    `<ext:initial-ttl>9</ext:initial-ttl><ext:anything><root-cert>x</root-cert></ext:anything>${kind(
      'id="4026531841" ext:name="q"',
      `${arrayKind}<ext:max-count>1</ext:max-count>`,
    )}`,
    'ext:sequence="x"',
  );
  assert.equal(values.initialTtl, 100);
  assert.equal(values.requiredKinds[0]?.maxCount, 3);
});

test('an element that must be single is refused twice, by name', () => {
  refused(
    '<initial-ttl>1</initial-ttl><initial-ttl>1</initial-ttl>',
    /<initial-ttl>: .*more than once/,
  );
  refused('<no-ice>1</no-ice><no-ice>1</no-ice>', /<no-ice>/);
});

test('[R6940-11.1-39][R6940-11.1-41][R6940-11.1-49] a Kind has its four elements and a signature', () => {
  const whole = kind('id="4026531841"', arrayKind);
  assert.deepEqual(config(whole).requiredKinds, [
    {
      block: bytesOf(whole.replaceAll(/<\/?required-kinds>/g, '')),
      kind: 0xf0000001,
      name: undefined,
      dataModel: 'ARRAY',
      accessControl: 'NODE-MATCH',
      maxCount: 3,
      maxSizeBytes: 100,
      maxNodeMultiple: undefined,
    },
  ]);
  for (const name of ['data-model', 'access-control', 'max-count', 'max-size']) {
    const without = arrayKind.replace(new RegExp(`<${name}>.*</${name}>`), '');
    refused(kind('id="4026531841"', without), new RegExp(`<kind>: must contain <${name}>`));
  }
  const unsigned = kind('id="4026531841"', arrayKind).replace(
    /<kind-signature>.*?<\/kind-signature>/,
    '',
  );
  refused(unsigned, /<kind-block>: must contain <kind-signature>/);
});

test('[R6940-11.1-40] a Kind with an unknown model, policy or name is refused', () => {
  refused(kind('id="4026531841"', arrayKind.replace('ARRAY', 'LIST')), /<data-model>: "LIST"/);
  refused(
    kind('id="4026531841"', arrayKind.replace('NODE-MATCH', 'ALL')),
    /<access-control>: "ALL"/,
  );
  refused(kind('name="NO-SUCH"', arrayKind), /unknown Kind "NO-SUCH"/);
});

test('[R6940-11.1-45] a Kind has a name or an id, not both', () => {
  refused(kind('', arrayKind), /either the attribute name or the attribute id/);
  refused(kind('name="SIP-REGISTRATION" id="1"', arrayKind), /either/);
});

test('[R6940-11.1-46] the registered model and policy win over those of the document', () => {
  for (const identity of ['name="SIP-REGISTRATION"', 'id="1"']) {
    const [sip] = config(
      kind(
        identity,
        `<data-model>SINGLE</data-model><access-control>USER-MATCH</access-control>${limitsOfKind}`,
      ),
    ).requiredKinds;
    assert.deepEqual(
      [sip?.kind, sip?.name, sip?.dataModel, sip?.accessControl],
      [1, 'SIP-REGISTRATION', 'DICTIONARY', 'USER-NODE-MATCH'],
    );
  }
});

test('[R6940-11.1-42][R6940-11.1-43][R6940-11.1-44] max-node-multiple', () => {
  const multiple = (element: string): string =>
    kind('id="4026531841"', `${arrayKind.replace('NODE-MATCH', 'NODE-MULTIPLE')}${element}`);
  const value = (n: number): string => `<max-node-multiple>${n}</max-node-multiple>`;
  assert.equal(config(multiple(value(1))).requiredKinds[0]?.maxNodeMultiple, 1);
  refused(multiple(''), /NODE-MULTIPLE must contain <max-node-multiple>/);
  refused(multiple(value(0)), /<max-node-multiple>/);
  refused(multiple(value(-1)), /<max-node-multiple>/);
});

test('[R6940-11.1-48] several Kinds, none twice', () => {
  const two = kind('id="4026531841"', arrayKind).replace(
    '</required-kinds>',
    `<kind-block><kind id="4026531842">${arrayKind}</kind><kind-signature>AAAA</kind-signature></kind-block></required-kinds>`,
  );
  assert.deepEqual(
    config(two).requiredKinds.map((k) => k.kind),
    [0xf0000001, 0xf0000002],
  );
  refused(two.replace('4026531842', '4026531841'), /twice/);
});

test('domain restrictions under both names, in the configuration or in the Kind', () => {
  const pattern = '<sip:pattern> dht\\.example\\.com </sip:pattern>';
  const expected = { enable: true, patterns: ['dht\\.example\\.com'] };
  for (const name of ['domain-restrictions', 'domain-restriction']) {
    const element = `<sip:${name} enable="true">${pattern}</sip:${name}>`;
    assert.deepEqual(config(element).domainRestriction, expected);
    const inKind = kind('name="SIP-REGISTRATION"', arrayKind + element);
    assert.deepEqual(config(inKind).domainRestriction, expected);
  }
  assert.deepEqual(config('<sip:domain-restrictions/>').domainRestriction, {
    enable: false,
    patterns: [],
  });
});

test('[R7904-3.4-07] domain restrictions count only in the namespace of the SIP usage', () => {
  const element = '<d:domain-restriction xmlns:d="NAMESPACE" enable="true"/>';
  const inNamespace = (name: string) =>
    config(element.replace('NAMESPACE', name)).domainRestriction;
  assert.deepEqual(inNamespace('urn:ietf:params:xml:ns:p2p:config-base:sip'), {
    enable: true,
    patterns: [],
  });
  assert.equal(inNamespace('urn:example:sip'), undefined);
});

test('[R6940-6.6.1-06] [R6940-11.1-37] what this program does not support is named; case counts', () => {
  const supported = { plugins: ['CHORD-RELOAD'], linkProtocols: ['TLS-TCP-FH-NO-ICE'] };
  const protocol = '<overlay-link-protocol>TLS-TCP-FH-NO-ICE</overlay-link-protocol>';
  const link = `${protocol}<no-ice>true</no-ice>`;
  const chord = 'urn:ietf:params:xml:ns:p2p:config-chord';
  const check = (content: string) => unsupportedRequirement(config(link + content), supported);
  assert.equal(check(`<mandatory-extension>${chord}</mandatory-extension>`), undefined);
  assert.match(
    check(`<mandatory-extension>${chord.toUpperCase()}</mandatory-extension>`) ?? '',
    /mandatory-extension URN:IETF/,
  );
  assert.match(check('<topology-plugin>X</topology-plugin>') ?? '', /topology-plugin X/);
  assert.match(unsupportedRequirement(config(''), supported) ?? '', /overlay-link-protocol TLS/);
  assert.match(unsupportedRequirement(config(protocol), supported) ?? '', /ICE/);
  const withIce = { ...supported, linkProtocols: ['DTLS-UDP-SR'], ice: true };
  const datagrams = '<overlay-link-protocol>DTLS-UDP-SR</overlay-link-protocol>';
  assert.equal(unsupportedRequirement(config(datagrams), withIce), undefined);
  const secret = `${datagrams}<shared-secret>s</shared-secret>`;
  assert.match(unsupportedRequirement(config(secret), withIce) ?? '', /shared-secret together/);
  const streams = unsupportedRequirement(config(protocol), { ...supported, ice: true });
  assert.match(streams ?? '', /for no-ice false/);
});

function parseError(text: string, name?: string): string {
  const parsed = parse(text, name);
  return parsed.ok ? '' : parsed.error;
}
