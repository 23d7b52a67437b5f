/** Which overlay link types an overlay permits: all with ICE, or all without. RFC 6940 §6.5.1.5, §6.6, §11.1. */
import type { DialTarget } from '../ports/connection.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';

/** Link types without ICE, the preferred one first (§6.5.1.6). */
export type NoIceLinkType = NonNullable<DialTarget['linkType']>;

const withoutIce: readonly NoIceLinkType[] = ['TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR-NO-ICE'];

/** True where Attach finds its way by ICE, over DTLS-UDP-SR. */
export function usesIce(config: Pick<OverlayConfig, 'noIce'>): boolean {
  return !config.noIce;
}

/** The link types that this node offers and accepts in an overlay without ICE. `able`: what its host can do. */
export function noIceLinkTypes(
  config: Pick<OverlayConfig, 'overlayLinkProtocols' | 'sharedSecret'>,
  able: readonly NoIceLinkType[],
): readonly NoIceLinkType[] {
  const permitted = config.overlayLinkProtocols;
  // "TLS", the default, stands for TLS and DTLS.
  return withoutIce.filter(
    (type) =>
      able.includes(type) &&
      (permitted.includes('TLS') || permitted.includes(type)) &&
      // A shared secret keys TLS links only.
      (config.sharedSecret === undefined || type === 'TLS-TCP-FH-NO-ICE'),
  );
}
