/** How a request came to a place it was not addressed to: History-Info (RFC 7044) and Diversion (RFC 5806). */
import { limits } from '../../base/limits.ts';
import type { SipRequest } from '../message/message.ts';

export interface Retargeting {
  /** The URI the request was meant for before. */
  readonly from: string;
  /** The URI it goes to now. */
  readonly to: string;
  /** Status of the answer that led there, or 302. */
  readonly cause: number;
  /** Diversion values that the answer gave, most recent first. */
  readonly diversions: readonly string[];
}

export type DiversionReason =
  'unconditional' | 'user-busy' | 'no-answer' | 'unavailable' | 'do-not-disturb';

/** A Diversion value of our own. */
export function diversionOf(uri: string, reason: DiversionReason): string {
  return `<${uri}>;reason=${reason};counter=1`;
}

/** How often the request was diverted already, by what it says itself. */
export function diversionsOf(request: SipRequest): number {
  let count = 0;
  for (const value of request.values('Diversion')) {
    const counter = /;\s*counter\s*=\s*(\d{1,4})/i.exec(value)?.[1];
    count += counter === undefined ? 1 : Number(counter);
  }
  return count;
}

/** The headers that say so, to replace those of the request. */
export function historyHeaders(
  request: SipRequest,
  retargeting: Retargeting,
): readonly (readonly [name: string, value: string])[] {
  const headers: (readonly [string, string])[] = [];
  const diversions = [...retargeting.diversions, ...request.values('Diversion')];
  if (diversions.length > 0) {
    headers.push(['Diversion', diversions.slice(0, limits.sipRoles.historyEntries).join(', ')]);
  }
  // Privacy "history" and "header" forbid new entries (RFC 7044 §10.1).
  if (/\b(?:history|header)\b/i.test(request.rows('Privacy').join(';'))) return headers;
  const entries = [...request.values('History-Info')].slice(-limits.sipRoles.historyEntries);
  let index = indexOf(entries.at(-1));
  if (entries.length === 0 || index === undefined) {
    index = '1';
    entries.push(`<${withReason(retargeting)}>;index=1`);
  } else if (!(entries.at(-1) ?? '').includes(bare(retargeting.from))) {
    index = `${index}.1`;
    entries.push(`<${withReason(retargeting)}>;index=${index}`);
  } else if (!/[?&]Reason=/i.test(entries.at(-1) ?? '')) {
    entries.push(
      (entries.pop() ?? '').replace(bare(retargeting.from), () => withReason(retargeting)),
    );
  }
  entries.push(`<${bare(retargeting.to)}>;index=${index}.1;mp=${index}`);
  headers.push(['History-Info', entries.join(', ')]);
  return headers;
}

function indexOf(entry: string | undefined): string | undefined {
  const text = entry === undefined ? undefined : /;\s*index\s*=\s*([\d.]{1,64})/i.exec(entry)?.[1];
  return text !== undefined && /^\d+(?:\.\d+)*$/.test(text) ? text : undefined;
}

/** RFC 7044 §10.2: the reason for leaving this target, as a header of its URI. */
function withReason({ from, cause }: Retargeting): string {
  return `${bare(from)}?Reason=SIP%3Bcause%3D${String(cause)}`;
}

function bare(uri: string): string {
  const question = uri.indexOf('?');
  return question < 0 ? uri : uri.slice(0, question);
}
