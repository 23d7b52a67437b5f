import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import { failure, success } from '../../base/outcome.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { Domains } from '../core/domains.ts';
import { aorOf, servedDomainOf } from '../core/aor.ts';
import type { RegistrarSettings } from '../core/settings.ts';
import type { SipRequest } from '../message/message.ts';
import { type NameAddr, parseNameAddr } from '../message/name-addr.ts';
import { type SipUri, parseUri } from '../message/uri.ts';

/** A REGISTER as the registrar understands it. RFC 3261 §10.3 steps 1 to 6. */
export interface RegisterRequest {
  readonly aor: string;
  readonly callId: string;
  readonly cseq: number;
  /** `*`, or the contacts; an empty list is a fetch. */
  readonly contacts: readonly RegisterContact[] | '*';
  readonly path: readonly string[];
  /** Outbound was asked for and is applied: the answer says so. RFC 5626 §6. */
  readonly outbound: boolean;
  /** `sip`, or `sips` when the phone registers its SIPS address. */
  readonly scheme: 'sip' | 'sips';
}

export interface RegisterContact {
  readonly uri: string;
  readonly parsedUri: SipUri;
  /** Requested seconds, 0 = remove; `undefined` when neither parameter nor header says. */
  readonly expiresS: number | undefined;
  /** 0..1000. */
  readonly q: number;
  readonly instance: string | undefined;
  readonly regId: number | undefined;
  /** See {@link Binding.parameters}. */
  readonly parameters: string;
}

/** Option tags a REGISTER may require. */
const understood: ReadonlySet<string> = new Set(['path', 'outbound', 'pref', 'gruu']);

export function readRegister(
  request: SipRequest,
  domains: Domains,
  settings: Pick<RegistrarSettings, 'acceptsUnannouncedPath'>,
): Outcome<RegisterRequest, SipFailure> {
  if (request.has('Require')) {
    const unknown = request.values('Require').filter((tag) => !understood.has(tag.toLowerCase()));
    if (unknown.length > 0) {
      return failure(sipFailure(420, 'Bad Extension', [['Unsupported', unknown.join(', ')]]));
    }
  }
  const to = request.to.parsedUri;
  if (!to.ok || (to.value.scheme !== 'sip' && to.value.scheme !== 'sips')) {
    return failure(sipFailure(400, 'To Is Not a SIP URI'));
  }
  const aor = aorOf(to.value, domains);
  if (aor === undefined) return failure(sipFailure(404, 'Not Found'));
  const path = request.has('Path') ? request.values('Path') : noValues;
  if (path.length > limits.sipRoles.pathValues || path.some(isTooLong)) {
    return failure(sipFailure(400, 'Too Many Paths'));
  }
  if (path.length > 0 && !settings.acceptsUnannouncedPath && !supports(request, 'path')) {
    return failure(sipFailure(420, 'Bad Extension', [['Unsupported', 'path']]));
  }
  if (isTooLong(request.callId)) return failure(sipFailure(400, 'Call-ID Too Long'));
  const read = readContacts(request, to.value, domains);
  if (!read.ok) return read;
  let contacts = read.value;
  let outbound = false;
  if (contacts !== '*' && contacts.some((contact) => contact.regId !== undefined)) {
    const asked = supports(request, 'outbound');
    if (reachesOutbound(request, path)) {
      if (contacts.filter((contact) => contact.expiresS !== 0).length > 1) {
        return failure(sipFailure(400, 'One Contact With reg-id'));
      }
      outbound = asked && contacts.some((c) => c.regId !== undefined && c.expiresS !== 0);
    } else if (asked) {
      return failure(sipFailure(439, 'First Hop Lacks Outbound Support'));
    } else {
      contacts = contacts.map((contact) => ({ ...contact, regId: undefined }));
    }
  }
  return success({
    aor,
    callId: request.callId,
    cseq: request.cseq.number,
    contacts,
    path,
    outbound,
    scheme: to.value.scheme,
  });
}

/** The registrar is the first hop, or the first hop has marked its Path value with `ob`. RFC 5626 §6. */
function reachesOutbound(request: SipRequest, path: readonly string[]): boolean {
  const first = path[0];
  if (first === undefined) return request.values('Via').length === 1;
  const parsed = parseNameAddr(first);
  return parsed.ok && parsed.value.parsedUri.ok && parsed.value.parsedUri.value.params.has('ob');
}

const noValues: readonly string[] = [];

function readContacts(
  request: SipRequest,
  to: SipUri,
  domains: Domains,
): Outcome<readonly RegisterContact[] | '*', SipFailure> {
  const values = request.values('Contact');
  const header = request.header('Expires');
  const headerS = header === undefined ? undefined : parseExpires(header);
  if (values.includes('*')) {
    if (values.length > 1) return failure(sipFailure(400, 'Wildcard With Other Contacts'));
    if (headerS !== 0) return failure(sipFailure(400, 'Wildcard Without Expires 0'));
    return success('*');
  }
  if (values.length > limits.sipRoles.contactsPerRegister) {
    return failure(sipFailure(400, 'Too Many Contacts'));
  }
  const contacts: RegisterContact[] = [];
  for (const value of values) {
    const parsed = parseNameAddr(value);
    if (!parsed.ok) return failure(sipFailure(400, 'Malformed Contact'));
    const contact = readContact(parsed.value, headerS, to, domains);
    if (!contact.ok) return contact;
    contacts.push(contact.value);
  }
  return success(contacts);
}

function readContact(
  contact: NameAddr,
  headerS: number | undefined,
  to: SipUri,
  domains: Domains,
): Outcome<RegisterContact, SipFailure> {
  const bare = !contact.raw.includes('<');
  if (bare && contact.uri.includes('?')) return failure(sipFailure(400, 'Malformed Contact'));
  // A NUL behind a backslash is legal in a quoted string, but no phone has reason to register one.
  if (contact.raw.includes('\0')) return failure(sipFailure(400, 'Malformed Contact'));
  const uri = contact.parsedUri;
  if (!uri.ok) return failure(sipFailure(400, 'Malformed Contact'));
  const isSip = uri.value.scheme === 'sip' || uri.value.scheme === 'sips';
  const instance = contact.params.get('+sip.instance')?.replace(/^<|>$/g, '');
  const isAor =
    isSip &&
    uri.value.port === undefined &&
    uri.value.headers === undefined &&
    uri.value.user === to.user &&
    uri.value.host.toLowerCase() === to.host.toLowerCase();
  // A GRUU of ours leads back here, whomever it names.
  const isGruu = uri.value.params.has('gr') && servedDomainOf(uri.value, domains) !== undefined;
  if (isAor || isGruu || (!isSip && instance !== undefined)) {
    return failure(sipFailure(403, 'Contact Not Allowed'));
  }
  const expires = contact.params.get('expires');
  const parameters = formatParameters(contact);
  if (isTooLong(contact.uri) || isTooLong(parameters)) {
    return failure(sipFailure(400, 'Contact Too Long'));
  }
  return success({
    uri: contact.uri,
    parsedUri: uri.value,
    expiresS: contact.params.has('expires') ? parseExpires(expires ?? '') : headerS,
    q: parseQ(contact.params.get('q')),
    instance: instance === '' ? undefined : instance,
    regId: instance === undefined ? undefined : parseRegId(contact.params.get('reg-id')),
    parameters,
  });
}

/** A binding keeps the text for hours. */
function isTooLong(text: string): boolean {
  return text.length > limits.sipRoles.textBytes;
}

/** Parameters that have their own field in a binding, or that only the registrar may state. */
const separate: ReadonlySet<string> = new Set(['expires', 'q', 'pub-gruu', 'temp-gruu']);

function formatParameters(contact: NameAddr): string {
  let text = '';
  for (const [name, value] of contact.params) {
    if (separate.has(name)) continue;
    if (value === undefined) text += `;${name}`;
    else text += isPlain(name, value) ? `;${name}=${value}` : `;${name}="${escape(value)}"`;
  }
  return text;
}

/** Values of feature tags always stand in quotes (RFC 3840 §9), others where they are no token. */
function isPlain(name: string, value: string): boolean {
  if (name.startsWith('+') || baseTags.has(name)) return false;
  return /^[\w.!%*+`'~-]+$/.test(value);
}

/** RFC 3840 §9 and the registry it opened. */
const baseTags: ReadonlySet<string> = new Set([
  'actor',
  'application',
  'audio',
  'automata',
  'class',
  'control',
  'data',
  'description',
  'duplex',
  'events',
  'extensions',
  'isfocus',
  'language',
  'methods',
  'mobility',
  'priority',
  'schemes',
  'text',
  'type',
  'video',
]);

function escape(value: string): string {
  return value.replace(/["\\]/g, '\\$&');
}

/** A malformed value counts as 3600, a huge one as 2^32-1. RFC 3261 §10.2. */
function parseExpires(text: string): number {
  if (!/^\d+$/.test(text)) return 3600;
  return Math.min(Number(text), 0xffff_ffff);
}

function parseQ(text: string | undefined): number {
  if (text === undefined || !/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text)) return 1000;
  return Math.round(Number(text) * 1000);
}

/** RFC 5626 §10: 1 .. 2^31-1. */
function parseRegId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id >= 1 && id < 0x8000_0000 ? id : undefined;
}

export function supports(request: SipRequest, tag: string): boolean {
  if (!request.has('Supported')) return false;
  return request.values('Supported').some((value) => value.toLowerCase() === tag);
}

/** The Contact URI in a comparable form; `undefined` when it cannot be read. */
export function comparable(uri: string): SipUri | undefined {
  const parsed = parseUri(uri);
  return parsed.ok ? parsed.value : undefined;
}
