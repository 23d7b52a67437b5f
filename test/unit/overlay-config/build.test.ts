import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../../src/base/assert.ts';
import { parseNodeId } from '../../../src/base/ids.ts';
import {
  configurationElement,
  initialKinds,
  initialOverlayValues,
  initialValidityMs,
  kindElement,
  overlayDocument,
  restrictionToDomains,
} from '../../../src/overlay-config/build.ts';
import type { OverlayDocumentValues } from '../../../src/overlay-config/build.ts';
import { registeredKinds } from '../../../src/overlay-config/names.ts';
import { parseOverlayDocument } from '../../../src/overlay-config/parse.ts';
import { isNewerSequence, nextSequence } from '../../../src/overlay-config/sequence.ts';
import { dateTimeValue, formatDateTime } from '../../../src/overlay-config/values.ts';
import type { KindParameters, OverlayConfig } from '../../../src/ports/overlay-config.ts';
import { rootBase64, verifier, xml } from './support.ts';

const root = new Uint8Array(Buffer.from(rootBase64, 'base64'));
const nodeId = parseNodeId('47112162e84c69ba47112162e84c69ba')!;
const minimal: OverlayDocumentValues = {
  overlayName: 'lab.example',
  sequence: 1,
  rootCertificates: [root],
  enrollmentServers: [],
  bootstrapNodes: [],
};

function text(values: OverlayDocumentValues, kinds: readonly KindParameters[] = []): string {
  const blocks = kinds.map((kind) => ({ element: kindElement(kind), signature: 'AAAA' }));
  const document = overlayDocument(configurationElement(values, blocks), ['AQID']);
  return new TextDecoder().decode(document);
}

function roundTrip(
  values: OverlayDocumentValues,
  kinds: readonly KindParameters[] = [],
): OverlayConfig {
  const bytes = new TextEncoder().encode(text(values, kinds));
  const parsed = parseOverlayDocument(bytes, xml, verifier, values.overlayName);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error);
  return parsed.value.config;
}

test('every value survives writing and reading', () => {
  const values = {
    overlayName: 'lab.example',
    sequence: 65534,
    expirationMs: Date.UTC(2036, 1, 29, 12, 30, 59),
    topologyPlugin: 'CHORD-RELOAD',
    nodeIdLength: 16,
    rootCertificates: [root, root],
    enrollmentServers: ['https://a.example/enroll?a=1&b=<2>'],
    selfSignedPermitted: { digest: 'sha256' },
    bootstrapNodes: [
      { address: '192.0.2.1', port: 6084 },
      { address: '2001:db8::1', port: 7000 },
    ],
    turnDensity: 20,
    clientsPermitted: false,
    noIce: true,
    sharedSecret: 'p&"w<ü>',
    maxMessageSize: 65536,
    initialTtl: 50,
    reliabilityTimerMs: 1000,
    overlayLinkProtocols: ['TLS-TCP-FH-NO-ICE'],
    configurationSigners: [nodeId],
    kindSigners: [nodeId],
    badNodes: [nodeId],
    mandatoryExtensions: ['urn:x'],
    chordUpdateIntervalS: 5,
    chordPingIntervalS: 6,
    chordReactive: false,
    domainRestriction: { enable: true, patterns: ['a\\.example', '.*\\.b'] },
  } as const satisfies OverlayDocumentValues;
  const kinds: KindParameters[] = [
    ...initialKinds,
    {
      kind: 0xf0000001,
      name: undefined,
      dataModel: 'SINGLE',
      accessControl: 'NODE-MULTIPLE',
      maxCount: 1,
      maxSizeBytes: 9,
      maxNodeMultiple: 3,
    },
  ];
  const config = roundTrip(values, kinds);
  const { document, rootCertificates, requiredKinds, ...rest } = config;
  assert.deepEqual({ ...rest, rootCertificates: values.rootCertificates }, values);
  assert.equal(rootCertificates.length, 2);
  assert.deepEqual(
    requiredKinds.map(({ block, ...parameters }) => (assert.ok(block), parameters)),
    kinds.map(
      ({ kind, name, dataModel, accessControl, maxCount, maxSizeBytes, maxNodeMultiple }) => ({
        ...{ kind, name, dataModel, accessControl, maxCount, maxSizeBytes, maxNodeMultiple },
      }),
    ),
  );
  assert.ok(document.length > 0);
});

test('[R6940-11.1-03][R6940-11.1-10][R6940-11.1-18] declaration, UTC times, no self-signed-permitted unless permitted', () => {
  const written = text({ ...minimal, expirationMs: 0 });
  assert.ok(written.startsWith('<?xml version="1.0" encoding="UTF-8"?>\n'));
  assert.match(written, /expiration="1970-01-01T00:00:00Z"/);
  assert.doesNotMatch(written, /self-signed/);
});

test('[R6940-11.1-47] registered Kinds are written as registered', () => {
  for (const kind of initialKinds) {
    const registered = registeredKinds.find((entry) => entry.name === kind.name);
    assert.ok(registered !== undefined);
    const element = kindElement(kind);
    assert.ok(element.includes(`name="${registered.name}"`));
    assert.ok(element.includes(`<data-model>${registered.dataModel}</data-model>`));
    assert.ok(element.includes(`<access-control>${registered.accessControl}</access-control>`));
  }
});

test('a new overlay has our values', () => {
  const config = roundTrip(
    {
      ...minimal,
      ...initialOverlayValues,
      domainRestriction: restrictionToDomains(['lab.example']),
    },
    initialKinds,
  );
  assert.equal(config.maxMessageSize, 65536);
  assert.equal(config.noIce, true);
  assert.deepEqual(config.overlayLinkProtocols, ['TLS-TCP-FH-NO-ICE']);
  assert.deepEqual(config.domainRestriction, { enable: true, patterns: ['lab\\.example'] });
  const sip = config.requiredKinds.find((kind) => kind.name === 'SIP-REGISTRATION');
  assert.deepEqual([sip?.maxCount, sip?.maxSizeBytes], [64, 2000]);
  assert.ok(initialValidityMs > 9 * 365 * 86_400_000);
});

test('text that XML cannot carry is a mistake of the caller', () => {
  for (const secret of ['a\u0000', 'b\u001f', 'c\ud800', 'd\uffff']) {
    assert.throws(() => text({ ...minimal, sharedSecret: secret }), UsageError);
  }
});

test('any text is escaped so that it comes back', () => {
  const anyText = fc
    .string({ unit: 'binary', maxLength: 40 })
    .map((value) => value.replace(/[^\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '').trim())
    .filter((value) => value !== '');
  fc.assert(
    fc.property(anyText, (secret) => {
      assert.equal(roundTrip({ ...minimal, sharedSecret: secret }).sharedSecret, secret);
    }),
    { numRuns: 100 },
  );
});

test('times come back to the second for all years of a document', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
      const written = formatDateTime(seconds * 1000);
      assert.equal(written, new Date(seconds * 1000).toISOString().replace('.000', ''));
      assert.equal(dateTimeValue('x', written), seconds * 1000);
    }),
  );
});

test('[R6940-6.3.2.1-02] sequences rise and are compared modulo 65535', () => {
  assert.ok(isNewerSequence(1, 0));
  assert.ok(!isNewerSequence(0, 0));
  assert.ok(!isNewerSequence(0, 1));
  assert.ok(isNewerSequence(0, 65534));
  assert.ok(isNewerSequence(32767, 0));
  assert.ok(!isNewerSequence(32768, 0));
  assert.equal(nextSequence(22), 23);
  assert.equal(nextSequence(65534), 0);
});
