import type { SipTransportName } from '../../ports/flow.ts';
import { utf8Decode, utf8Encode } from '../../base/text.ts';
import type { Binding, DirectContact } from './binding.ts';

/** What the store keeps of one address of record: JSON, version first. */
const version = 3;
/** Rows of version 1 end before the two cells of `direct`, those of 2 before GRUU epoch and NAT. */
const rowLengths: ReadonlyMap<unknown, number> = new Map([
  [1, 16],
  [2, 18],
  [version, 20],
]);

const transports: readonly SipTransportName[] = ['udp', 'tcp', 'tls', 'ws', 'wss'];

/**
 * `slackMs` is how much later than written a binding may really expire, because refreshes are written
 * lazily; 0 after a clean stop.
 */
export function encodeBindings(bindings: readonly Binding[], slackMs: number): Uint8Array {
  return utf8Encode(
    JSON.stringify([
      version,
      slackMs,
      bindings.map((b) => [
        b.contact,
        b.instance ?? null,
        b.regId ?? null,
        b.q,
        b.expiresAtMs,
        b.callId,
        b.cseq,
        b.receivedAddress,
        b.receivedPort,
        b.transport,
        b.listener,
        b.flowId,
        b.path,
        b.userAgent,
        b.parameters,
        b.lastRefreshMs,
        b.direct?.transport ?? null,
        b.direct?.port ?? null,
        b.gruuEpochMs ?? null,
        b.nat,
      ]),
    ]),
  );
}

/** Reads {@link encodeBindings}; `undefined` when the bytes are damaged. Stream flows come back dead. */
export function decodeBindings(bytes: Uint8Array): readonly Binding[] | undefined {
  const text = utf8Decode(bytes);
  if (text === undefined) return undefined;
  let decoded: unknown;
  try {
    decoded = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(decoded)) return undefined;
  const rowLength = rowLengths.get(decoded[0]);
  const slackMs: unknown = decoded[1];
  const rows: unknown = decoded[2];
  if (rowLength === undefined || typeof slackMs !== 'number' || !Array.isArray(rows))
    return undefined;
  const bindings: Binding[] = [];
  for (const row of rows) {
    const binding = decodeRow(row, rowLength, slackMs);
    if (binding === undefined) return undefined;
    bindings.push(binding);
  }
  return bindings;
}

function decodeRow(row: unknown, length: number, slackMs: number): Binding | undefined {
  if (!Array.isArray(row) || row.length !== length) return undefined;
  const cells = row as readonly unknown[];
  const texts = [0, 5, 7, 9, 10, 11, 13, 14].every((i) => typeof cells[i] === 'string');
  const numbers = [3, 4, 6, 8, 15].every((i) => typeof cells[i] === 'number');
  const path = cells[12];
  if (!texts || !numbers || !Array.isArray(path)) return undefined;
  const transport = transports.find((name) => name === cells[9]);
  if (transport === undefined || !path.every((value) => typeof value === 'string'))
    return undefined;
  return {
    contact: cells[0] as string,
    instance: typeof cells[1] === 'string' ? cells[1] : undefined,
    regId: typeof cells[2] === 'number' ? cells[2] : undefined,
    q: cells[3] as number,
    expiresAtMs: (cells[4] as number) + slackMs,
    callId: cells[5] as string,
    cseq: cells[6] as number,
    receivedAddress: cells[7] as string,
    receivedPort: cells[8] as number,
    transport,
    listener: cells[10] as string,
    flowId: cells[11] as string,
    flowDead: transport !== 'udp',
    direct: decodeDirect(cells[16], cells[17]),
    path: path,
    userAgent: cells[13] as string,
    parameters: cells[14] as string,
    lastRefreshMs: cells[15] as number,
    gruuEpochMs: epochOf(cells),
    nat: cells[19] === true,
  };
}

/** Rows without an epoch had no GRUUs: any number does for their instances. */
function epochOf(cells: readonly unknown[]): number | undefined {
  if (typeof cells[1] !== 'string') return undefined;
  return typeof cells[18] === 'number' ? cells[18] : (cells[15] as number);
}

function decodeDirect(transport: unknown, port: unknown): DirectContact | undefined {
  const isTransport = transport === 'udp' || transport === 'tcp' || transport === 'tls';
  return isTransport && typeof port === 'number' ? { transport, port } : undefined;
}
