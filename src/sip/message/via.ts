import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { canonicalAddress } from './ip.ts';
import { isTokenCode, parseParams, parseUnsigned, skipSpace } from './scan.ts';

/** One Via value. RFC 3261 §20.42, RFC 3581. */
export interface Via {
  /** Upper case: `UDP`, `TCP`, `TLS`, `WS`, `WSS` or any other. */
  readonly transport: string;
  /** sent-by host as received; an IPv6 reference keeps its brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly branch: string | undefined;
  /** As received, with or without brackets round IPv6. */
  readonly received: string | undefined;
  /** `true` for a bare `rport`. */
  readonly rport: number | true | undefined;
  /** Lower-case names. */
  readonly params: ReadonlyMap<string, string | undefined>;
  readonly raw: string;
}

/** Reads one value (not a comma-separated list). Errors are a stable kebab-case word. */
export function parseVia(text: string): Outcome<Via> {
  const transportStart = afterProtocol(text);
  if (transportStart < 0) return failure('bad-via-protocol');
  let i = transportStart;
  while (i < text.length && isTokenCode(text.charCodeAt(i))) i++;
  const transport = upperTransport(text.slice(transportStart, i));
  const hostStart = skipSpace(text, i);
  if (transport === '' || hostStart === i) return failure('bad-via-transport');
  i = endOfHost(text, hostStart);
  if (i <= hostStart) return failure('bad-via-host');
  const host = text.slice(hostStart, i);
  i = skipSpace(text, i);
  let port: number | undefined;
  if (text.charCodeAt(i) === 0x3a) {
    const portStart = skipSpace(text, i + 1);
    i = portStart;
    while (text.charCodeAt(i) >= 48 && text.charCodeAt(i) <= 57) i++;
    port = parseUnsigned(text.slice(portStart, i), 65535);
    if (port === undefined) return failure('bad-via-port');
  }
  const params = parseParams(text, i);
  if (params === undefined) return failure('bad-via-parameter');
  return success({
    transport,
    host,
    port,
    branch: params.get('branch'),
    received: params.get('received'),
    rport: rportOf(params),
    params,
    raw: text,
  });
}

/** Position of the transport after `SIP/2.0/`, white space round the slashes allowed; -1 when it is something else. */
function afterProtocol(text: string): number {
  if (text.startsWith('SIP/2.0/') && isTokenCode(text.charCodeAt(8))) return 8;
  const match = /^SIP\s*\/\s*2\.0\s*\/\s*/i.exec(text);
  return match === null ? -1 : match[0].length;
}

function upperTransport(transport: string): string {
  return transport === 'UDP' || transport === 'TCP' ? transport : transport.toUpperCase();
}

function endOfHost(text: string, start: number): number {
  if (text.charCodeAt(start) === 0x5b) return text.indexOf(']', start) + 1;
  let i = start;
  while (i < text.length && isTokenCode(text.charCodeAt(i))) i++;
  return i;
}

function rportOf(params: ReadonlyMap<string, string | undefined>): number | true | undefined {
  if (!params.has('rport')) return undefined;
  const value = params.get('rport');
  return value === undefined || value === '' ? true : parseUnsigned(value, 65535);
}

/**
 * The value with `received` (no brackets, RFC 5118 §4.5) and a bare `rport` filled in. RFC 3261
 * §18.2.1, RFC 3581 §4.
 */
export function completeVia(via: Via, address: string, port: number): string {
  let text = via.raw;
  let received = via.received === address;
  if (via.rport === true) {
    text = text.replace(/;\s*rport\s*(?:=\s*)?(?=;|$)/i, `;rport=${String(port)}`);
  } else if (via.rport === undefined && canonicalAddress(via.host) === address) {
    received = true;
  }
  if (received) return text;
  if (via.params.has('received')) {
    text = text.replace(/;\s*received\s*(?:=[^;]*)?(?=;|$)/i, '');
  }
  return `${text};received=${address}`;
}
