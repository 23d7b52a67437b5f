/** Certificates in the overlay: storing one's own, finding those of others. RFC 6940 §8. */
import { bytesEqual } from '../../base/bytes.ts';
import type { NodeId, ResourceId } from '../../base/ids.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import type { Certificate, Identity, Verifier } from '../../ports/certificates.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Overlay, OverlayError } from '../../overlay/api.ts';
import { kindIds } from '../../storage/kinds.ts';
import { checkCertificate } from '../../trust/path.ts';
import { lastIndex } from '../../wire/reload/storage.ts';
import { resourceOfNodeId, resourceOfUserName } from './kinds.ts';

export interface CertificateStore {
  /**
   * Appends the identity's certificate at its user name and at each of its Node-IDs; where it stands
   * already nothing changes, and an older certificate stays beside it until it expires. `done` comes
   * later, once: with the first failure when any of the Stores failed.
   */
  publish(identity: Identity, done: (outcome: Outcome<void, OverlayError>) => void): void;
  /**
   * The member certificates, valid now, that carry the Node-ID; newest first. `done` comes later,
   * once.
   */
  byNode(nodeId: NodeId, done: CertificatesDone): void;
  /** Those that carry the user name, several when the user has several nodes. */
  byUser(userName: string, done: CertificatesDone): void;
}

export type CertificatesDone = (outcome: Outcome<readonly Certificate[], OverlayError>) => void;

export interface CertificateStoreDependencies {
  readonly overlay: Pick<Overlay, 'store' | 'fetch' | 'config'>;
  readonly clock: Clock;
  readonly verifier: Verifier;
}

interface Copy {
  readonly kind: number;
  readonly resource: ResourceId;
  readonly identity: Identity;
}

const largestLifetimeS = 0xffff_ffff;

export function createCertificateStore(
  dependencies: CertificateStoreDependencies,
): CertificateStore {
  const { overlay, clock, verifier } = dependencies;

  function publish(identity: Identity, done: (outcome: Outcome<void, OverlayError>) => void): void {
    const { der, notAfterMs } = identity.certificate;
    const lifetimeS = Math.floor((notAfterMs - clock.wallMs()) / 1000);
    const copies = copiesOf(identity);
    if (lifetimeS < 1 || copies.length === 0) {
      const text = lifetimeS < 1 ? 'the certificate has expired' : 'the certificate names nobody';
      clock.after('certificate-refused', 0, () => {
        done(failure({ code: 0, reason: 'invalid', text }));
      });
      return;
    }
    const value = {
      index: lastIndex,
      exists: true,
      value: der,
      lifetimeS: Math.min(lifetimeS, largestLifetimeS),
    };
    let open = copies.length;
    let failed: OverlayError | undefined;
    const settle = (outcome: Outcome<unknown, OverlayError>): void => {
      if (!outcome.ok) failed ??= outcome.error;
      if (--open === 0) done(failed === undefined ? success(undefined) : failure(failed));
    };
    for (const { kind, resource, identity: signing } of copies) {
      overlay.fetch({ kind, resource }, (fetched) => {
        const isThere =
          fetched.ok &&
          fetched.value.values.some((one) => one.exists && bytesEqual(one.value, der));
        if (!fetched.ok || isThere) settle(fetched);
        else overlay.store({ kind, resource, values: [value], identity: signing }, settle);
      });
    }
  }

  function find(
    kind: number,
    resource: ResourceId,
    belongs: (certificate: Certificate) => boolean,
    done: CertificatesDone,
  ): void {
    overlay.fetch({ kind, resource }, (outcome) => {
      if (!outcome.ok) {
        done(outcome);
        return;
      }
      const found = new Map<string, Certificate>();
      for (const { exists, value, signer } of outcome.value.values) {
        const parsed = exists ? verifier.parseCertificate(value) : undefined;
        if (parsed?.ok !== true || !belongs(parsed.value)) continue;
        const issuers = signer === undefined ? [] : [signer];
        if (isMember(parsed.value, issuers)) found.set(parsed.value.fingerprint, parsed.value);
      }
      const newestFirst = (a: Certificate, b: Certificate): number => b.notBeforeMs - a.notBeforeMs;
      done(success([...found.values()].sort(newestFirst)));
    });
  }

  function isMember(certificate: Certificate, chain: readonly Certificate[]): boolean {
    const config = overlay.config();
    const { rootCertificates, overlayName, badNodes, selfSignedPermitted } = config;
    const checked = checkCertificate(certificate, chain, {
      roots: rootCertificates,
      verifier,
      overlayName: overlayName.toLowerCase(),
      nowMs: clock.wallMs(),
      badNodes: new Set(badNodes),
      nodeIdLength: config.nodeIdLength,
      selfSignedDigest: selfSignedPermitted?.digest,
    });
    // Its owner signed the value with that very certificate, so the overlay has checked it.
    return checked.ok || chain.some(({ fingerprint }) => fingerprint === certificate.fingerprint);
  }

  return {
    publish,
    byNode(nodeId, done) {
      const belongs = ({ nodeIds }: Certificate): boolean => nodeIds.includes(nodeId);
      find(kindIds.certificateByNode, resourceOfNodeId(nodeId), belongs, done);
    },
    byUser(userName, done) {
      const belongs = (certificate: Certificate): boolean => certificate.userName === userName;
      find(kindIds.certificateByUser, resourceOfUserName(userName), belongs, done);
    },
  };
}

/** One place per name in the certificate, each signed as the Node-ID that may write there. */
function copiesOf(identity: Identity): readonly Copy[] {
  const { nodeIds, userName } = identity.certificate;
  const byNode = nodeIds.map((nodeId) => ({
    kind: kindIds.certificateByNode,
    resource: resourceOfNodeId(nodeId),
    identity: speakingAs(identity, nodeId),
  }));
  if (userName === undefined) return byNode;
  const resource = resourceOfUserName(userName);
  return [...byNode, { kind: kindIds.certificateByUser, resource, identity }];
}

/** Of several Node-IDs the first one signs. */
function speakingAs(identity: Identity, nodeId: NodeId): Identity {
  const { certificate } = identity;
  if (certificate.nodeIds[0] === nodeId) return identity;
  const at = certificate.nodeIds.indexOf(nodeId);
  const first = <T>(list: readonly T[]): readonly T[] => [
    ...list.slice(at, at + 1),
    ...list.slice(0, at),
    ...list.slice(at + 1),
  ];
  return {
    ...identity,
    certificate: {
      ...certificate,
      nodeIds: first(certificate.nodeIds),
      overlayNames: first(certificate.overlayNames),
    },
  };
}
