/** The value of Kind SIP-REGISTRATION. RFC 7904 §3.2. */
import { extensibleSelect, opaque, u8, type Infer } from '../codec.ts';
import { destinationList } from './destination.ts';

/** Bytes of the shortest Destination List that may be registered (RFC 7904 §3.2, A-52). */
const minDestinationListBytes = 3;

export const sipRegistration = extensibleSelect(u8, 2, {
  /** Another AOR, written without scheme. UTF-8. */
  uri: { tag: 1, fields: { uri: opaque(2) } },
  route: {
    tag: 2,
    fields: {
      /** Callee capabilities, RFC 2533 form. */
      contactPrefs: opaque(2),
      destinationList: destinationList(2, minDestinationListBytes),
    },
  },
});
export type SipRegistration = Infer<typeof sipRegistration>;
