import type { Binding, LocationChange, LocationEvent } from './binding.ts';

/**
 * The bindings this adapter holds, by address of record (`alice@lab.example`, canonical, no scheme).
 * Durable: membership is written at once, mere refreshes lazily; after a restart bindings on UDP are
 * usable at once and those on streams have {@link Binding.flowDead} set.
 */
export interface LocationTable {
  /** Live bindings, most recently registered last; the same array until the next change. */
  bindings(aor: string): readonly Binding[];
  /** All addresses of record with at least one binding. */
  aors(): Iterable<string>;
  readonly aorCount: number;
  readonly bindingCount: number;
  /**
   * Makes the change visible. False when a bound (bindings per address, addresses in all) forbids it;
   * nothing is changed then.
   */
  apply(change: LocationChange, cause?: LocationEvent['cause']): boolean;
  /** Drops all bindings of an address (account disabled). */
  removeAll(aor: string): void;
  /** Marks the stream bindings of a closed flow dead. */
  flowClosed(flowId: string): void;
  /** Calls the listener after each change; returns the unsubscribe function. */
  onChange(listener: (event: LocationEvent) => void): () => void;
  /** Writes what is still held back; `done` after it is durable. */
  flush(done: () => void): void;
  /** Stops timers. Bindings stay readable. */
  stop(): void;
}
