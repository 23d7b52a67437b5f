/** Lexical forms of the XML Schema types that configuration documents use. White space around is trimmed. */
import { parseNodeId } from '../base/ids.ts';
import type { NodeId } from '../base/ids.ts';
import { base64Decode } from '../base/text.ts';

/** A document that breaks a rule. `message` names the element and the rule; caught once, in `parse.ts`. */
export class ConfigRefusal extends Error {
  override readonly name = 'ConfigRefusal';
}

/** @throws {ConfigRefusal} always; `where` is an element or attribute as a person would write it. */
export function refuse(where: string, rule: string): never {
  throw new ConfigRefusal(`${where}: ${rule}`);
}

/** xsd:boolean. */
export function booleanValue(where: string, text: string): boolean {
  switch (text.trim()) {
    case 'true':
    case '1':
      return true;
    case 'false':
    case '0':
      return false;
    default:
      return refuse(where, 'must be true, false, 1 or 0');
  }
}

/** xsd:int, xsd:long, xsd:unsignedInt and xsd:unsignedByte with the bounds that apply. */
export function integerValue(where: string, text: string, least: number, most: number): number {
  const digits = text.trim();
  const value = /^[+-]?[0-9]{1,15}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(value >= least && value <= most)) {
    return refuse(where, `must be an integer from ${least} to ${most}`);
  }
  return value === 0 ? 0 : value;
}

/** xsd:base64Binary, not empty. */
export function base64Value(where: string, text: string): Uint8Array {
  const bytes = base64Decode(text);
  if (bytes === undefined || bytes.length === 0) return refuse(where, 'must hold base64');
  return bytes;
}

/** A Node-ID in hexadecimal of exactly the overlay's length. */
export function nodeIdValue(where: string, text: string, nodeIdLength: number): NodeId {
  const nodeId = parseNodeId(text.trim());
  if (nodeId?.length !== nodeIdLength * 2) {
    return refuse(where, `must be a Node-ID of ${nodeIdLength * 2} hexadecimal digits`);
  }
  return nodeId;
}

/** An Internet date and time in UTC (RFC 3339, RFC 6940 §11.1), in ms since 1970. */
export function dateTimeValue(where: string, text: string): number {
  const match =
    /^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:[Zz]|[+-]00:00)$/.exec(
      text.trim(),
    );
  if (match === null) return refuse(where, 'must be a date and time in UTC (RFC 3339)');
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as Six;
  const inRange =
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysInMonth(year, month) &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 60;
  if (!inRange) return refuse(where, 'names a day or time that does not exist');
  const fractionMs = match[7] === undefined ? 0 : Number(match[7].padEnd(3, '0').slice(0, 3));
  const seconds = ((daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
  return seconds * 1000 + fractionMs;
}

/** The form of {@link dateTimeValue}: whole seconds, `Z`. Years 1970 to 9999. */
export function formatDateTime(atMs: number): string {
  const atS = Math.floor(atMs / 1000);
  const [year, month, day] = civilDate(Math.floor(atS / 86_400));
  const ofDay = ((atS % 86_400) + 86_400) % 86_400;
  const time = [Math.floor(ofDay / 3600), Math.floor(ofDay / 60) % 60, ofDay % 60];
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T${time.map((n) => pad(n, 2)).join(':')}Z`;
}

type Six = [number, number, number, number, number, number];

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Days from 1970-01-01 in the Gregorian calendar; years counted from March so that leap days come last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return (
    365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468
  );
}

/** Inverse of {@link daysSinceEpoch}. */
function civilDate(days: number): [year: number, month: number, day: number] {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day];
}
