/**
 * The checks of a Store that come before what is stored matters: Kinds, limits, signatures, policies
 * (order: A-16). RFC 6940 §7.4.1.1.
 */
import type { KindId, ResourceId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import { resolveSigner } from '../trust/signer-identity.ts';
import type { Signer, Trust } from '../trust/trust.ts';
import { tryDecode } from '../wire/codec.ts';
import {
  storedValues,
  type StoredData,
  type StoreKindData,
  type StoreReq,
} from '../wire/reload/storage.ts';
import { forbidden, invalid, tooLarge, unknownKind, type StorageError } from './errors.ts';
import type { KindDefinition, KindRegistry } from './kinds.ts';
import type { KindStore, StoreMode, VerifiedValue } from './plan.ts';
import { mayWrite } from './policies.ts';
import { isUnsigned, verifyStoredValue } from './signed-value.ts';

export interface PreparedStore {
  readonly resource: ResourceId;
  readonly mode: StoreMode;
  readonly kinds: readonly PreparedKind[];
}

export interface PreparedKind {
  readonly definition: KindDefinition;
  readonly request: StoreKindData;
  readonly values: readonly StoredData[];
}

/** Verified values and the certificates that they name. */
export interface VerifiedStore {
  readonly kinds: readonly KindStore[];
  readonly certificates: ReadonlyMap<string, Certificate>;
}

/** Decodes the values and checks Kinds and sizes. */
export function prepareStore(
  request: StoreReq,
  mode: StoreMode,
  kinds: KindRegistry,
): Outcome<PreparedStore, StorageError> {
  const seen = new Set<KindId>();
  const unknown: KindId[] = [];
  const prepared: PreparedKind[] = [];
  let count = 0;
  for (const one of request.kindData) {
    if (seen.has(one.kind)) return failure(invalid('a Kind is named twice'));
    seen.add(one.kind);
    const definition = kinds.get(one.kind);
    if (definition === undefined) {
      unknown.push(one.kind);
      continue;
    }
    const decoded = tryDecode(storedValues(definition.dataModel), one.values);
    if (!decoded.ok) return failure(invalid(`values: ${String(decoded.error)}`));
    count += decoded.value.length;
    const values =
      mode === 'merge' ? decoded.value.filter((value) => !isUnsigned(value)) : decoded.value;
    prepared.push({ definition, request: one, values });
  }
  if (unknown.length > 0) return failure(unknownKind(unknown));
  if (mode === 'replica' && prepared.some((one) => one.request.generationCounter === 0n)) {
    return failure(invalid('a replica Store needs a generation counter'));
  }
  if (count > limits.storage.valuesPerStore) return failure(tooLarge('too many values'));
  for (const { definition, values } of prepared) {
    const sizes = checkSizes(definition, values);
    if (!sizes.ok) return sizes;
  }
  return success({ resource: request.resource, mode, kinds: prepared });
}

function checkSizes(
  { maxCount, maxSizeBytes }: KindDefinition,
  values: readonly StoredData[],
): Outcome<void, StorageError> {
  if (values.length > maxCount) return failure(tooLarge(`more than ${maxCount} values`));
  for (const { value } of values) {
    if (value.value.length > maxSizeBytes) {
      return failure(tooLarge(`a value of more than ${maxSizeBytes} bytes`));
    }
    if ((value.key?.length ?? 0) > limits.storage.dictionaryKeyBytes) {
      return failure(tooLarge('a dictionary key beyond the limit of this peer'));
    }
  }
  return success(undefined);
}

/** An original Store must come from somebody who may write each place it names (§7.3). */
export function checkRequestSigner(
  store: PreparedStore,
  signer: Signer,
): Outcome<void, StorageError> {
  for (const { definition, values } of store.kinds) {
    for (const { value } of values) {
      const allowed = mayWrite(definition, store.resource, value, signer);
      if (!allowed.ok) return failure(forbidden(`signer of the request: ${allowed.error}`));
    }
  }
  return success(undefined);
}

interface VerifyDependencies {
  readonly clock: Clock;
  readonly trust: Pick<Trust, 'verify'>;
  readonly verifier: Pick<Verifier, 'isIssuedBy'>;
}

/**
 * Checks signature, policy and Kind-specific rule of every value; `done` comes later, once. What
 * fails is left out of a merge and refuses any other Store.
 */
export function verifyStore(
  dependencies: VerifyDependencies,
  store: PreparedStore,
  certificates: readonly Certificate[],
  done: (outcome: Outcome<VerifiedStore, StorageError>) => void,
): void {
  const kinds = store.kinds.map(({ definition, request, values }) => ({
    definition,
    request,
    unchecked: values,
    values: new Array<VerifiedValue | undefined>(values.length),
  }));
  const named = new Map<string, Certificate>();
  let waiting = store.kinds.reduce((sum, { values }) => sum + values.length, 0);
  let refusal: StorageError | undefined;

  function settle(): void {
    if (refusal !== undefined && store.mode !== 'merge') done(failure(refusal));
    else {
      const verified = kinds.map((one) => ({ ...one, values: one.values.filter(isPresent) }));
      done(success({ kinds: verified, certificates: named }));
    }
  }
  function accept(stored: StoredData, signer: Certificate): VerifiedValue {
    const used = withIssuer(dependencies, signer, certificates);
    for (const certificate of used) named.set(certificate.fingerprint, certificate);
    return { stored, certificates: used.map((certificate) => certificate.fingerprint) };
  }
  if (waiting === 0) {
    dependencies.clock.after('empty-store', 0, settle);
    return;
  }
  for (const { definition, unchecked, values: verified } of kinds) {
    const { kind, dataModel: model } = definition;
    const context = { resource: store.resource, kind, model };
    for (const [i, stored] of unchecked.entries()) {
      const early = checkClaimedUser(definition, stored, certificates);
      if (!early.ok) {
        dependencies.clock.after('store-name-refused', 0, () => {
          refusal ??= forbidden(early.error);
          if (--waiting === 0) settle();
        });
        continue;
      }
      verifyStoredValue(dependencies, context, stored, certificates, (outcome) => {
        const checked = outcome.ok
          ? checkSigner(definition, store.resource, stored, outcome.value)
          : outcome;
        if (!checked.ok) refusal ??= forbidden(checked.error);
        else if (outcome.ok) verified[i] = accept(stored, outcome.value.signer);
        if (--waiting === 0) settle();
      });
    }
  }
}

function isPresent(value: VerifiedValue | undefined): value is VerifiedValue {
  return value !== undefined;
}

/** What the certificate says that the value names, proved or not. */
function checkClaimedUser(
  { acceptsUser }: KindDefinition,
  { signature }: StoredData,
  certificates: readonly Certificate[],
): Outcome<void> {
  if (acceptsUser === undefined) return success(undefined);
  const userName = resolveSigner(signature.identity, certificates)?.certificate.userName;
  return userName === undefined ? success(undefined) : acceptsUser(userName);
}

function checkSigner(
  definition: KindDefinition,
  resource: ResourceId,
  { value }: StoredData,
  signer: Signer,
): Outcome<void> {
  const allowed = mayWrite(definition, resource, value, signer);
  if (!allowed.ok) return allowed;
  const context = { resource, value, signer: signer.signer, signerNodeId: signer.signerNodeId };
  return definition.validate?.(context) ?? success(undefined);
}

/** The signer's certificate and the CA below the roots that issued it, when the message carries one. */
function withIssuer(
  { verifier }: Pick<VerifyDependencies, 'verifier'>,
  signer: Certificate,
  certificates: readonly Certificate[],
): readonly Certificate[] {
  const issuer = certificates.find(
    (one) => one.isCa && one.fingerprint !== signer.fingerprint && verifier.isIssuedBy(signer, one),
  );
  return issuer === undefined ? [signer] : [signer, issuer];
}
