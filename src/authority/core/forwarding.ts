/** What a user wants done with calls: checked and in one spelling before it goes into the feed. */
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { limits } from '../../base/limits.ts';
import type { Forwarding } from '../../ports/accounts.ts';
import { parseUserName } from './names.ts';
import type { NameRules } from './names.ts';

/** A change of some rules; `null` removes one. */
export type ForwardingChange = Readonly<Record<string, unknown>>;

const targets = ['always', 'busy', 'noAnswer', 'unregistered'] as const;
const known: ReadonlySet<string> = new Set([...targets, 'noAnswerAfterS', 'doNotDisturb', 'group']);

/** The rules after the change, `undefined` when none is left; the error names the field. */
export function changeForwarding(
  before: Forwarding | undefined,
  change: ForwardingChange,
  rules: NameRules,
): Outcome<Forwarding | undefined> {
  const after: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(change)) {
    if (!known.has(name)) return failure(`there is no forwarding rule ${name}`);
    if (value === null) {
      Reflect.deleteProperty(after, name);
      continue;
    }
    const checked = checkField(name, value, rules);
    if (!checked.ok) return checked;
    after[name] = checked.value;
  }
  if (after['doNotDisturb'] === false) Reflect.deleteProperty(after, 'doNotDisturb');
  return success(Object.keys(after).length === 0 ? undefined : (after as Forwarding));
}

function checkField(name: string, value: unknown, rules: NameRules): Outcome<unknown> {
  if (name === 'doNotDisturb') {
    return typeof value === 'boolean' ? success(value) : failure('doNotDisturb is true or false');
  }
  if (name === 'noAnswerAfterS') {
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 180;
    return fits ? success(value) : failure('noAnswerAfterS is a number of seconds from 1 to 180');
  }
  if (name !== 'group') return parseTarget(value, rules);
  if (!Array.isArray(value) || value.length === 0 || value.length > limits.authority.groupMembers) {
    return failure(`a group has 1 to ${String(limits.authority.groupMembers)} members`);
  }
  const members: string[] = [];
  for (const member of value) {
    const target = parseTarget(member, rules);
    if (!target.ok) return target;
    if (!members.includes(target.value)) members.push(target.value);
  }
  return success(members);
}

/** A user of ours as AOR, another place as SIP URI, a number as tel URI. */
function parseTarget(value: unknown, rules: NameRules): Outcome<string> {
  if (typeof value !== 'string' || value.length > 255 || !/^[!-;=?-~]+$/.test(value)) {
    return failure('a place to forward to is a user, a SIP URI or a telephone number');
  }
  if (/^\+?\d[\d.-]*$/.test(value) && value.startsWith('+')) return success(`tel:${value}`);
  if (/^tel:\+?[\d*#.-]+$/i.test(value)) return success(value.toLowerCase());
  const bare = /^sips?:([^;?]+)$/i.exec(value)?.[1] ?? value;
  const user = parseUserName(bare, rules);
  if (user.ok) return success(user.value.aor);
  if (/^sips?:[^@]+@[^@]+$/i.test(value)) return success(value);
  return failure(`${value} is no user of this domain, no SIP URI and no telephone number`);
}
