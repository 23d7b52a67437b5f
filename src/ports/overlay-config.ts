import type { KindId, NodeId } from '../base/ids.ts';
import type { Certificate } from './certificates.ts';

/** The values of one configuration document that a node works with. RFC 6940 §11.1, defaults applied. */
export interface OverlayConfig {
  /** The `<overlay>` document exactly as received; passed on byte for byte. */
  readonly document: Uint8Array;
  readonly overlayName: string;
  /** 0..65534; 0 when absent. */
  readonly sequence: number;
  readonly expirationMs: number | undefined;
  readonly topologyPlugin: string;
  /** 16..20. */
  readonly nodeIdLength: number;
  readonly rootCertificates: readonly Certificate[];
  readonly enrollmentServers: readonly string[];
  readonly selfSignedPermitted: { readonly digest: 'sha1' | 'sha256' } | undefined;
  readonly bootstrapNodes: readonly { readonly address: string; readonly port: number }[];
  readonly turnDensity: number;
  readonly clientsPermitted: boolean;
  readonly noIce: boolean;
  readonly sharedSecret: string | undefined;
  /** Bytes. */
  readonly maxMessageSize: number;
  readonly initialTtl: number;
  /** overlay-reliability-timer. */
  readonly reliabilityTimerMs: number;
  readonly overlayLinkProtocols: readonly string[];
  readonly configurationSigners: readonly NodeId[];
  readonly kindSigners: readonly NodeId[];
  readonly badNodes: readonly NodeId[];
  readonly mandatoryExtensions: readonly string[];
  readonly chordUpdateIntervalS: number;
  readonly chordPingIntervalS: number;
  readonly chordReactive: boolean;
  readonly requiredKinds: readonly KindParameters[];
  /** RFC 7904 §3.4; `undefined` = no restriction element, any AOR is valid. */
  readonly domainRestriction:
    { readonly enable: boolean; readonly patterns: readonly string[] } | undefined;
}

/** One `<kind>` of the configuration. */
export interface KindParameters {
  readonly kind: KindId;
  /** Registered name when the document used one. */
  readonly name: string | undefined;
  readonly dataModel: DataModel;
  readonly accessControl: AccessControl;
  readonly maxCount: number;
  readonly maxSizeBytes: number;
  readonly maxNodeMultiple: number | undefined;
  /** The `<kind-block>` exactly as received, signature included; absent for Kinds from elsewhere. */
  readonly block?: Uint8Array;
}

export type DataModel = 'SINGLE' | 'ARRAY' | 'DICTIONARY';

export type AccessControl =
  'USER-MATCH' | 'NODE-MATCH' | 'USER-NODE-MATCH' | 'NODE-MULTIPLE' | 'NODE-ID-MATCH';
