/** Values that tests of many structures need. */
import { nodeIdFromBytes, resourceIdFromBytes } from '../../../src/base/ids.ts';
import { hex } from './check-codec.ts';

export const node = nodeIdFromBytes(hex('00112233445566778899aabbccddeeff'));
export const other = nodeIdFromBytes(hex('ff'.repeat(16)));
export const resource = resourceIdFromBytes(hex('6df379fb05075b13ada5f9d9ae9fbaa0'));
export const signed = {
  hash: 4,
  signature: 3,
  identity: { type: 'certHash', hashAlg: 4, certificateHash: hex('ab'.repeat(32)) },
  signatureValue: hex('01020304'),
} as const;
