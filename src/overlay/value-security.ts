/** Signing stored values, and judging fetched ones: signature, certificate, access policy, Kind. */
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { ResourceId } from '../base/ids.ts';
import type { KindDefinition } from '../storage/kinds.ts';
import { mayWrite } from '../storage/policies.ts';
import { signStoredValue, verifyStoredValue, type ValueToSign } from '../storage/signed-value.ts';
import type { Signer, Trust } from '../trust/trust.ts';
import type { StoredData } from '../wire/reload/storage.ts';

export interface ValueSecurity {
  /** `done` is called later. */
  sign(
    resource: ResourceId,
    kind: KindDefinition,
    value: ValueToSign,
    identity: Identity,
    done: (signed: StoredData) => void,
  ): void;
  /** Succeeds with the signer when that signer may have written the value there; `done` is called later. */
  verify(
    resource: ResourceId,
    kind: KindDefinition,
    stored: StoredData,
    certificates: readonly Certificate[],
    done: (outcome: Outcome<Signer>) => void,
  ): void;
}

export function createValueSecurity(trust: Trust, clock: Clock): ValueSecurity {
  return {
    sign(resource, kind, value, identity, done) {
      const context = { resource, kind: kind.kind, model: kind.dataModel };
      signStoredValue(trust, identity, context, value, done);
    },
    verify(resource, kind, stored, certificates, done) {
      const context = { resource, kind: kind.kind, model: kind.dataModel };
      verifyStoredValue({ trust, clock }, context, stored, certificates, (signed) => {
        done(signed.ok ? entitled(resource, kind, stored, signed.value) : signed);
      });
    },
  };
}

function entitled(
  resource: ResourceId,
  kind: KindDefinition,
  stored: StoredData,
  signer: Signer,
): Outcome<Signer> {
  const policy = mayWrite(kind, resource, stored.value, signer);
  if (!policy.ok) return policy;
  const valid = kind.validate?.({ resource, value: stored.value, ...signer });
  return valid?.ok === false ? failure(valid.error) : success(signer);
}
