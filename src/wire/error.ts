/** Why received bytes were refused. */
export type WireErrorCode =
  /** The bytes ended before the structure did. */
  | 'truncated'
  /** Bytes were left over inside a length-delimited part or at the end. */
  | 'trailing-bytes'
  /** A length is outside the bounds of its vector. */
  | 'bad-length'
  /** A value that its field does not allow. */
  | 'bad-value'
  /** A tag of a select that is not extensible (RFC 6940 §6.3.1.1). */
  | 'unknown-type'
  /** More elements than this implementation takes. */
  | 'too-many';

/**
 * Received bytes that are not what they should be. Caused by remote input only; caught once at the
 * edge. `path` names the field (`kindData[0].values`), `offset` counts from the first byte decoded.
 */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;
  readonly offset: number;
  path: string;

  constructor(code: WireErrorCode, offset: number) {
    super(code);
    this.code = code;
    this.offset = offset;
    this.path = '';
  }

  override toString(): string {
    return `${this.code} at byte ${this.offset}${this.path === '' ? '' : ` in ${this.path}`}`;
  }
}

/** Puts a field name in front of the path of a {@link WireError} on its way up; returns what to throw. */
export function located(error: unknown, field: string): unknown {
  if (error instanceof WireError) {
    const rest = error.path;
    error.path = rest === '' ? field : rest.startsWith('[') ? field + rest : `${field}.${rest}`;
  }
  return error;
}
