/** Reading requests with bounds. */
import type { IncomingMessage } from 'node:http';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';

/** A JSON object of at most `maxBytes`. */
export async function readJson(
  request: IncomingMessage,
  maxBytes: number,
): Promise<Outcome<Readonly<Record<string, unknown>>>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) return failure(`the body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof value === 'object' && value !== null) {
      return success(value as Readonly<Record<string, unknown>>);
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return failure('the body must be a JSON object');
}

/** What failures are counted under: the IPv4 address, or the /64 of an IPv6 address. */
export function sourceOf(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = ''] = address.split('::');
  return `${head.split(':').slice(0, 4).join(':')}::/64`;
}
