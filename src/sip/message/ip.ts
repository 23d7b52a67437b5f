/** IP addresses as text. RFC 3986 §3.2.2, RFC 5952, RFC 5954. */

/** True for dotted-decimal IPv4. */
export function isIpv4(text: string): boolean {
  let parts = 0;
  let value = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e;
    if (code === 0x2e) {
      if (value < 0 || ++parts > 4) return false;
      value = -1;
    } else {
      const digit = code - 48;
      if (digit < 0 || digit > 9 || value === 0) return false;
      value = (value < 0 ? 0 : value * 10) + digit;
      if (value > 255) return false;
    }
  }
  return parts === 4;
}

/** The eight groups of an IPv6 address without brackets or zone; `undefined` when it is none. */
export function parseIpv6(text: string): readonly number[] | undefined {
  if (text.length < 2 || text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Groups between colons; the last may be dotted-decimal where `dotted`. */
function parseGroups(text: string, dotted: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] ?? '';
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else if (dotted && i === parts.length - 1 && isIpv4(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      groups.push((a << 8) | b, (c << 8) | d);
    } else return undefined;
  }
  return groups;
}

/** RFC 5952 form of the eight groups. */
export function formatIpv6(groups: readonly number[]): string {
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6);
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > length) [start, length] = [i, run];
    i += run;
  }
  const hex = groups.map((group) => group.toString(16));
  if (start < 0) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/**
 * A host for comparison and as an index: lower case, IPv6 in RFC 5952 form (in brackets if it came
 * in brackets). Never decodes percent-escapes (RFC 3261 §19.1.2).
 */
export function canonicalHost(host: string): string {
  if (host.charCodeAt(0) !== 0x5b) return host.toLowerCase();
  const groups = parseIpv6(host.slice(1, -1));
  return groups === undefined ? host.toLowerCase() : `[${formatIpv6(groups)}]`;
}

/** The address without brackets, IPv6 in RFC 5952 form; other hosts in lower case. */
export function canonicalAddress(text: string): string {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (!bare.includes(':')) return bare.toLowerCase();
  const groups = parseIpv6(bare);
  return groups === undefined ? bare.toLowerCase() : formatIpv6(groups);
}

/** Host as it stands in a URI or Via: IPv6 in brackets. */
export function bracketed(address: string): string {
  return address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
}
