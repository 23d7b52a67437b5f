/** Attach without ICE, with link table, dialer and transactions played by the test. */
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../../src/base/outcome.ts';
import type { SecureConnection, TransportAddress } from '../../../../src/ports/connection.ts';
import { createAttacher } from '../../../../src/overlay/attach.ts';
import { makeOffer } from '../../../../src/overlay/candidates.ts';
import type { LinkEntry, LinkTable } from '../../../../src/overlay/link-table.ts';
import { encodeToBytes } from '../../../../src/wire/codec.ts';
import { attachReqAns, type AttachReqAns } from '../../../../src/wire/reload/attach.ts';
import { createCountingTrace } from '../../link/fakes.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { evenRandom, idOf, linkEntry, notedDialer, notedTransactions } from './parts.ts';

export const [self, other, third] = [idOf('5'), idOf('8'), idOf('9')];
export const smaller = idOf('1');
export const place = idOf('7') as string as ResourceId;
export const theirAddress = { address: '10.0.0.8', port: 6084 };

export function scene(
  candidates: readonly TransportAddress[] = [{ address: '10.0.0.5', port: 6084 }],
) {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const transactions = notedTransactions();
  const dialer = notedDialer();
  const table = new Map<NodeId, LinkEntry>();
  const added: { connection: SecureConnection; expected: NodeId | undefined }[] = [];
  const updates: NodeId[] = [];
  const learned: [NodeId, number][] = [];
  const outcomes: Outcome<NodeId>[] = [];
  let refusesLinks = false;
  const attacher = createAttacher({
    self,
    clock,
    random: evenRandom,
    trace,
    dialer,
    ice: () => undefined,
    linkTypes: () => ['TLS-TCP-FH-NO-ICE'],
    links: {
      get: (nodeId: NodeId) => table.get(nodeId),
      add(connection: SecureConnection, expected?: NodeId) {
        added.push({ connection, expected });
        if (refusesLinks) return failure('certificate');
        const entry = linkEntry(expected ?? other);
        table.set(entry.nodeId, entry);
        return success(entry);
      },
    } as unknown as LinkTable,
    transactions: transactions as never,
    candidates: () => candidates,
    sendUpdateTo: (nodeId) => updates.push(nodeId),
    learned: (nodeId, { port }) => void learned.push([nodeId, port]),
    pathFound: () => undefined,
    later: (run) => void clock.after('later', 0, run),
  });
  return {
    clock,
    trace,
    notes: transactions.notes,
    dials: dialer.dials,
    table,
    added,
    updates,
    learned,
    outcomes,
    attacher,
    refuseLinks: () => (refusesLinks = true),
    attach: (
      nodeId = other,
      options: Parameters<typeof attacher.attach>[1] = { sendUpdate: true },
    ) => attacher.attach({ kind: 'node', nodeId }, options, (outcome) => outcomes.push(outcome)),
    counts: () =>
      ['linked', 'failed', 'collision'].map((r) => trace.count('overlay_attaches_total', r)),
  };
}

export function bodyOf(
  role: 'passive' | 'active',
  more: Partial<AttachReqAns> = {},
  addresses: readonly TransportAddress[] = [theirAddress],
): Uint8Array {
  const offer = makeOffer(addresses, role, evenRandom);
  return encodeToBytes(attachReqAns, { ...offer, sendUpdate: false, ...more });
}
