import assert from 'node:assert/strict';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import {
  type SipMessage,
  type SipRequest,
  parseMessage,
} from '../../../../src/sip/message/message.ts';

/** A request whose header section holds every kind of row. */
export const invite = [
  'INVITE sip:bob@example.com SIP/2.0',
  'Via: SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/TCP "b,c".example',
  'v: SIP/2.0/UDP d.example;branch=z9hG4bK2',
  'Max-Forwards: 70',
  'f: "A, \\"l\\"" <sip:alice@example.com>;tag=1',
  'TO:<sip:bob@example.com>',
  'i: call-1@example.com',
  'CSeq: 7 INVITE',
  'Record-Route: <sip:p1.example;lr>',
  'record-route: <sip:p2.example;lr>, <sip:p3.example;lr>',
  'X-Odd:  keep   this ',
  'Timestamp: 54',
  'c: text/plain',
  'l: 4',
  '',
  'body',
].join('\r\n');

export function textOf(message: SipMessage): string {
  return latin1Decode(message.toBytes());
}

export function parse(source: string): SipMessage {
  const parsed = parseMessage(latin1Encode(source));
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.reason);
  return parsed.value;
}

export function request(source: string): SipRequest {
  const message = parse(source);
  assert.ok(message.kind === 'request');
  return message;
}

/** Why a message is refused, and with which status it is answered. */
export function refusal(source: string): { reason: string; status: number | undefined } {
  const parsed = parseMessage(latin1Encode(source));
  assert.ok(!parsed.ok, 'it is read');
  return { reason: parsed.error.reason, status: parsed.error.reply?.status };
}
