/**
 * Addresses of record as this usage writes them: no scheme, escapes decoded, host in lower case, so
 * that the text equals the rfc822Name of the user's certificate. RFC 7904 §2, §7.
 */
import { latin1Encode, utf8Decode } from '../../base/text.ts';
import { limits } from '../../base/limits.ts';

/** The two halves of an AOR. */
export interface AorParts {
  readonly user: string;
  /** Lower case, no port; an IPv6 address keeps its brackets. */
  readonly host: string;
}

/**
 * The AOR named by `text`: an AOR, or a sip:/sips: URI whose port, parameters and headers are
 * ignored. `undefined` when there is no user part, an escape is wrong, or a control character hides in it.
 */
export function aorOf(text: string): string | undefined {
  const parts = aorParts(text);
  return parts === undefined ? undefined : `${parts.user}@${parts.host}`;
}

/** As {@link aorOf}, in two halves. */
export function aorParts(text: string): AorParts | undefined {
  if (text.length > limits.usagesSip.aorChars * 3) return undefined;
  const bare = withoutScheme(text);
  const at = bare.lastIndexOf('@');
  if (at <= 0) return undefined;
  const user = decodeEscapes(bare.slice(0, at));
  const host = hostOf(bare.slice(at + 1));
  if (user === undefined || host === undefined) return undefined;
  if (user.length + 1 + host.length > limits.usagesSip.aorChars) return undefined;
  return { user, host };
}

/** True for a URI or AOR that carries a `gr` parameter (RFC 7904 §6). */
export function isGruu(text: string): boolean {
  return /;gr(?:[=;?]|$)/i.test(text);
}

function withoutScheme(text: string): string {
  const scheme = /^sips?:/i.exec(text);
  return scheme === null ? text : text.slice(scheme[0].length);
}

function hostOf(text: string): string | undefined {
  const end = text.search(/[;?>]/);
  const hostPort = (end < 0 ? text : text.slice(0, end)).toLowerCase();
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::[0-9]{1,5})?$/.exec(hostPort);
  return match?.[1];
}

function decodeEscapes(text: string): string | undefined {
  let decoded: string | undefined = text;
  if (text.includes('%')) {
    if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
    const bytes = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    // Characters above 255 cannot stand beside escapes: the escapes are UTF-8 bytes.
    if (/[^\0-\xff]/.test(bytes)) return undefined;
    decoded = utf8Decode(latin1Encode(bytes));
  }
  // eslint is told by the class itself: C0 controls, space and DEL never belong to an AOR.
  return decoded === undefined || hasControl(decoded) ? undefined : decoded;
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return true;
  }
  return false;
}
