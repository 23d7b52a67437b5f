/** A broken invariant of our own code. The process ends and its supervisor restarts it. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** The caller of a library function broke its contract; local misuse, never caused by remote bytes. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Throws {@link InvariantError} when the condition does not hold. Stays on in production. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Marks a place the type system proves unreachable. */
export function unreachable(value: never, message = 'unreachable'): never {
  throw new InvariantError(`${message}: ${String(value)}`);
}
