import { sha256 } from '../../base/hash.ts';
import { hexEncode, latin1Encode } from '../../base/text.ts';
import type { Binding } from '../location/binding.ts';
import { escapeUser } from '../message/uri.ts';

/** Why a contact is no more. RFC 3680 §5.2. */
export type ContactEnd = 'expired' | 'unregistered' | 'deactivated';

export interface RegInfo {
  readonly aor: string;
  /** Counts the documents of one subscription, from 0. */
  readonly version: number;
  readonly bindings: readonly Binding[];
  /** True for a contact that the last document showed already. */
  isKnown(binding: Binding): boolean;
  /** Contacts gone since the last document. */
  readonly gone: readonly { readonly binding: Binding; readonly end: ContactEnd }[];
  readonly nowMs: number;
  /** The public GRUU of an instance (RFC 5628), where there are any. */
  readonly publicGruu: ((instance: string) => string) | undefined;
}

/** The full state of one address of record as `application/reginfo+xml`. RFC 3680 §5. */
export function formatRegInfo(info: RegInfo): string {
  const { aor, bindings, gone } = info;
  const state = bindings.length > 0 ? 'active' : gone.length > 0 ? 'terminated' : 'init';
  const contacts = [
    ...bindings.map((b) => contact(info, b, undefined)),
    ...gone.map(({ binding, end }) => contact(info, binding, end)),
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"' +
      ` version="${String(info.version)}" state="full">`,
    `<registration aor="${escaped(`sip:${shownAor(aor)}`)}" id="${idOf(aor)}" state="${state}">`,
    ...contacts,
    '</registration>',
    '</reginfo>',
    '',
  ].join('\n');
}

/** Equal for the same contact of an address of record. */
export function contactId(binding: Binding): string {
  const { contact: uri, instance = '', regId = 0 } = binding;
  return idOf(regId === 0 ? `${uri}\n${instance}` : `${instance}\n${String(regId)}`);
}

function contact(info: RegInfo, binding: Binding, end: ContactEnd | undefined): string {
  const { callId, cseq, instance, q } = binding;
  const leftS = Math.max(0, Math.round((binding.expiresAtMs - info.nowMs) / 1000));
  const event = end ?? (info.isKnown(binding) ? 'refreshed' : 'registered');
  const attributes = [
    `id="${contactId(binding)}"`,
    `state="${end === undefined ? 'active' : 'terminated'}"`,
    `event="${event}"`,
    ...(end === undefined ? [`expires="${String(leftS)}"`] : []),
    `q="${(q / 1000).toFixed(3)}"`,
    `callid="${escaped(callId)}"`,
    `cseq="${String(cseq)}"`,
  ];
  const lines = [`<contact ${attributes.join(' ')}>`, `<uri>${escaped(binding.contact)}</uri>`];
  if (instance !== undefined) {
    const value = escaped(`"<${instance}>"`);
    lines.push(`<unknown-param name="+sip.instance">${value}</unknown-param>`);
    if (info.publicGruu !== undefined) {
      lines.push(`<gr:pub-gruu uri="${escaped(info.publicGruu(instance))}"/>`);
    }
  }
  return [...lines, '</contact>'].join('\n');
}

function shownAor(aor: string): string {
  const at = aor.lastIndexOf('@');
  return escapeUser(aor.slice(0, at)) + aor.slice(at);
}

function idOf(text: string): string {
  return hexEncode(sha256(latin1Encode(text)).subarray(0, 8));
}

/** Characters that XML does not know become U+FFFD. */
function escaped(text: string): string {
  return text.replace(/[&<>"\0-\x08\x0b\x0c\x0e-\x1f]/g, (char) => entities.get(char) ?? '\ufffd');
}

const entities: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
]);
