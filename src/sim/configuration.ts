/**
 * The configuration of a simulated overlay: plain values for most runs, or signed documents that
 * every peer keeps, judges and passes on (RFC 6940 §6.5.4, §11.1).
 */
import { utf8Encode } from '../base/text.ts';
import type { NodeId } from '../base/ids.ts';
import type { Identity, Verifier } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { KindParameters, OverlayConfig } from '../ports/overlay-config.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import type { Xml } from '../ports/xml.ts';
import type { OverlayDocumentValues } from '../overlay-config/build.ts';
import { createConfigurationKeeper, type ConfigurationKeeper } from '../overlay-config/keeper.ts';
import { parseOverlayDocument, type ParsedConfiguration } from '../overlay-config/parse.ts';
import { buildSignedDocument } from '../overlay-config/sign.ts';
import type { SimulatedAuthority } from './identities.ts';

export interface SimulatedConfiguration {
  readonly initial: OverlayConfig;
  /** What one peer keeps, on its disk; `undefined` where there are no documents. */
  keep(host: KeeperHost): ConfigurationKeeper | undefined;
  /** A signed document that comes after all before it, with these values changed. */
  next(changes: Partial<OverlayDocumentValues>): Uint8Array;
}

interface KeeperHost {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly verifier: Verifier;
  readonly store: Store;
}

/** In the range for private use; DICTIONARY, USER-NODE-MATCH like SIP-REGISTRATION. */
export const simulatedKind = 0xf000_0001;
export const overlayName = 'sim.example';

const parameters: KindParameters = {
  kind: simulatedKind,
  name: undefined,
  dataModel: 'DICTIONARY',
  accessControl: 'USER-NODE-MATCH',
  maxCount: 64,
  maxSizeBytes: 2000,
  maxNodeMultiple: undefined,
};

/** The configuration of an overlay without ICE that asks for nothing special, with these values changed. */
export function plainConfiguration(changes: Partial<OverlayConfig> = {}): OverlayConfig {
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

/** Values without a document, for rings whose configuration stays as it is. */
export function fixedConfiguration(authority: SimulatedAuthority): SimulatedConfiguration {
  return {
    initial: plainConfiguration({
      document: utf8Encode('<overlay/>'),
      overlayName,
      rootCertificates: [authority.root],
      requiredKinds: [parameters],
    }),
    keep: () => undefined,
    next: () => {
      throw new Error('this ring has no configuration documents');
    },
  };
}

const keptAt = 'simulation/configuration';
const supported = { plugins: ['CHORD-RELOAD'], linkProtocols: ['TLS-TCP-FH-NO-ICE'] };

/** Documents signed by a configuration-signer of their own. */
export function signedConfiguration(
  authority: SimulatedAuthority,
  xml: Xml,
  signerNodeId: NodeId,
): SimulatedConfiguration {
  const atOnce = (run: () => void): void => run();
  const verifier = authority.verifier(atOnce);
  const signer: Identity = authority.issue(signerNodeId, 'signer@sim.example', atOnce);
  let values: OverlayDocumentValues = {
    overlayName,
    sequence: 1,
    rootCertificates: [authority.root.der],
    enrollmentServers: [],
    bootstrapNodes: [],
    noIce: true,
    maxMessageSize: 65_536,
    overlayLinkProtocols: ['TLS-TCP-FH-NO-ICE'],
    configurationSigners: [signerNodeId],
    kindSigners: [signerNodeId],
  };

  function document(): Uint8Array {
    let built: Uint8Array | undefined;
    buildSignedDocument(values, [parameters], signer, (bytes) => (built = bytes));
    if (built === undefined) throw new Error('the simulated signer takes its time');
    return built;
  }

  function read(bytes: Uint8Array): ParsedConfiguration {
    const parsed = parseOverlayDocument(bytes, xml, verifier, overlayName);
    if (!parsed.ok) throw new Error(parsed.error);
    return parsed.value;
  }

  const first = read(document());
  return {
    initial: first.config,
    keep({ store, ...host }) {
      const kept = store.get(keptAt);
      return createConfigurationKeeper({
        ...host,
        initial: kept === undefined ? first : read(kept),
        xml,
        supported,
        save: (next) => store.write([{ put: keptAt, value: next.document }]),
      });
    },
    next(changes) {
      values = { ...values, ...changes, sequence: values.sequence + 1 };
      return document();
    },
  };
}
