/** Making and checking the signature of a stored value. RFC 6940 §7.1. */
import type { NodeId } from '../base/ids.ts';
import { failure, type Outcome } from '../base/outcome.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { Signer, Trust } from '../trust/trust.ts';
import { hashAlgorithms, signatureAlgorithms } from '../wire/reload/security.ts';
import { storedValuePayload, type StoredValueContext } from '../wire/reload/signature-inputs.ts';
import type { StoredData, StoredDataValue } from '../wire/reload/storage.ts';

export interface ValueToSign {
  /** Milliseconds since 1970; must be above that of the value it replaces. */
  readonly storageTime: bigint;
  /** Seconds. */
  readonly lifetime: number;
  readonly value: StoredDataValue;
}

/** Signs a value; `done` comes later, once. `nodeId`: which of several Node-IDs of the identity signs. */
export function signStoredValue(
  trust: Pick<Trust, 'sign'>,
  identity: Identity,
  context: StoredValueContext,
  unsigned: ValueToSign,
  done: (signed: StoredData) => void,
  nodeId?: NodeId,
): void {
  const { storageTime, lifetime, value } = unsigned;
  const payload = storedValuePayload(context, storageTime, value);
  const finish = (signature: StoredData['signature']): void => {
    done({ storageTime, lifetime, value, signature });
  };
  trust.sign(payload, identity, finish, nodeId);
}

/** True for the signature that only synthetic values of a Fetch answer have. §7.4.2.2. */
export function isUnsigned(stored: StoredData): boolean {
  const { hash, signature, identity } = stored.signature;
  return (
    identity.type === 'none' ||
    (hash === hashAlgorithms.none && signature === signatureAlgorithms.anonymous)
  );
}

/**
 * Checks the signature and the signer's certificate (now valid, of this overlay); `done` comes later,
 * once. Whether the signer may write there is a matter of `policies.ts`.
 */
export function verifyStoredValue(
  dependencies: { readonly trust: Pick<Trust, 'verify'>; readonly clock: Clock },
  context: StoredValueContext,
  stored: StoredData,
  certificates: readonly Certificate[],
  done: (outcome: Outcome<Signer>) => void,
): void {
  if (isUnsigned(stored)) {
    dependencies.clock.after('unsigned-value', 0, () => {
      done(failure('value without signature'));
    });
    return;
  }
  const payload = storedValuePayload(context, stored.storageTime, stored.value);
  dependencies.trust.verify(payload, stored.signature, certificates, done);
}
