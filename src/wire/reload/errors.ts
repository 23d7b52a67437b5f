/** Error responses. RFC 6940 §6.3.3.1, §14.9, RFC 7851 §9.4. */
import { utf8Encode, utf8Decode } from '../../base/text.ts';
import { opaque, struct, u16, u32, vector, type Infer } from '../codec.ts';

export const errorCodes = {
  forbidden: 0x02,
  notFound: 0x03,
  requestTimeout: 0x04,
  generationCounterTooLow: 0x05,
  incompatibleWithOverlay: 0x06,
  unsupportedForwardingOption: 0x07,
  dataTooLarge: 0x08,
  dataTooOld: 0x09,
  ttlExceeded: 0x0a,
  messageTooLarge: 0x0b,
  unknownKind: 0x0c,
  unknownExtension: 0x0d,
  responseTooLarge: 0x0e,
  configTooOld: 0x0f,
  configTooNew: 0x10,
  inProgress: 0x11,
  invalidMessage: 0x14,
  underlayDestinationUnreachable: 0x15,
  underlayTimeExceeded: 0x16,
  messageExpired: 0x17,
  upstreamMisrouting: 0x18,
  loopDetected: 0x19,
  ttlHopsExceeded: 0x1a,
} as const;

const names = new Map<number, string>([
  [0x02, 'Error_Forbidden'],
  [0x03, 'Error_Not_Found'],
  [0x04, 'Error_Request_Timeout'],
  [0x05, 'Error_Generation_Counter_Too_Low'],
  [0x06, 'Error_Incompatible_with_Overlay'],
  [0x07, 'Error_Unsupported_Forwarding_Option'],
  [0x08, 'Error_Data_Too_Large'],
  [0x09, 'Error_Data_Too_Old'],
  [0x0a, 'Error_TTL_Exceeded'],
  [0x0b, 'Error_Message_Too_Large'],
  [0x0c, 'Error_Unknown_Kind'],
  [0x0d, 'Error_Unknown_Extension'],
  [0x0e, 'Error_Response_Too_Large'],
  [0x0f, 'Error_Config_Too_Old'],
  [0x10, 'Error_Config_Too_New'],
  [0x11, 'Error_In_Progress'],
  [0x12, 'Error_Exp_A'],
  [0x13, 'Error_Exp_B'],
  [0x14, 'Error_Invalid_Message'],
  [0x15, 'Error_Underlay_Destination_Unreachable'],
  [0x16, 'Error_Underlay_Time_Exceeded'],
  [0x17, 'Error_Message_Expired'],
  [0x18, 'Error_Upstream_Misrouting'],
  [0x19, 'Error_Loop_Detected'],
  [0x1a, 'Error_TTL_Hops_Exceeded'],
]);

/** `Error_Forbidden`, …; hexadecimal for an unassigned code. */
export function errorCodeName(code: number): string {
  return names.get(code) ?? `0x${code.toString(16)}`;
}

export const errorResponse = struct({ errorCode: u16, errorInfo: opaque(2) });
export type ErrorResponse = Infer<typeof errorResponse>;

/** error_info of Error_Unknown_Kind: `KindId unknown_kinds<0..2^8-1>`. RFC 6940 §7.4.1.2. */
export const unknownKinds = vector(u32, 1);

/** An error whose info is text. */
export function textError(errorCode: number, text: string): ErrorResponse {
  return { errorCode, errorInfo: utf8Encode(text) };
}

/** error_info as text; empty when it is not UTF-8 or holds control characters (logs stay one line). */
export function errorText(error: ErrorResponse): string {
  const text = utf8Decode(error.errorInfo) ?? '';
  return /^[^\p{Cc}]*$/u.test(text) ? text : '';
}
