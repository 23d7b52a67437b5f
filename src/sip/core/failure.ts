/** Why a request is refused: the status line and headers of the answer. */
export interface SipFailure {
  /** 300..699. */
  readonly status: number;
  readonly reason: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

export function sipFailure(
  status: number,
  reason: string,
  headers?: readonly (readonly [name: string, value: string])[],
): SipFailure {
  return headers === undefined ? { status, reason } : { status, reason, headers };
}
