/** Calls that found nobody: their callee is looked up anew next time (DESIGN §5.1). */
import { aorOf } from '../sip/core/aor.ts';
import type { Domains } from '../sip/core/domains.ts';
import { parseMessage } from '../sip/message/message.ts';
import type { SipLookup } from '../usages/sip/lookup.ts';

/** Takes every message that comes from another adapter; looks at few bytes of most. */
export function createFailedLookups(deps: {
  readonly domains: Domains;
  readonly lookup: Pick<SipLookup, 'forget'>;
}): (bytes: Uint8Array) => void {
  return (bytes) => {
    if (!isFailure(bytes)) return;
    const message = parseMessage(bytes);
    if (!message.ok || !message.value.to.parsedUri.ok) return;
    const aor = aorOf(message.value.to.parsedUri.value, deps.domains);
    if (aor !== undefined) deps.lookup.forget(aor);
  };
}

const failurePrefix = 'SIP/2.0 ';
const failures: ReadonlySet<number> = new Set([404, 408, 430, 480]);

/** True for a response whose status says that the looked-up place was of no use. */
function isFailure(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x53 || bytes[8] !== 0x34) return false;
  const at = failurePrefix.length;
  const digits = [bytes[at], bytes[at + 1], bytes[at + 2]].map((byte) => (byte ?? 0) - 0x30);
  return failures.has((digits[0] ?? 0) * 100 + (digits[1] ?? 0) * 10 + (digits[2] ?? 0));
}
