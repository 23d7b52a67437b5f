import assert from 'node:assert/strict';
import { latin1Encode } from '../../../../src/base/text.ts';
import { type SipRequest, parseMessage } from '../../../../src/sip/message/message.ts';
import { domain } from './rig.ts';

export interface RequestParts {
  readonly method?: string;
  readonly uri?: string;
  readonly from?: string;
  readonly to?: string;
  readonly callId?: string;
  readonly vias?: readonly string[];
}

/** A request with those header rows, read from text, for units that take one. */
export function requestOf(headers: readonly string[], parts: RequestParts = {}): SipRequest {
  const method = parts.method ?? 'INVITE';
  const vias = parts.vias ?? ['SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-p'];
  const text = [
    `${method} ${parts.uri ?? `sip:bob@${domain}`} SIP/2.0`,
    ...vias.map((via) => `Via: ${via}`),
    `From: ${parts.from ?? `<sip:alice@${domain}>;tag=1`}`,
    `To: ${parts.to ?? `<sip:bob@${domain}>`}`,
    `Call-ID: ${parts.callId ?? 'call'}`,
    `CSeq: 7 ${method}`,
    ...headers,
    '',
    '',
  ].join('\r\n');
  const parsed = parseMessage(latin1Encode(text));
  assert.ok(parsed.ok && parsed.value.kind === 'request', text);
  return parsed.value;
}
