import type { SipRequest } from '../message/types.ts';
import type { MachineContext } from './machine.ts';
import type { ClientRequest, ClientTransaction } from './types.ts';

/** A client transaction for which there is no room: the request counts as not sendable. */
export function refusedClient(
  { timers }: MachineContext,
  request: SipRequest,
  branch: string,
  { callbacks, flow }: ClientRequest,
): ClientTransaction {
  let pending = true;
  timers.after(0, () => {
    if (pending) callbacks.failed('transport');
    pending = false;
  });
  return {
    branch,
    request,
    flow,
    get pending() {
      return pending;
    },
    proceeding: false,
    cancel: () => undefined,
    abandon: () => {
      pending = false;
    },
    settle: () => undefined,
  };
}
