import { readFileSync } from 'node:fs';
import { failure, success } from '../../../src/base/outcome.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { createSignatureQueue } from '../../../src/node/signature-queue.ts';
import { createVerifier } from '../../../src/node/verifier.ts';
import { createXml } from '../../../src/node/xml.ts';
import { parseOverlayDocument } from '../../../src/overlay-config/parse.ts';
import type { ParsedConfiguration } from '../../../src/overlay-config/parse.ts';
import type { OverlayConfig } from '../../../src/ports/overlay-config.ts';

export const xml = createXml();
export const signatures = createSignatureQueue();
export const verifier = createVerifier(signatures);
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A certificate that parses; whether it is a good root is not the parser's concern. */
const pem = readFileSync(new URL('../../vectors/data/test-only-cert.pem', import.meta.url), 'utf8');
export const rootBase64 = pem.replace(/-----[A-Z ]+-----|\s/g, '');

/** A document with one configuration that holds a usable root and `content`. */
export function document(content: string, attributes = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base" xmlns:ext="urn:example:ext"
  xmlns:chord="urn:ietf:params:xml:ns:p2p:config-chord" xmlns:sip="urn:ietf:params:xml:ns:p2p:config-base:sip">
  <configuration instance-name="overlay.example.org" ${attributes}><root-cert> ${rootBase64} </root-cert>${content}</configuration>
</overlay>`;
}

export function parse(text: string, overlayName?: string): Outcome<ParsedConfiguration> {
  return parseOverlayDocument(bytesOf(text), xml, verifier, overlayName);
}

export function config(content: string, attributes = ''): OverlayConfig {
  const parsed = parse(document(content, attributes));
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value.config;
}

/** Why the content is refused, or success. */
export function refusal(content: string, attributes = ''): Outcome<string> {
  const parsed = parse(document(content, attributes));
  return parsed.ok ? failure('was accepted') : success(parsed.error);
}
