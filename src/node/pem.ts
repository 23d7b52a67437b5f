import { base64Encode } from '../base/text.ts';

/** A certificate in PEM form (RFC 7468 §5). */
export function pemCertificate(der: Uint8Array): string {
  const lines = base64Encode(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
