/** Telephone numbers: which user or trunk they lead to. RFC 3966. */
import type { SipUri } from '../sip/message/uri.ts';
import { decodeEscapes } from '../sip/message/uri.ts';

/** One rule; the longest prefix that fits wins. */
export interface NumberRoute {
  /** Beginning of the number, `+` included; empty: any number. With `user` the whole number. */
  readonly prefix: string;
  /** AOR that answers for the number. */
  readonly user?: string;
  /** Names of trunks, tried in this order. */
  readonly trunks?: readonly string[];
  /** Digits taken away at the front before the number goes to a trunk, and what is put there instead. */
  readonly strip?: number;
  readonly prepend?: string;
}

export type NumberTarget =
  | { readonly kind: 'user'; readonly aor: string }
  | { readonly kind: 'trunks'; readonly trunks: readonly string[]; readonly number: string };

export interface NumberRoutes {
  find(number: string): NumberTarget | undefined;
}

export function createNumberRoutes(routes: readonly NumberRoute[]): NumberRoutes {
  const longestFirst = [...routes].sort((a, b) => b.prefix.length - a.prefix.length);
  return {
    find(number) {
      for (const { prepend = '', prefix, strip = 0, trunks, user } of longestFirst) {
        if (user !== undefined) {
          if (number === prefix) return { kind: 'user', aor: user };
        } else if (trunks !== undefined && number.startsWith(prefix)) {
          return { kind: 'trunks', trunks, number: prepend + number.slice(strip) };
        }
      }
      return undefined;
    },
  };
}

/** Longest number looked at: E.164 allows 15 digits, service codes some more. */
const longestNumber = 32;

/**
 * The number a URI stands for, without visual separators: a tel URI, or a SIP URI whose user part is a
 * number. `undefined` for anything else.
 */
export function numberOf(uri: SipUri): string | undefined {
  if (uri.user === undefined) return undefined;
  if (uri.scheme !== 'tel' && uri.scheme !== 'sip' && uri.scheme !== 'sips') return undefined;
  // Parameters of telephone-subscribers may stand in the user part (RFC 3261 §19.1.6).
  const plain = decodeEscapes(uri.user).split(';', 1)[0] ?? '';
  const number = plain.replace(/[-.()]/g, '');
  return /^\+?[0-9*#]+$/.test(number) && number.length <= longestNumber ? number : undefined;
}
