import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../../src/base/limits.ts';
import { createXml } from '../../../src/node/xml.ts';
import type { XmlElement } from '../../../src/ports/xml.ts';

const xml = createXml();
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function parse(text: string): XmlElement {
  const outcome = xml.parse(bytesOf(text));
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error);
  return outcome.value;
}

function refusal(document: string | Uint8Array): string {
  const outcome = xml.parse(typeof document === 'string' ? bytesOf(document) : document);
  assert.ok(!outcome.ok, 'must be refused');
  return outcome.error;
}

/** The bytes of an element as text. */
function slice(text: string, element: XmlElement): string {
  return new TextDecoder().decode(bytesOf(text).subarray(element.start, element.end));
}

test('elements, namespaces, attributes and text', () => {
  const root = parse(
    '<a xmlns="urn:a" xmlns:b="urn:b" b:x="1" y="2">t<b:c/>&amp;&#65;<![CDATA[<d>]]></a>',
  );
  assert.deepEqual(root.attributes, [
    { name: 'x', namespace: 'urn:b', value: '1' },
    { name: 'y', namespace: '', value: '2' },
  ]);
  assert.equal(root.namespace, 'urn:a');
  assert.equal(root.text, 't&A<d>');
  assert.deepEqual(
    root.children.map(({ name, namespace }) => [name, namespace]),
    [['c', 'urn:b']],
  );
});

test('offsets are exact bytes with multi-byte text, a byte order mark and CR LF before', () => {
  const text =
    '\ufeff<?xml version="1.0" encoding="UTF-8"?>\r\n<!-- ü😀<x> --><a>ö\r\n<b q="€>"/ ><c>😀</c ></a>\n'.replace(
      '/ >',
      '/>',
    );
  const root = parse(text);
  const [b, c] = root.children;
  assert.ok(slice(text, root).startsWith('<a>ö'));
  assert.ok(slice(text, root).endsWith('</c ></a>'));
  assert.equal(slice(text, b!), '<b q="€>"/>');
  assert.equal(slice(text, c!), '<c>😀</c >');
});

test('offsets hold for any text around', () => {
  const filler = fc
    .string({ unit: 'binary', maxLength: 30 })
    .map((text) => text.replace(/[^\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, ' '))
    .map((text) => text.replaceAll('&', '+').replaceAll('<', '+').replaceAll('>', '+'));
  fc.assert(
    fc.property(filler, filler, filler, (before, inside, between) => {
      const text = `<r>${before}<k>${inside}</k>${between}<l/></r>`;
      const [k, l] = parse(text).children;
      assert.equal(slice(text, k!), `<k>${inside}</k>`);
      assert.equal(slice(text, l!), '<l/>');
    }),
    { numRuns: 200 },
  );
});

test('document types and entities are refused', () => {
  assert.match(refusal('<!DOCTYPE a [<!ENTITY x "yy">]><a>&x;</a>'), /document type/);
  assert.match(refusal('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'), /document type/);
  assert.match(refusal('<a>&x;</a>'), /entity/);
});

test('[R6940-11.1-02][R6940-11.1-04] ill-formed documents and other encodings are refused', () => {
  for (const text of [
    '',
    'x',
    '<a>',
    '<a></b>',
    '<a/><b/>',
    '<a b=1/>',
    '<a b="1" b="2"/>',
    '<p:a/>',
  ]) {
    refusal(text);
  }
  assert.match(refusal('<?xml version="1.0" encoding="UTF-16"?><a/>'), /UTF-8/);
  refusal(Uint8Array.from(Buffer.from('\ufeff<a/>', 'utf16le')));
  assert.match(refusal(Uint8Array.of(0x3c, 0x61, 0xff, 0x2f, 0x3e)), /UTF-8/);
});

test('size, depth, elements and attributes are bounded', () => {
  const { documentBytes, depth, elements, attributesPerElement } = limits.xml;
  refusal(`<a>${' '.repeat(documentBytes)}</a>`);
  parse('<a>'.repeat(depth) + '</a>'.repeat(depth));
  assert.match(refusal('<a>'.repeat(depth + 1) + '</a>'.repeat(depth + 1)), /deeper/);
  parse(`<a>${'<b/>'.repeat(elements - 1)}</a>`);
  assert.match(refusal(`<a>${'<b/>'.repeat(elements)}</a>`), /elements/);
  const attributes = (n: number): string =>
    Array.from({ length: n }, (_, i) => `a${i}="x"`).join(' ');
  parse(`<a ${attributes(attributesPerElement)}/>`);
  assert.match(refusal(`<a ${attributes(attributesPerElement + 1)}/>`), /attributes/);
});

test('arbitrary bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      xml.parse(bytes);
    }),
    { numRuns: 200 },
  );
});
