/**
 * Shared-secret mode: TLS with a pre-shared key (RFC 4279) in place of certificates. RFC 6940 §13.4;
 * reading A-51. Node's OpenSSL has no TLS-SRP, so a password should be long and random.
 */
import type { PSKCallbackNegotation } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { utf8Encode } from '../base/text.ts';

/** What makes a context of either side use the secret. Every member has the same one. */
export interface PskOptions {
  readonly client: {
    readonly pskCallback: () => PSKCallbackNegotation;
  };
  readonly server: Required<Pick<TlsOptions, 'pskCallback'>>;
  readonly context: {
    readonly minVersion: 'TLSv1.2';
    readonly maxVersion: 'TLSv1.2';
    readonly ciphers: string;
  };
}

/** The identity says nothing: there is one secret per overlay. */
const identity = 'reload';

/** `secret`: the text of `<shared-secret>`, 1 to 256 bytes in UTF-8. */
export function pskOptions(secret: string): PskOptions {
  const psk = utf8Encode(secret);
  return {
    client: { pskCallback: () => ({ psk, identity }) },
    server: { pskCallback: () => psk },
    context: {
      // The PSK suites of TLS 1.2 are the ones that RFC 6940 knows; 1.3 has its own mechanism.
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      // With forward secrecy, because everybody who ever sees the document knows the secret.
      ciphers: 'ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA256',
    },
  };
}
