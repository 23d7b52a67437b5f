/** All stored values in memory: figures, certificates in use, expiry. */
import { createHeap } from '../base/heap.ts';
import type { KindId, ResourceId } from '../base/ids.ts';
import type { Certificate } from '../ports/certificates.ts';
import type { KindRecord, ValueRecord } from './records.ts';
import type { StorageFigures } from './storage.ts';

export type Resource = ReadonlyMap<KindId, KindRecord>;

/** What a replacement of one Kind record means for the disk. */
export interface TableChange {
  readonly put: readonly (readonly [placeKey: string, record: ValueRecord])[];
  readonly deleted: readonly string[];
  /** Certificates that came into use or went out of it. */
  readonly addedCertificates: readonly Certificate[];
  readonly removedCertificates: readonly string[];
}

/** A value whose life is over. */
export interface Expired {
  readonly resource: ResourceId;
  readonly kind: KindId;
  readonly placeKey: string;
}

export interface Table {
  get(resource: ResourceId): Resource | undefined;
  keys(): Iterable<ResourceId>;
  /**
   * Replaces the record of one Kind (`undefined` or no values: removes it). `certificates` must
   * hold those that the new values name, unless they are in use already.
   */
  replace(
    resource: ResourceId,
    kind: KindId,
    next: KindRecord | undefined,
    certificates: ReadonlyMap<string, Certificate>,
  ): TableChange;
  certificate(fingerprint: string): Certificate | undefined;
  /** When the next value may expire. */
  nextExpiryMs(): number | undefined;
  /** The values whose time is over; they stay in the table. */
  expired(nowMs: number): readonly Expired[];
  figures(): StorageFigures;
  /** Entries of the expiry heap, outdated ones included. */
  expiryItems(): number;
}

interface ExpiryItem extends Expired {
  readonly record: ValueRecord;
}

interface CertificateUse {
  readonly certificate: Certificate;
  uses: number;
}

/** Outdated items of the expiry heap are swept when they outnumber the values by this many. */
const staleItemsKept = 1024;

export function createTable(): Table {
  const resources = new Map<ResourceId, Map<KindId, KindRecord>>();
  const certificates = new Map<string, CertificateUse>();
  const before = (a: ExpiryItem, b: ExpiryItem): boolean =>
    a.record.expiresAtMs < b.record.expiresAtMs;
  let heap = createHeap(before);
  let values = 0;
  let bytes = 0;

  function isCurrent({ resource, kind, placeKey, record }: ExpiryItem): boolean {
    return resources.get(resource)?.get(kind)?.values.get(placeKey) === record;
  }

  function sweep(): void {
    heap = createHeap(before);
    for (const [resource, kinds] of resources) {
      for (const [kind, { values: entries }] of kinds) {
        for (const [placeKey, record] of entries) heap.push({ resource, kind, placeKey, record });
      }
    }
  }

  function use(fingerprint: string, given: ReadonlyMap<string, Certificate>): Certificate[] {
    const known = certificates.get(fingerprint);
    if (known !== undefined) {
      known.uses++;
      return [];
    }
    const certificate = given.get(fingerprint);
    if (certificate === undefined) return [];
    certificates.set(fingerprint, { certificate, uses: 1 });
    return [certificate];
  }

  function release(fingerprint: string): string[] {
    const known = certificates.get(fingerprint);
    if (known === undefined || --known.uses > 0) return [];
    certificates.delete(fingerprint);
    return [fingerprint];
  }

  function setRecord(resource: ResourceId, kind: KindId, next: KindRecord | undefined): void {
    const kinds = resources.get(resource) ?? new Map<KindId, KindRecord>();
    if (next === undefined || next.values.size === 0) kinds.delete(kind);
    else kinds.set(kind, next);
    if (kinds.size === 0) resources.delete(resource);
    else resources.set(resource, kinds);
  }

  return {
    get: (resource) => resources.get(resource),
    keys: () => resources.keys(),
    replace(resource, kind, next, given) {
      const old = resources.get(resource)?.get(kind);
      const put: [string, ValueRecord][] = [];
      const deleted: string[] = [];
      const added: Certificate[] = [];
      const removed: string[] = [];
      setRecord(resource, kind, next);
      for (const [placeKey, record] of next?.values ?? []) {
        if (old?.values.get(placeKey) === record) continue;
        put.push([placeKey, record]);
        values++;
        bytes += record.encoded.length;
        heap.push({ resource, kind, placeKey, record });
        for (const fingerprint of record.certificates) added.push(...use(fingerprint, given));
      }
      for (const [placeKey, record] of old?.values ?? []) {
        const following = next?.values.get(placeKey);
        if (following === record) continue;
        values--;
        bytes -= record.encoded.length;
        if (following === undefined) deleted.push(placeKey);
        for (const fingerprint of record.certificates) removed.push(...release(fingerprint));
      }
      if (heap.size > 2 * values + staleItemsKept) sweep();
      return { put, deleted, addedCertificates: added, removedCertificates: removed };
    },
    certificate: (fingerprint) => certificates.get(fingerprint)?.certificate,
    nextExpiryMs() {
      for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
        if (isCurrent(top)) return top.record.expiresAtMs;
        heap.pop();
      }
      return undefined;
    },
    expired(nowMs) {
      const due: Expired[] = [];
      for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
        if (top.record.expiresAtMs > nowMs) break;
        heap.pop();
        if (isCurrent(top)) due.push(top);
      }
      return due;
    },
    figures: () => ({ resources: resources.size, values, bytes }),
    expiryItems: () => heap.size,
  };
}
