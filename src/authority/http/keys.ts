/** The keys of an overlay's authority: root, signer of documents, HTTPS server. Kept in its Store. */
import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { UsageError } from '../../base/assert.ts';
import { nodeIdFromBytes } from '../../base/ids.ts';
import { base64Decode, base64Encode } from '../../base/text.ts';
import type { Certificate, Identity, KeyType, Verifier } from '../../ports/certificates.ts';
import type { Random } from '../../ports/random.ts';
import type { Store, StoreOperation } from '../../ports/store.ts';
import { createServerCertificate } from '../../node/authority-certificate.ts';
import { createIdentity } from '../../node/identity.ts';
import { generatePrivateKey } from '../../node/keys.ts';
import type { SignatureQueue } from '../../node/signature-queue.ts';
import { createRoot, issueCertificate, publicKeyDer } from '../../node/x509.ts';
import type { Issuer } from '../../node/x509.ts';
import { authorityName } from '../core/names.ts';
import type { NameRules } from '../core/names.ts';
import { DamagedRecordError, loadRecords, putRecord } from '../core/records.ts';
import type { Fields } from '../core/records.ts';

/** Certificates begin this long before they are made, for boxes whose clocks are behind. */
export const backdatedMs = 24 * 3_600_000;

export interface AuthorityKeys {
  readonly overlayName: string;
  readonly keyType: KeyType;
  readonly root: Certificate;
  readonly issuer: Issuer;
  /** Signs Kinds and configuration documents. */
  readonly signer: Identity;
  /** The HTTPS server's key and certificate for these names. */
  serverCredentials(hosts: readonly string[], nowMs: number): Promise<ServerCredentials>;
}

export interface ServerCredentials {
  readonly key: KeyObject;
  readonly certificateDer: Uint8Array;
}

export interface KeyOptions {
  readonly store: Store;
  readonly random: Random;
  readonly verifier: Verifier;
  readonly signatures: SignatureQueue;
  readonly rules: NameRules;
  readonly nodeIdLength: number;
}

const key = 'authority/keys';
const tenYearsMs = 10 * 365 * 86_400_000;
const serverValidityMs = 365 * 86_400_000;

/** Loads the keys; `undefined` in a store without. @throws DamagedRecordError */
export function loadAuthorityKeys(options: KeyOptions): AuthorityKeys | undefined {
  let found: AuthorityKeys | undefined;
  loadRecords(options.store, key, (_id, fields) => {
    found = readKeys(fields, options);
    return found !== undefined;
  });
  if (found !== undefined && found.overlayName !== options.rules.overlayName) {
    throw new UsageError(
      `the store belongs to the overlay ${found.overlayName}, not ${options.rules.overlayName}`,
    );
  }
  return found;
}

/** New keys for a new overlay, and what makes them durable. */
export async function createAuthorityKeys(
  options: KeyOptions,
  keyType: KeyType,
  nowMs: number,
): Promise<{ readonly keys: AuthorityKeys; readonly operations: readonly StoreOperation[] }> {
  const { overlayName } = options.rules;
  const [rootKey, signerKey] = await Promise.all([
    generatePrivateKey(keyType),
    generatePrivateKey(keyType),
  ]);
  const validity = { notBeforeMs: nowMs - backdatedMs, notAfterMs: nowMs + tenYearsMs };
  const rootDer = createRoot({ name: `${overlayName} root`, privateKey: rootKey, ...validity });
  const signerDer = issueCertificate({
    publicKey: publicKeyDer(signerKey),
    nodeIds: [nodeIdFromBytes(options.random.bytes(options.nodeIdLength))],
    overlayName,
    userName: authorityName(options.rules),
    issuer: { certificateDer: rootDer, privateKey: rootKey },
    ...validity,
  });
  const fields = {
    overlayName,
    keyType,
    rootKey: pem(rootKey),
    rootCertificate: base64Encode(rootDer),
    signerKey: pem(signerKey),
    signerCertificate: base64Encode(signerDer),
  };
  const keys = readKeys(fields, options);
  if (keys === undefined) throw new DamagedRecordError(key);
  return { keys, operations: [putRecord(key, fields)] };
}

function readKeys(fields: Fields, options: KeyOptions): AuthorityKeys | undefined {
  const { overlayName, keyType } = fields;
  const rootKey = readKey(fields['rootKey']);
  const signerKey = readKey(fields['signerKey']);
  const root = readCertificate(fields['rootCertificate'], options.verifier);
  const signer = readCertificate(fields['signerCertificate'], options.verifier);
  const complete =
    typeof overlayName === 'string' &&
    (keyType === 'rsa' || keyType === 'ecdsa-p256' || keyType === 'ed25519') &&
    rootKey !== undefined &&
    signerKey !== undefined &&
    root !== undefined &&
    signer !== undefined;
  if (!complete) return undefined;
  const issuer = { certificateDer: root.der, privateKey: rootKey };
  return {
    overlayName,
    keyType,
    root,
    issuer,
    signer: createIdentity(signerKey, signer, [], options.signatures),
    async serverCredentials(hosts, nowMs) {
      const serverKey = await generatePrivateKey(keyType);
      const certificateDer = createServerCertificate({
        privateKey: serverKey,
        hosts,
        issuer,
        notBeforeMs: nowMs - backdatedMs,
        notAfterMs: nowMs + serverValidityMs,
      });
      return { key: serverKey, certificateDer };
    },
  };
}

function pem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function readKey(value: unknown): KeyObject | undefined {
  if (typeof value !== 'string' || !value.includes('PRIVATE KEY')) return undefined;
  return createPrivateKey(value);
}

function readCertificate(value: unknown, verifier: Verifier): Certificate | undefined {
  const der = typeof value === 'string' ? base64Decode(value) : undefined;
  const parsed = der && verifier.parseCertificate(der);
  return parsed?.ok === true ? parsed.value : undefined;
}
