import { limits } from '../../base/limits.ts';
import type { SipFailure } from '../core/failure.ts';
import type { SipResponse } from '../message/message.ts';

/** A branch's final answer: a received response, or a failure of our own standing for one. */
export type BranchFinal =
  | { readonly status: number; readonly response: SipResponse }
  | { readonly status: number; readonly response: undefined; readonly failure: SipFailure };

/** Collects the final answers (300..699) of all branches. RFC 3261 §16.7 step 6. */
export interface BestResponse {
  add(final: BranchFinal): void;
  readonly best: BranchFinal | undefined;
  /** WWW-Authenticate and Proxy-Authenticate values of all 401 and 407 but the best one, unchanged. */
  challenges(): readonly (readonly [name: string, value: string])[];
}

export function createBestResponse(): BestResponse {
  let best: BranchFinal | undefined;
  const challenged: SipResponse[] = [];
  return {
    add(final) {
      if (best === undefined || rank(final) < rank(best)) best = final;
      const asks = final.status === 401 || final.status === 407;
      if (!asks || final.response === undefined) return;
      if (challenged.length < limits.sipRoles.collectedChallenges) challenged.push(final.response);
    },
    get best() {
      return best;
    },
    challenges() {
      const found: (readonly [string, string])[] = [];
      for (const response of challenged) {
        if (response === best?.response) continue;
        for (const name of ['WWW-Authenticate', 'Proxy-Authenticate']) {
          for (const value of response.rows(name)) found.push([name, value]);
        }
      }
      return found;
    },
  };
}

/**
 * Lower is better: 6xx, then the lowest class; inside 4xx what helps the caller to retry, then what a
 * phone answered, then what only says that nobody was reached. A received response goes before our own.
 */
function rank(final: BranchFinal): number {
  const own = final.response === undefined ? 1 : 0;
  const { status } = final;
  if (status >= 600) return own;
  return Math.trunc(status / 100) * 100 + preference(status) * 2 + own;
}

function preference(status: number): number {
  switch (status) {
    case 401:
    case 407:
      return 0;
    case 415:
    case 420:
    case 484:
      return 1;
    case 480:
    case 404:
      return 3;
    case 408:
    case 430:
    case 487:
      return 4;
    default:
      return 2;
  }
}
