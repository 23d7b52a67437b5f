/**
 * Names of accounts. A user's name is an address of record `user@domain`, its domain the overlay's
 * or one further domain of the configuration. Nodes have names under `nodes.<overlay>`, a domain
 * that no user can have.
 */
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';

export interface UserName {
  readonly aor: string;
  /** What phones send in digest credentials: unique in the realm. */
  readonly digestUserName: string;
}

export interface NameRules {
  /** Overlay name, lower case; also the realm. */
  readonly overlayName: string;
  /** Further domains, lower case. */
  readonly domains: readonly string[];
}

const maxUserPartLength = 64;

/** The user part that both SIP (RFC 3261 §25.1, unescaped) and rfc822Name (RFC 5321 §4.1.2) allow. */
const userPart = /^[A-Za-z0-9_!~*'&=+$?/-]+(?:\.[A-Za-z0-9_!~*'&=+$?/-]+)*$/;

/** Accepts `user` and `user@domain`; the domain is folded to lower case, the user part is kept. */
export function parseUserName(text: string, rules: NameRules): Outcome<UserName> {
  const at = text.indexOf('@');
  const user = at < 0 ? text : text.slice(0, at);
  const domain = at < 0 ? rules.overlayName : text.slice(at + 1).toLowerCase();
  if (user.length > maxUserPartLength || !userPart.test(user)) {
    return failure("a user name has 1 to 64 letters, digits or characters of -_.!~*'&=+$?/");
  }
  if (isNodeDomain(domain, rules) || !isOurDomain(domain, rules)) {
    return failure(`the domain of a user is ${[rules.overlayName, ...rules.domains].join(' or ')}`);
  }
  const aor = `${user}@${domain}`;
  return success({ aor, digestUserName: domain === rules.overlayName ? user : aor });
}

/** Name of the account and the certificate of an adapter: `adapter-<id>@nodes.<overlay>`. */
export function adapterName(id: string, rules: NameRules): string {
  return `adapter-${id}@${nodeDomain(rules)}`;
}

/** Name in the certificate with which the authority signs configuration documents. */
export function authorityName(rules: NameRules): string {
  return `authority@${nodeDomain(rules)}`;
}

function nodeDomain(rules: NameRules): string {
  return `nodes.${rules.overlayName}`;
}

function isNodeDomain(domain: string, rules: NameRules): boolean {
  return domain === nodeDomain(rules);
}

function isOurDomain(domain: string, rules: NameRules): boolean {
  return domain === rules.overlayName || rules.domains.includes(domain);
}
