/** What our codec and npm `sip` read in one message, in the same few words. */
import { createRequire } from 'node:module';
import { parseNameAddr } from '../../src/sip/message/name-addr.ts';
import { parseMessage, type SipMessage } from '../../src/sip/message/message.ts';
import { parseVia } from '../../src/sip/message/via.ts';

/** Field to text; a missing field is absent, a refused message has only `refused`. */
export type Reading = ReadonlyMap<string, string>;

interface OtherAddress {
  readonly name?: string;
  readonly uri?: string;
  readonly params?: Readonly<Record<string, string | null>>;
}

interface OtherVia {
  readonly protocol?: string;
  readonly host?: string;
  readonly port?: number;
  readonly params?: Readonly<Record<string, string | null>>;
}

interface OtherMessage {
  readonly method?: string;
  readonly uri?: string;
  readonly status?: number;
  readonly reason?: string;
  readonly content?: string;
  readonly headers: {
    readonly from?: OtherAddress;
    readonly to?: OtherAddress;
    readonly via?: readonly OtherVia[];
    readonly contact?: readonly OtherAddress[] | '*';
    readonly cseq?: { readonly seq: number; readonly method: string };
    readonly 'call-id'?: string;
  };
}

const other = createRequire(import.meta.url)('sip') as {
  parse(message: string): OtherMessage | undefined;
};

/** The reading of our codec. */
export function ourReading(bytes: Uint8Array): Reading {
  const parsed = parseMessage(bytes);
  if (!parsed.ok) return new Map([['refused', 'yes']]);
  const fields = new Map<string, string>();
  const message: SipMessage = parsed.value;
  if (message.kind === 'request') {
    fields.set('method', message.method);
    fields.set('uri', message.uri);
  } else {
    fields.set('status', String(message.status));
    fields.set('reason', Buffer.from(message.reason, 'latin1').toString());
  }
  fields.set('from', addressText(message.from.uri, message.from.tag));
  fields.set('to', addressText(message.to.uri, message.to.tag));
  fields.set('call-id', message.callId);
  fields.set('cseq', `${message.cseq.number} ${message.cseq.method}`);
  for (const [i, value] of message.values('Via').entries()) {
    const via = parseVia(value);
    const text = via.ok
      ? `${via.value.transport} ${via.value.host}:${via.value.port ?? ''} ${via.value.branch ?? ''}`
      : 'unreadable';
    fields.set(`via ${i + 1}`, text);
  }
  for (const [i, value] of message.values('Contact').entries()) {
    const contact = parseNameAddr(value);
    fields.set(`contact ${i + 1}`, contact.ok ? contact.value.uri : value);
  }
  fields.set('body', Buffer.from(message.body).toString('latin1'));
  return fields;
}

/** The reading of npm `sip`; a thrown error is a refusal. */
export function otherReading(bytes: Uint8Array): Reading {
  const message = tryParse(Buffer.from(bytes).toString('latin1'));
  if (message === undefined) return new Map([['refused', 'yes']]);
  const fields = new Map<string, string>();
  const { headers } = message;
  if (message.method !== undefined) fields.set('method', message.method);
  if (message.uri !== undefined) fields.set('uri', message.uri);
  if (message.status !== undefined) {
    fields.set('status', String(message.status));
    fields.set('reason', Buffer.from(message.reason ?? '', 'latin1').toString());
  }
  for (const name of ['from', 'to'] as const) {
    const address = headers[name];
    if (address !== undefined) {
      fields.set(name, addressText(address.uri ?? '', address.params?.['tag'] ?? undefined));
    }
  }
  if (headers['call-id'] !== undefined) fields.set('call-id', headers['call-id']);
  if (headers.cseq !== undefined) fields.set('cseq', `${headers.cseq.seq} ${headers.cseq.method}`);
  for (const [i, via] of (headers.via ?? []).entries()) {
    const branch = via.params?.['branch'] ?? '';
    fields.set(
      `via ${i + 1}`,
      `${(via.protocol ?? '').toUpperCase()} ${via.host ?? ''}:${via.port ?? ''} ${branch}`,
    );
  }
  const contacts = headers.contact === '*' ? [{ uri: '*' }] : (headers.contact ?? []);
  for (const [i, contact] of contacts.entries()) fields.set(`contact ${i + 1}`, contact.uri ?? '');
  fields.set('body', message.content ?? '');
  return fields;
}

/** Names of the fields in which two readings differ. */
export function differences(ours: Reading, theirs: Reading): string[] {
  if (ours.has('refused') || theirs.has('refused')) {
    if (ours.has('refused') && theirs.has('refused')) return [];
    return [ours.has('refused') ? 'only ours refuses' : 'only theirs refuses'];
  }
  const names = new Set([...ours.keys(), ...theirs.keys()]);
  return [...names].filter((name) => ours.get(name) !== theirs.get(name));
}

function addressText(uri: string, tag: string | undefined): string {
  return `${uri} ${tag ?? ''}`;
}

function tryParse(text: string): OtherMessage | undefined {
  try {
    return other.parse(text);
  } catch {
    return undefined;
  }
}
