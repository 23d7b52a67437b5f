/** What the setting link.protocol puts into the configuration document of a new overlay. */
import type { Settings } from '../node/settings.ts';
import type { OverlayDocumentValues } from '../overlay-config/build.ts';

type LinkValues = Pick<OverlayDocumentValues, 'noIce' | 'overlayLinkProtocols'>;

const streams: LinkValues = { noIce: true, overlayLinkProtocols: ['TLS-TCP-FH-NO-ICE'] };

const others: Readonly<Record<string, LinkValues>> = {
  dtls: { noIce: true, overlayLinkProtocols: ['DTLS-UDP-SR-NO-ICE'] },
  'tls+dtls': {
    noIce: true,
    overlayLinkProtocols: ['TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR-NO-ICE'],
  },
  'dtls-ice': { noIce: false, overlayLinkProtocols: ['DTLS-UDP-SR'] },
};

export function linkValues({ link }: Pick<Settings, 'link'>): LinkValues {
  return others[link.protocol] ?? streams;
}
