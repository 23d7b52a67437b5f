/** The SIP-REGISTRATION Kind as storing peers check it. RFC 7904 §3.3, §7. */
import type { OverlayConfig } from '../../ports/overlay-config.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import { bytesEqual } from '../../base/bytes.ts';
import { idBytes } from '../../base/ids.ts';
import type { KindDefinition } from '../../storage/kinds.ts';
import { tryDecode } from '../../wire/codec.ts';
import { sipRegistration } from '../../wire/reload/sip-registration.ts';
import { aorParts } from './aor.ts';
import type { DomainFilter } from './domain-restriction.ts';
import { createDomainFilter } from './domain-restriction.ts';
import { resourceOfAor, sipRegistrationKindId } from './registration.ts';

/** Bounds that hold where the configuration document names none: an AOR at many adapters must fit. */
const defaultMaxCount = 64;
const defaultMaxSizeBytes = 2000;

/** The Kind with its checks; every refusal becomes Error_Forbidden (RFC 7904 §3.3). */
export function sipRegistrationKind(config: () => OverlayConfig): KindDefinition {
  let compiledFor: OverlayConfig | undefined;
  let filter: DomainFilter | undefined;

  function currentFilter(): DomainFilter {
    const current = config();
    if (filter === undefined || compiledFor !== current) {
      filter = createDomainFilter(current);
      compiledFor = current;
    }
    return filter;
  }

  function acceptsUser(userName: string | undefined): Outcome<void> {
    const host = userName === undefined ? undefined : aorParts(userName)?.host;
    if (host === undefined) return failure('user name is no SIP AOR');
    return currentFilter().acceptsHost(host)
      ? success(undefined)
      : failure(`domain ${host} is not served`);
  }

  return {
    kind: sipRegistrationKindId,
    name: 'SIP-REGISTRATION',
    dataModel: 'DICTIONARY',
    accessControl: 'USER-NODE-MATCH',
    maxCount: defaultMaxCount,
    maxSizeBytes: defaultMaxSizeBytes,
    acceptsUser,
    validate(context) {
      const { resource, signer, signerNodeId } = context;
      const aor = signer.userName;
      const accepted = acceptsUser(aor);
      if (!accepted.ok || aor === undefined) return accepted;
      if (resourceOfAor(aor) !== resource) return failure('AOR does not match the Resource-ID');
      const { key, exists, value } = context.value;
      if (
        key === undefined ||
        signerNodeId === undefined ||
        !bytesEqual(key, idBytes(signerNodeId))
      ) {
        return failure('dictionary key is not the Node-ID of the signer');
      }
      if (exists && !tryDecode(sipRegistration, value).ok) return failure('no SipRegistration');
      return success(undefined);
    },
  };
}
