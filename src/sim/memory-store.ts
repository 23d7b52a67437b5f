/** A disk of a simulation: it outlives the peer; what was not yet durable is lost in a crash. */
import { failure, success } from '../base/outcome.ts';
import type { Store, StoreOperation } from '../ports/store.ts';

export interface SimulatedDisk {
  /** A view for one run of the peer. `later` runs a function when a write has reached the disk. */
  open(later: (run: () => void) => void): Store;
  readonly entries: number;
  /** Writes fail from now on, or succeed again; nothing of a failed write is kept. */
  fail(failing: boolean): void;
}

export function createSimulatedDisk(): SimulatedDisk {
  const durable = new Map<string, Uint8Array>();
  let failing = false;

  return {
    get entries() {
      return durable.size;
    },
    fail(next) {
      failing = next;
    },
    open(later) {
      const visible = new Map(durable);
      return {
        get: (key) => visible.get(key),
        *entries(prefix) {
          const keys = [...visible.keys()].filter((key) => key.startsWith(prefix)).sort();
          for (const key of keys) {
            const value = visible.get(key);
            if (value !== undefined) yield [key, value] as const;
          }
        },
        write(operations, done) {
          if (failing) {
            later(() => done?.(failure('the simulated disk refuses')));
            return;
          }
          apply(visible, operations);
          later(() => {
            apply(durable, operations);
            done?.(success(undefined));
          });
        },
      };
    },
  };
}

function apply(map: Map<string, Uint8Array>, operations: readonly StoreOperation[]): void {
  for (const operation of operations) {
    // A copy: what is stored may be a view of a large buffer.
    if ('put' in operation) map.set(operation.put, new Uint8Array(operation.value));
    else map.delete(operation.delete);
  }
}
