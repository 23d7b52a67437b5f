/**
 * Certificates and signatures of a simulation made by OpenSSL, as a box makes them: ECDSA P-256,
 * one key pair for every node and user. The work takes simulated time like any other.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { NodeId } from '../src/base/ids.ts';
import { parseCertificateDer } from '../src/node/certificate-parse.ts';
import { createIdentity } from '../src/node/identity.ts';
import { createVerifier } from '../src/node/verifier.ts';
import { createRoot, issueCertificate, publicKeyDer } from '../src/node/x509.ts';
import type { Certificate } from '../src/ports/certificates.ts';
import type { Later, SimulatedAuthority } from '../src/sim/identities.ts';

const validMs = 10 * 365 * 86_400_000;
const backdatedMs = 3_600_000;

export function createRealAuthority(overlayName: string, nowMs: number): SimulatedAuthority {
  const notBeforeMs = nowMs - backdatedMs;
  const notAfterMs = nowMs + validMs;
  const privateKey = newKey();
  const certificateDer = createRoot({ name: overlayName, privateKey, notBeforeMs, notAfterMs });
  const issuer = { certificateDer, privateKey };

  return {
    root: parsed(certificateDer),
    issue(nodeId: NodeId, userName: string, later: Later) {
      const key = newKey();
      const der = issueCertificate({
        publicKey: publicKeyDer(key),
        nodeIds: [nodeId],
        overlayName,
        userName,
        issuer,
        notBeforeMs,
        notAfterMs,
      });
      return createIdentity(key, parsed(der), [], queueOf(later));
    },
    verifier: (later) => createVerifier(queueOf(later)),
  };
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function parsed(der: Uint8Array): Certificate {
  const outcome = parseCertificateDer(der);
  if (!outcome.ok) throw new Error(outcome.error);
  return outcome.value.certificate;
}

function queueOf(later: Later): { push(job: () => void): boolean } {
  return {
    push(job) {
      later(job);
      return true;
    },
  };
}
