/** The configuration document in force: rebuilt with the next sequence when its content must change. */
import { base64Encode } from '../../base/text.ts';
import type { KindParameters } from '../../ports/overlay-config.ts';
import type { Store, StoreOperation } from '../../ports/store.ts';
import type { OverlayDocumentValues } from '../../overlay-config/build.ts';
import { nextSequence } from '../../overlay-config/sequence.ts';
import { buildSignedDocument } from '../../overlay-config/sign.ts';
import { loadRecords, putRecord } from '../core/records.ts';
import type { AuthorityKeys } from './keys.ts';

export interface DocumentKeeper {
  /** The bytes in force; empty before the first `refresh`. */
  bytes(): Uint8Array;
  sequence(): number;
  /** Rebuilds when the content differs from what is in force; calls run one after the other. */
  refresh(content: DocumentContent): Promise<void>;
}

/** Everything but what the keeper decides itself. */
export interface DocumentContent {
  readonly values: Omit<OverlayDocumentValues, 'sequence' | 'expirationMs'>;
  readonly kinds: readonly KindParameters[];
  readonly nowMs: number;
  /** A new document expires after this long; it is also replaced when half of the time is over. */
  readonly validityMs: number;
}

const keys = { bytes: 'authority/document/bytes', content: 'authority/document/content' };

export function createDocumentKeeper(deps: {
  readonly store: Store;
  readonly keys: AuthorityKeys;
  readonly commit: (operations: readonly StoreOperation[]) => Promise<void>;
}): DocumentKeeper {
  const { store } = deps;
  let bytes = store.get(keys.bytes) ?? new Uint8Array(0);
  let { content, sequence, expirationMs } = readState(store);
  let running: Promise<void> = Promise.resolve();

  async function rebuild(wanted: DocumentContent): Promise<void> {
    const fingerprint = contentText(wanted);
    const stale = wanted.nowMs > expirationMs - wanted.validityMs / 2;
    if (bytes.length > 0 && fingerprint === content && !stale) return;
    const next = bytes.length > 0 ? nextSequence(sequence) : 1;
    const expires = wanted.nowMs + wanted.validityMs;
    const values = { ...wanted.values, sequence: next, expirationMs: expires };
    const built = await new Promise<Uint8Array>((resolve) => {
      buildSignedDocument(values, wanted.kinds, deps.keys.signer, resolve);
    });
    await deps.commit([
      { put: keys.bytes, value: built },
      putRecord(keys.content, {
        sequence: next,
        content: fingerprint,
        expirationMs: expires,
      }),
    ]);
    bytes = built;
    sequence = next;
    content = fingerprint;
    expirationMs = expires;
  }

  return {
    bytes: () => bytes,
    sequence: () => sequence,
    refresh(wanted) {
      const next = running.then(() => rebuild(wanted));
      // A failed rebuild is reported to its caller and must not stop later ones.
      running = next.catch(() => undefined);
      return next;
    },
  };
}

function contentText({ values, kinds }: DocumentContent): string {
  return JSON.stringify([
    { ...values, rootCertificates: values.rootCertificates.map(base64Encode) },
    kinds,
  ]);
}

interface DocumentState {
  readonly content: string;
  readonly sequence: number;
  readonly expirationMs: number;
}

function readState(store: Store): DocumentState {
  let found: DocumentState = { content: '', sequence: 0, expirationMs: 0 };
  loadRecords(store, keys.content, (_id, { content, sequence, expirationMs }) => {
    const valid =
      typeof content === 'string' &&
      typeof sequence === 'number' &&
      typeof expirationMs === 'number';
    if (valid) found = { content, sequence, expirationMs };
    return valid;
  });
  return found;
}
