import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { canonicalAddress } from './ip.ts';
import {
  isParamNamed,
  isTokenCode,
  nextParam,
  noParams,
  paramValue,
  parseParams,
  parseUnsigned,
  skipSpace,
} from './scan.ts';

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

/** A class, because one is made for every message; parameters are listed when asked for. */
class ParsedVia implements Via {
  readonly raw: string;
  readonly transport: string;
  readonly host: string;
  readonly port: number | undefined;
  branch: string | undefined = undefined;
  received: string | undefined = undefined;
  rport: number | true | undefined = undefined;
  readonly paramsStart: number;
  #params: ReadonlyMap<string, string | undefined> | undefined = undefined;

  constructor(
    raw: string,
    transport: string,
    host: string,
    port: number | undefined,
    paramsStart: number,
  ) {
    this.raw = raw;
    this.transport = transport;
    this.host = host;
    this.port = port;
    this.paramsStart = paramsStart;
  }

  get params(): ReadonlyMap<string, string | undefined> {
    return (this.#params ??= parseParams(this.raw, this.paramsStart) ?? noParams);
  }
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
    i = skipSpace(text, i);
  }
  const via = new ParsedVia(text, transport, host, port, i);
  while (i < text.length) {
    i = nextParam(text, i);
    if (i < 0) return failure('bad-via-parameter');
    if (isParamNamed(text, 'branch')) via.branch ??= paramValue(text);
    else if (isParamNamed(text, 'received')) via.received ??= paramValue(text);
    else if (isParamNamed(text, 'rport')) via.rport ??= rportOf(paramValue(text));
  }
  return success(via);
}

function rportOf(value: string | undefined): number | true | undefined {
  return value === undefined || value === '' ? true : parseUnsigned(value, 65535);
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

/**
 * The value with `received` (no brackets, RFC 5118 §4.5) and a bare `rport` filled in; the same
 * object when nothing is missing. RFC 3261 §18.2.1, RFC 3581 §4.
 */
export function completeVia(via: Via, address: string, port: number): Via {
  const fillsRport = via.rport === true;
  const isKnown = via.received === address;
  const isDirect = via.rport === undefined && canonicalAddress(via.host) === address;
  if (!fillsRport && (isKnown || isDirect)) return via;
  let raw = fillsRport ? withRport(via.raw, port) : via.raw;
  if (!isKnown) {
    if (via.received !== undefined) {
      raw = raw.replace(/;\s*received\s*(?:=[^;]*)?(?=;|$)/i, '');
    }
    raw += `;received=${address}`;
  }
  // Everything up to the parameters is unchanged, and so is where they start.
  const start = via instanceof ParsedVia ? via.paramsStart : 0;
  const complete = new ParsedVia(raw, via.transport, via.host, via.port, start);
  complete.branch = via.branch;
  complete.received = address;
  complete.rport = fillsRport ? port : via.rport;
  return complete;
}

/** Phones write the bare parameter as below; everything else that the grammar allows takes longer. */
function withRport(raw: string, port: number): string {
  const at = raw.indexOf(';rport');
  const end = at + 6;
  if (at >= 0 && (end === raw.length || raw.charCodeAt(end) === 0x3b)) {
    return `${raw.slice(0, end)}=${String(port)}${raw.slice(end)}`;
  }
  return raw.replace(/;\s*rport\s*(?:=\s*)?(?=;|$)/i, `;rport=${String(port)}`);
}
