/** Message codes. RFC 6940 §14.8, RFC 7851 §9.3. A request is odd, its answer is the next number. */
export const messageCodes = {
  probeReq: 0x01,
  probeAns: 0x02,
  attachReq: 0x03,
  attachAns: 0x04,
  storeReq: 0x07,
  storeAns: 0x08,
  fetchReq: 0x09,
  fetchAns: 0x0a,
  findReq: 0x0d,
  findAns: 0x0e,
  joinReq: 0x0f,
  joinAns: 0x10,
  leaveReq: 0x11,
  leaveAns: 0x12,
  updateReq: 0x13,
  updateAns: 0x14,
  routeQueryReq: 0x15,
  routeQueryAns: 0x16,
  pingReq: 0x17,
  pingAns: 0x18,
  statReq: 0x19,
  statAns: 0x1a,
  appAttachReq: 0x1d,
  appAttachAns: 0x1e,
  configUpdateReq: 0x21,
  configUpdateAns: 0x22,
  pathTrackReq: 0x27,
  pathTrackAns: 0x28,
  error: 0xffff,
} as const;

/** What a code is for: a request, an answer, an error, or nothing that may be sent. */
export function messageClass(code: number): 'request' | 'answer' | 'error' | 'invalid' {
  if (code === messageCodes.error) return 'error';
  if (code === 0 || code >= 0x8000) return 'invalid';
  return code % 2 === 1 ? 'request' : 'answer';
}

const names = new Map<number, string>(
  Object.entries(messageCodes).map(([name, code]) => [
    code,
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  ]),
);

/** `store_req`, `app_attach_ans`, …; hexadecimal for an unassigned code. For logs and labels of ours. */
export function messageCodeName(code: number): string {
  return names.get(code) ?? `0x${code.toString(16)}`;
}
