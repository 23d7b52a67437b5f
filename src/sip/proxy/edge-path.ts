import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import type { Flow } from '../../ports/flow.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { SipRequest } from '../message/message.ts';
import { isUntranslated } from '../registrar/direct-contact.ts';
import { supports } from '../registrar/register-request.ts';
import type { HopAddressing } from './targets.ts';

/**
 * A REGISTER on its way to the registrar of another domain: this server puts itself into Path, with the
 * flow of the phone, so that requests come back along it. RFC 3327 §5.2, RFC 5626 §5.1. Refused with 421
 * where the phone does not know Path and can be reached in no other way.
 */
export function withEdgePath(
  request: SipRequest,
  flow: Flow,
  hops: Pick<HopAddressing, 'recordRoute'>,
): Outcome<SipRequest, SipFailure> {
  if (!supports(request, 'path')) {
    const needed = flow.reliable || !isUntranslated(request, flow) || registersFlow(request);
    return needed ? failure(pathRequired) : success(request);
  }
  const isFirstHop = request.values('Via').length === 1;
  const path = `<${hops.recordRoute(flow, request.uri.startsWith('sips:'))}${isFirstHop ? ';ob' : ''}>`;
  return success(request.edit().prepend('Path', path).build());
}

function registersFlow(request: SipRequest): boolean {
  return request.rows('Contact').some((row) => /;\s*reg-id\s*=/i.test(row));
}

const pathRequired = sipFailure(421, 'Extension Required', [['Require', 'path']]);
