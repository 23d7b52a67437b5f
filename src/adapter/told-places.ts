/**
 * What redirected callers are told: for each serving adapter a GRUU (RFC 7904 §6), at the adapter's own
 * public SIP address where its record names one. Whoever gets such a request proxies it, so that no
 * redirection leads to another.
 */
import type { NodeId } from '../base/ids.ts';
import { createBoundedCache } from '../base/bounded-cache.ts';
import { limits } from '../base/limits.ts';
import { userOf } from '../sip/core/aor.ts';
import type { SipRequest } from '../sip/message/message.ts';
import { decodeGr, encodeGr, terminalNode } from '../usages/sip/gruu.ts';
import type { PublicAddress } from '../usages/sip/public-address.ts';
import { uriAt } from '../usages/sip/public-address.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { escapeAor } from './aor-uri.ts';

export interface ToldPlaces {
  /** A URI that leads to the phones of the user at the node that the list ends at. */
  of(
    aor: string,
    at: Place,
    caller: { readonly sips: boolean; readonly transport: string },
  ): string;
  /**
   * The user in a URI that was told, by the public address of another adapter; `undefined` for any other.
   * Phones that send everything to their own server come back with it.
   */
  aorOf(request: SipRequest): string | undefined;
}

interface Place {
  readonly destinations: readonly Destination[];
  readonly addresses: readonly PublicAddress[];
}

export function createToldPlaces(deps: {
  /** The overlay's own domain: the one that every adapter's address stands for. */
  readonly domain: string;
}): ToldPlaces {
  const { domain } = deps;
  const nodes = createBoundedCache<string, NodeId>(limits.adapter.toldPlaces);

  /** An address of another adapter is taken for the overlay's own domain there, so users of others need theirs. */
  function published(
    aor: string,
    addresses: readonly PublicAddress[],
    caller: { readonly sips: boolean; readonly transport: string },
  ): string | undefined {
    if (addresses.length === 0 || !aor.endsWith(`@${domain}`)) return undefined;
    return uriAt(addresses, escapeAor(aor).slice(0, -1 - domain.length), caller);
  }

  return {
    of(aor, { addresses, destinations }, caller) {
      const node = terminalNode(destinations);
      if (node !== undefined) {
        for (const { host, port } of addresses) nodes.set(`${host}:${String(port)}`, node);
      }
      const uri =
        published(aor, addresses, caller) ?? `${caller.sips ? 'sips' : 'sip'}:${escapeAor(aor)}`;
      return `${uri};gr=${encodeGr(destinations)}`;
    },
    aorOf({ parsedUri, uri }) {
      if (!uri.includes(';gr=') || !parsedUri.ok) return undefined;
      const { host, params, port } = parsedUri.value;
      const node = nodes.get(`${host.toLowerCase()}:${String(port)}`);
      const gr = params.get('gr');
      if (node === undefined || gr === undefined) return undefined;
      // The address speaks for its own node only, whatever else a record claimed for it.
      if (terminalNode(decodeGr(gr) ?? []) !== node) return undefined;
      const user = userOf(parsedUri.value);
      return user === undefined ? undefined : `${user}@${domain}`;
    },
  };
}
