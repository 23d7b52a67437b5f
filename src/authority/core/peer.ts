/** Which adapter is behind a client certificate. */
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import type { Certificate, Verifier } from '../../ports/certificates.ts';
import { checkCertificate } from '../../trust/path.ts';
import type { AdapterAccount, AdapterAccounts } from './adapters.ts';
import type { BadNodes } from './bad-nodes.ts';
import type { NodeIdAssignments } from './node-ids.ts';

/** The enabled adapter whose node certificate this is: issued by the root, valid, not revoked. */
export function adapterOfCertificate(
  certificate: Certificate,
  context: {
    readonly root: Certificate;
    readonly verifier: Verifier;
    readonly overlayName: string;
    readonly adapters: AdapterAccounts;
    readonly nodeIds: NodeIdAssignments;
    readonly badNodes: BadNodes;
    readonly nodeIdLength: number;
    readonly nowMs: number;
  },
): Outcome<AdapterAccount> {
  const { adapters, nodeIds, badNodes } = context;
  const path = checkCertificate(certificate, [], {
    roots: [context.root],
    verifier: context.verifier,
    overlayName: context.overlayName,
    nowMs: context.nowMs,
    nodeIdLength: context.nodeIdLength,
    badNodes: new Set(certificate.nodeIds.filter((id) => badNodes.has(id))),
  });
  if (!path.ok) return path;
  const adapter = adapters.find(certificate.userName ?? '');
  if (adapter === undefined) return failure('not the certificate of an adapter');
  if (!adapter.enabled) return failure('the adapter is revoked');
  const assigned = nodeIds.find(adapter.name, adapter.name);
  const known = certificate.nodeIds.every((id) => assigned.includes(id));
  return known ? success(adapter) : failure('the Node-ID is not the one of the adapter');
}
