/** Probe. RFC 6940 §6.4.2.5. */
import { extensibleSelect, openEnum, struct, u32, u8, vector, type Infer } from '../codec.ts';

/** Kinds of information a peer can be asked for, §14.13. */
export const probeInformationTypes = { responsibleSet: 1, numResources: 2, uptime: 3 } as const;

export const probeReq = struct({
  requestedInfo: vector(openEnum(u8, probeInformationTypes), 1),
});
export type ProbeReq = Infer<typeof probeReq>;

export const probeInformation = extensibleSelect(u8, 1, {
  /** Share of the ring in parts per 10^9. */
  responsibleSet: { tag: 1, fields: { responsiblePpb: u32 } },
  /** Resource-IDs stored, not values. */
  numResources: { tag: 2, fields: { numResources: u32 } },
  /** Seconds. */
  uptime: { tag: 3, fields: { uptime: u32 } },
});
export type ProbeInformation = Infer<typeof probeInformation>;

export const probeAns = struct({ probeInfo: vector(probeInformation, 2) });
export type ProbeAns = Infer<typeof probeAns>;
