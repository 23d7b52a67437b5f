/** Forwarding rules of accounts as the proxy and the publisher want them (DESIGN §4.7). */
import type { AccountDirectory, Forwarding } from '../ports/accounts.ts';
import type { CalleeRules, Diversions } from '../sip/proxy/diversion.ts';
import { escapeUser } from '../sip/message/uri.ts';

export interface AdapterForwarding extends Diversions {
  /** The AOR or URI that takes all calls of a user. */
  alwaysOf(aor: string): string | undefined;
  /** Users that ring together for this one, as AORs or URIs. */
  groupOf(aor: string): readonly string[] | undefined;
  /** The user has rules, so its record stays while no phone is registered. */
  hasRules(aor: string): boolean;
}

const usualNoAnswerS = 20;

export function createForwarding(deps: {
  readonly accounts: Pick<AccountDirectory, 'lookup'>;
}): AdapterForwarding {
  const { accounts } = deps;

  function of(aor: string): Forwarding | undefined {
    const account = accounts.lookup(aor);
    return account?.enabled === true ? account.forwarding : undefined;
  }

  return {
    rulesOf(aor): CalleeRules | undefined {
      const rules = of(aor);
      if (rules === undefined) return undefined;
      return {
        always: uriOfPlace(rules.always),
        busy: uriOfPlace(rules.busy),
        noAnswer: uriOfPlace(rules.noAnswer),
        noAnswerMs: (rules.noAnswerAfterS ?? usualNoAnswerS) * 1000,
        unregistered: uriOfPlace(rules.unregistered),
        doNotDisturb: rules.doNotDisturb === true,
      };
    },
    alwaysOf: (aor) => of(aor)?.always,
    groupOf: (aor) => of(aor)?.group,
    hasRules: (aor) => of(aor) !== undefined,
  };
}

/** A place of `Forwarding` as a URI. */
function uriOfPlace(place: string | undefined): string | undefined {
  if (place === undefined || /^(?:sips?|tel):/i.test(place)) return place;
  const at = place.lastIndexOf('@');
  return `sip:${escapeUser(place.slice(0, at))}${place.slice(at)}`;
}
