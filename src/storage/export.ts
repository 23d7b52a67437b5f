/** Stored values on their way to another peer. RFC 6940 §7.4.1.1, §10.4. */
import { concatBytes } from '../base/bytes.ts';
import type { ResourceId } from '../base/ids.ts';
import type { Certificate } from '../ports/certificates.ts';
import type { StoreKindData } from '../wire/reload/storage.ts';
import { withLifetime } from './records.ts';
import type { ExportedResource } from './storage.ts';
import type { Table } from './table.ts';

/** The resource as it is now; `undefined` when nothing lives on for a second at least. */
export function exportResource(
  table: Table,
  resource: ResourceId,
  nowMs: number,
): ExportedResource | undefined {
  const kindData: StoreKindData[] = [];
  const certificates = new Map<string, Certificate>();
  for (const [kind, record] of table.get(resource) ?? []) {
    const values: Uint8Array[] = [];
    for (const value of record.values.values()) {
      const lifetimeS = Math.floor((value.expiresAtMs - nowMs) / 1000);
      if (lifetimeS < 1) continue;
      values.push(withLifetime(value.encoded, Math.min(lifetimeS, value.lifetimeS)));
      for (const fingerprint of value.certificates) {
        const certificate = table.certificate(fingerprint);
        if (certificate !== undefined) certificates.set(fingerprint, certificate);
      }
    }
    if (values.length === 0) continue;
    kindData.push({ kind, generationCounter: record.generation, values: concatBytes(values) });
  }
  if (kindData.length === 0) return undefined;
  return { resource, kindData, certificates: [...certificates.values()] };
}
