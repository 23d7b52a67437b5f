/** Refusals of the storage as RELOAD errors. RFC 6940 §6.3.3.1, §7.4.1.2. */
import type { KindId } from '../base/ids.ts';
import { emptyBytes } from '../base/bytes.ts';
import { utf8Encode } from '../base/text.ts';
import { encodeToBytes } from '../wire/codec.ts';
import { errorCodes, unknownKinds } from '../wire/reload/errors.ts';
import { storeAns } from '../wire/reload/storage.ts';

/** What an ErrorResponse is made of. */
export interface StorageError {
  /** error_code. */
  readonly code: number;
  /** error_info: text, or the structure that the code defines. */
  readonly info: Uint8Array;
  /** For logs. */
  readonly text: string;
}

export function textError(code: number, text: string): StorageError {
  return { code, info: utf8Encode(text), text };
}

export const forbidden = (text: string): StorageError => textError(errorCodes.forbidden, text);
export const tooLarge = (text: string): StorageError => textError(errorCodes.dataTooLarge, text);
export const tooOld = (text: string): StorageError => textError(errorCodes.dataTooOld, text);
export const invalid = (text: string): StorageError => textError(errorCodes.invalidMessage, text);

/** As many Kinds as `unknown_kinds<0..2^8-1>` holds. */
const mostUnknownKinds = 63;

/** Error_Unknown_Kind with the Kinds that were not recognized. */
export function unknownKind(kinds: readonly KindId[]): StorageError {
  const text = `unknown Kind ${kinds.join(', ')}`;
  return {
    code: errorCodes.unknownKind,
    info: encodeToBytes(unknownKinds, kinds.slice(0, mostUnknownKinds)),
    text,
  };
}

/** Error_Generation_Counter_Too_Low with the right counters and empty replica lists. */
export function generationCounterTooLow(
  counters: readonly { readonly kind: KindId; readonly generationCounter: bigint }[],
): StorageError {
  const kindResponses = counters.map((counter) => ({ ...counter, replicas: [] }));
  return {
    code: errorCodes.generationCounterTooLow,
    info: encodeToBytes(storeAns, { kindResponses }),
    text: 'generation counter does not match',
  };
}

/** A failure without anything to say to the requester but to try later. */
export const tryLater: StorageError = {
  code: errorCodes.requestTimeout,
  info: emptyBytes,
  text: 'busy or not durable',
};
