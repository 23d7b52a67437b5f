import type { TLSSocket } from 'node:tls';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';

/** The certificates that the far end showed, leaf first; fails when it showed none or they do not parse. */
export function peerChain(socket: TLSSocket, verifier: Verifier): Outcome<readonly Certificate[]> {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return failure('no certificate shown');
  const chain: Certificate[] = [];
  let next: typeof leaf | undefined = leaf;
  while (next !== undefined && chain.length < limits.node.peerChainCertificates) {
    const parsed = verifier.parseCertificate(next.raw);
    if (!parsed.ok) return failure(`certificate refused: ${parsed.error}`);
    if (parsed.value.fingerprint === chain.at(-1)?.fingerprint) break;
    chain.push(parsed.value);
    next = next.issuerCertificate;
  }
  return success(chain);
}
