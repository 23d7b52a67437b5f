/**
 * What a callee wants done with calls that are not to ring, or do not find it: always, busy, no answer,
 * unregistered, do not disturb. The adapter that serves the callee applies it.
 */
import type { RedirectContact } from './redirection.ts';
import { type DiversionReason, diversionOf } from './history.ts';

/** Places as URIs. */
export interface CalleeRules {
  readonly always: string | undefined;
  readonly busy: string | undefined;
  readonly noAnswer: string | undefined;
  readonly noAnswerMs: number;
  readonly unregistered: string | undefined;
  readonly doNotDisturb: boolean;
}

export interface Diversions {
  /** `undefined` for users without rules. */
  rulesOf(aor: string): CalleeRules | undefined;
}

/** Why a call does not end at the callee's own phones. */
export type DivertCause = 'always' | 'busy' | 'no-answer' | 'unregistered' | 'do-not-disturb';

/** Where such a call goes, and what the next one is told about it. */
export interface Diversion {
  readonly contact: RedirectContact;
  /** Value of Diversion. */
  readonly said: string;
  /** The status that stands for the cause in History-Info (RFC 4458 §2). */
  readonly status: number;
}

export function diversionFor(
  rules: CalleeRules,
  cause: DivertCause,
  calleeUri: string,
): Diversion | undefined {
  const uri = targetOf(rules, cause);
  if (uri === undefined) return undefined;
  const { reason, status } = causes[cause];
  return {
    contact: { raw: `<${uri}>`, uri, q: 1000 },
    said: diversionOf(calleeUri, reason),
    status,
  };
}

function targetOf(rules: CalleeRules, cause: DivertCause): string | undefined {
  switch (cause) {
    case 'always':
      return rules.always;
    case 'busy':
    case 'do-not-disturb':
      return rules.busy;
    case 'no-answer':
      return rules.noAnswer;
    case 'unregistered':
      return rules.unregistered;
  }
}

const causes: Readonly<
  Record<DivertCause, { readonly reason: DiversionReason; readonly status: number }>
> = {
  always: { reason: 'unconditional', status: 302 },
  busy: { reason: 'user-busy', status: 486 },
  'no-answer': { reason: 'no-answer', status: 408 },
  unregistered: { reason: 'unavailable', status: 404 },
  'do-not-disturb': { reason: 'do-not-disturb', status: 486 },
};

/** Why a call failed, by the status it would be answered with and whether a phone was tried at all. */
export function causeOf(status: number, tried: boolean): DivertCause | undefined {
  if (status === 486 || status === 600) return 'busy';
  if (status === 408) return tried ? 'no-answer' : 'unregistered';
  if (status === 480 || status === 430) return 'unregistered';
  return undefined;
}
