/** What the setting link.protocol puts into the configuration document of a new overlay. */
import type { Settings } from '../node/settings.ts';
import { CommandError } from './command.ts';
import type { OverlayDocumentValues } from '../overlay-config/build.ts';

type LinkValues = Pick<OverlayDocumentValues, 'noIce' | 'overlayLinkProtocols' | 'turnDensity'>;

/**
 * How often a TURN server stands in the overlay (RFC 6940 §9): one server among a hundred boxes is found
 * by nearly every search.
 */
const turnDensity = 10;

const streams: LinkValues = { noIce: true, overlayLinkProtocols: ['TLS-TCP-FH-NO-ICE'] };

const others: Readonly<Record<string, LinkValues>> = {
  dtls: { noIce: true, overlayLinkProtocols: ['DTLS-UDP-SR-NO-ICE'] },
  'tls+dtls': {
    noIce: true,
    overlayLinkProtocols: ['TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR-NO-ICE'],
  },
  'dtls-ice': { noIce: false, overlayLinkProtocols: ['DTLS-UDP-SR'], turnDensity },
};

/** Throws CommandError where a shared secret is to key links that cannot be keyed by it. */
export function linkValues(
  { link }: Pick<Settings, 'link'>,
  sharedSecret: string | undefined,
): LinkValues {
  if (sharedSecret !== undefined && link.protocol !== 'tls') {
    throw new CommandError('a shared secret keys TLS links only (link.protocol)', 2);
  }
  return others[link.protocol] ?? streams;
}
