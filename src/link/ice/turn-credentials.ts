/** Long-term credentials of STUN as a client uses them. RFC 8489 §9.2. */
import type { StunAttributes } from '../../wire/stun/attributes.ts';
import { longTermKey } from '../../wire/stun/integrity.ts';
import type { ReceivedStun } from '../../wire/stun/message.ts';
import type { TurnServer } from './types.ts';

export interface TurnCredentials {
  /** `undefined` before the first challenge: the first request goes unsigned. */
  readonly key: Uint8Array | undefined;
  /** What goes into every request beside MESSAGE-INTEGRITY. */
  readonly attributes: StunAttributes;
  /** Takes over realm and nonce of a 401 or 438; false when the same request would be refused again. */
  challenged(message: ReceivedStun): boolean;
  /** For another server. */
  forget(): void;
}

export function createTurnCredentials({ username, password }: TurnServer): TurnCredentials {
  let key: Uint8Array | undefined;
  let attributes: StunAttributes = {};
  return {
    get key() {
      return key;
    },
    get attributes() {
      return attributes;
    },
    challenged(message) {
      const { realm = attributes.realm, nonce, errorCode } = message.attributes;
      if (realm === undefined || nonce === undefined) return false;
      // A 401 to signed credentials of this realm means that they are wrong (§9.2.5).
      if (errorCode?.code === 401 && key !== undefined && realm === attributes.realm) return false;
      if (key === undefined || realm !== attributes.realm) {
        key = longTermKey(username, realm, password);
      }
      attributes = { username, realm, nonce };
      return true;
    },
    forget() {
      key = undefined;
      attributes = {};
    },
  };
}
