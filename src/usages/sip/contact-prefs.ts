/**
 * The `contact_prefs` of a route record: what the phones behind an adapter can do, as a feature set
 * (RFC 7904 §3.2, RFC 3840 §5). Several phones are alternatives of one OR, each with its own q.
 *
 * The record is public, so of a phone's instance only a hash travels, bound to the AOR: equal for one
 * phone at two adapters, useless for following a phone from one AOR to another.
 */
import { hexEncode, utf8Encode } from '../../base/text.ts';
import { limits } from '../../base/limits.ts';
import { sha256 } from '../../base/hash.ts';
import type { FeatureFilter } from './features.ts';
import { eachFeature, mayMatch, parseFeatures } from './features.ts';
import type { PublicAddress } from './public-address.ts';
import { formatPublicAddress, parsePublicAddress } from './public-address.ts';

/** What one binding tells about its phone. */
export interface PhoneFeatures {
  /** Contact URI schemes the phone can be reached by. */
  readonly sip: boolean;
  readonly sips: boolean;
  /** 0..1000. */
  readonly q: number;
  /** {@link instanceHash}; `undefined` when the phone named no instance. */
  readonly instance: string | undefined;
  /** Remaining Contact parameters as received: `;audio;methods="INVITE,BYE"`. */
  readonly parameters: string;
}

/** What a caller needs to know of a record. */
export interface ContactPrefs {
  /** False only when the record excludes the scheme. */
  readonly sip: boolean;
  readonly sips: boolean;
  /** Highest q of the alternatives, 0..1000. */
  readonly q: number;
  readonly instances: readonly string[];
  /** True when some phone named no instance, so `instances` does not stand for all of them. */
  readonly anonymousPhones: boolean;
  /** Where the adapter is reached without the overlay, most preferred first. */
  readonly addresses: readonly PublicAddress[];
}

const instanceTag = 'g.chordial.instance';
const addressTag = 'g.chordial.address';

/** Name under which one phone of one AOR is known to callers: 32 hexadecimal digits. */
export function instanceHash(aor: string, instance: string): string {
  const digest = sha256(utf8Encode(`${aor}\n${instance.toLowerCase()}`));
  return hexEncode(digest.subarray(0, 16));
}

/**
 * The predicate of a record; at most `limits.usagesSip.contactPrefsChars` long, details are left out to
 * fit. The public addresses of the adapter hold for all its phones.
 */
export function encodeContactPrefs(
  phones: readonly PhoneFeatures[],
  addresses: readonly PublicAddress[] = [],
): string {
  if (addresses.length === 0) return phonesWithin(phones, limits.usagesSip.contactPrefsChars);
  const terms = addresses
    .slice(0, limits.usagesSip.publicAddresses)
    .map((address) => `(${addressTag}="${formatPublicAddress(address)}")`)
    .join(' ');
  const room = limits.usagesSip.contactPrefsChars - terms.length - '(&  )'.length;
  return `(& ${terms} ${phonesWithin(phones, room)})`;
}

function phonesWithin(phones: readonly PhoneFeatures[], chars: number): string {
  const full = alternatives(phones, (phone) => [...featureTerms(phone.parameters)]);
  if (full.length <= chars) return full;
  const bare = alternatives(phones, () => []);
  if (bare.length <= chars) return bare;
  const either: PhoneFeatures = {
    sip: phones.some((phone) => phone.sip),
    sips: phones.some((phone) => phone.sips),
    q: Math.max(...phones.map((phone) => phone.q)),
    instance: undefined,
    parameters: '',
  };
  return alternatives([either], () => []);
}

function alternatives(
  phones: readonly PhoneFeatures[],
  details: (phone: PhoneFeatures) => readonly string[],
): string {
  const terms = phones.map((phone) => {
    const parts = [schemesTerm(phone), ...details(phone)];
    if (phone.instance !== undefined) parts.push(`(${instanceTag}="${phone.instance}")`);
    return { predicate: conjunction(parts), quality: quality(phone.q) };
  });
  // Order and repetition of alternatives carry no meaning: sorted, so that equal phones give equal text.
  const unique = [...new Set(terms.map((term) => term.predicate + term.quality))].sort();
  return unique.length === 1 ? (unique[0] ?? '') : `(| ${unique.join(' ')})`;
}

function conjunction(parts: readonly string[]): string {
  return parts.length === 1 ? (parts[0] ?? '') : `(& ${parts.join(' ')})`;
}

function schemesTerm(phone: PhoneFeatures): string {
  if (phone.sip && phone.sips) return '(| (sip.schemes=SIP) (sip.schemes=SIPS))';
  return phone.sips ? '(sip.schemes=SIPS)' : '(sip.schemes=SIP)';
}

function quality(q: number): string {
  return q >= 1000 ? '' : `;q=${(Math.max(0, q) / 1000).toFixed(3).replace(/\.?0+$/, '')}`;
}

/** Base tags of RFC 3840 §9 and RFC 4569 that say what a phone can do; free text stays private. */
const baseTags: ReadonlySet<string> = new Set([
  'audio',
  'automata',
  'class',
  'duplex',
  'data',
  'control',
  'mobility',
  'events',
  'priority',
  'methods',
  'extensions',
  'application',
  'video',
  'language',
  'type',
  'isfocus',
  'actor',
  'text',
]);

/** Terms of the capabilities among Contact parameters, RFC 3840 §5: a flag is TRUE, a list is an OR. */
function* featureTerms(parameters: string): Iterable<string> {
  const pattern =
    /;[ \t]*([a-z]+)(?:[ \t]*=[ \t]*(?:"([^"\\]{0,256})"|([^;"\s]{0,64})))?[ \t]*(?=;|$)/gi;
  let count = 0;
  for (const match of parameters
    .slice(0, limits.usagesSip.contactPrefsChars * 2)
    .matchAll(pattern)) {
    const name = (match[1] ?? '').toLowerCase();
    if (!baseTags.has(name) || ++count > limits.usagesSip.featureTerms) continue;
    const value = match[2] ?? match[3];
    const values =
      value === undefined
        ? ['TRUE']
        : value
            .split(',')
            .map((item) => item.trim())
            .filter((item) => /^!?[A-Za-z0-9][A-Za-z0-9._/+-]*$/.test(item));
    const terms = values.map((item) =>
      item.startsWith('!') ? `(! (sip.${name}=${item.slice(1)}))` : `(sip.${name}=${item})`,
    );
    if (terms.length === 1) yield terms[0] ?? '';
    else if (terms.length > 1) yield `(| ${terms.join(' ')})`;
  }
}

const unrestricted: ContactPrefs = {
  sip: true,
  sips: true,
  q: 1000,
  instances: [],
  anonymousPhones: true,
  addresses: [],
};

/** Reads a predicate of any origin; what cannot be understood excludes nothing. */
export function decodeContactPrefs(text: string): ContactPrefs {
  if (text.length === 0 || text.length > limits.usagesSip.foreignPrefsChars) return unrestricted;
  const filter = parseFeatures(text);
  if (filter === undefined) return unrestricted;
  const { addresses, rest } = splitAddresses(filter);
  const phones = rest.kind === 'or' ? rest.items : [rest];
  const instances = new Set<string>();
  let anonymousPhones = false;
  let q = 0;
  for (const phone of phones) {
    const named = instanceOf(phone);
    if (named === undefined) anonymousPhones = true;
    else instances.add(named);
    q = Math.max(q, qualityOf(phone));
  }
  return {
    sip: mayMatch(filter, 'sip.schemes', 'SIP') !== false,
    sips: mayMatch(filter, 'sip.schemes', 'SIPS') !== false,
    q: Math.min(q, qualityOf(rest), qualityOf(filter)),
    instances: [...instances].slice(0, limits.usagesSip.instancesPerRecord),
    anonymousPhones,
    addresses,
  };
}

/** Takes the addresses off that {@link encodeContactPrefs} puts before its phones. */
function splitAddresses(filter: FeatureFilter): {
  readonly addresses: readonly PublicAddress[];
  readonly rest: FeatureFilter;
} {
  if (filter.kind !== 'and') return { addresses: [], rest: filter };
  const addresses: PublicAddress[] = [];
  const others: FeatureFilter[] = [];
  for (const item of filter.items) {
    if (item.kind !== 'feature' || item.tag !== addressTag) {
      others.push(item);
      continue;
    }
    const address = parsePublicAddress(item.value);
    if (address !== undefined && addresses.length < limits.usagesSip.publicAddresses) {
      addresses.push(address);
    }
  }
  const [only] = others;
  const isOurs = others.length === 1 && others.length < filter.items.length;
  return { addresses, rest: isOurs && only !== undefined ? only : filter };
}

function instanceOf(filter: FeatureFilter): string | undefined {
  let found: string | undefined;
  eachFeature(filter, (tag, value) => {
    if (tag === instanceTag && /^[0-9a-f]{32}$/.test(value)) found = value;
  });
  return found;
}

function qualityOf(filter: FeatureFilter): number {
  const text = filter.params.get('q');
  if (text === undefined || !/^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/.test(text)) return 1000;
  return Math.round(Number(text) * 1000);
}
