/** The bytes that signatures cover. RFC 6940 §6.3.4, §7.1. */
import type { KindId, ResourceId } from '../../base/ids.ts';
import { written, type Writer } from '../codec.ts';
import { resourceId } from './ids.ts';
import { signerIdentity, type SignerIdentity } from './security.ts';
import { storedDataValue, type DataModel, type StoredDataValue } from './storage.ts';

/** overlay + transaction_id + MessageContents + SignerIdentity; nothing else of the header. */
export function messageSignatureInput(
  overlay: number,
  transactionId: bigint,
  contents: Uint8Array,
  identity: SignerIdentity,
): Uint8Array {
  return written((writer) => {
    writer.u32(overlay);
    writer.u64(transactionId);
    writer.raw(contents);
    signerIdentity.encode(identity, writer);
  });
}

/** What identifies a stored value besides its content. */
export interface StoredValueContext {
  readonly resource: ResourceId;
  readonly kind: KindId;
  readonly model: DataModel;
}

/**
 * resource_id (with its length byte, A-09) + kind + storage_time + StoredDataValue: what precedes the
 * SignerIdentity. The index of an array entry counts as 0 (§7.4.2.2, A-45). The lifetime is not covered.
 */
export function storedValuePayload(
  context: StoredValueContext,
  storageTime: bigint,
  value: StoredDataValue,
): Uint8Array {
  return written((writer) => writeStoredValue(context, storageTime, value, writer));
}

/** {@link storedValuePayload} + SignerIdentity: what the signature of a stored value covers. */
export function storedValueSignatureInput(
  context: StoredValueContext,
  storageTime: bigint,
  value: StoredDataValue,
  identity: SignerIdentity,
): Uint8Array {
  return written((writer) => {
    writeStoredValue(context, storageTime, value, writer);
    signerIdentity.encode(identity, writer);
  });
}

function writeStoredValue(
  context: StoredValueContext,
  storageTime: bigint,
  value: StoredDataValue,
  writer: Writer,
): void {
  resourceId.encode(context.resource, writer);
  writer.u32(context.kind);
  writer.u64(storageTime);
  const signed = context.model === 'ARRAY' ? { ...value, index: 0 } : value;
  storedDataValue(context.model).encode(signed, writer);
}
