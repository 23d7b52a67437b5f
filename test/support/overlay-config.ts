import type { OverlayConfig } from '../../src/ports/overlay-config.ts';

/** The configuration of an overlay without ICE that asks for nothing special, with these values changed. */
export function overlayConfig(changes: Partial<OverlayConfig> = {}): OverlayConfig {
  return {
    document: new Uint8Array(0),
    overlayName: 'overlay.example.org',
    sequence: 1,
    expirationMs: undefined,
    topologyPlugin: 'CHORD-RELOAD',
    nodeIdLength: 16,
    rootCertificates: [],
    enrollmentServers: [],
    selfSignedPermitted: undefined,
    bootstrapNodes: [],
    turnDensity: 1,
    clientsPermitted: true,
    noIce: true,
    sharedSecret: undefined,
    maxMessageSize: 65_536,
    initialTtl: 100,
    reliabilityTimerMs: 3000,
    overlayLinkProtocols: ['TLS'],
    configurationSigners: [],
    kindSigners: [],
    badNodes: [],
    mandatoryExtensions: [],
    chordUpdateIntervalS: 600,
    chordPingIntervalS: 3600,
    chordReactive: true,
    requiredKinds: [],
    domainRestriction: undefined,
    ...changes,
  };
}
