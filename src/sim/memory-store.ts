/** A disk of a simulation: it outlives the peer; what was not yet durable is lost in a crash. */
import { success } from '../base/outcome.ts';
import type { Store, StoreOperation } from '../ports/store.ts';

export interface SimulatedDisk {
  /** A view for one run of the peer. `later` runs a function when a write has reached the disk. */
  open(later: (run: () => void) => void): Store;
  readonly entries: number;
}

export function createSimulatedDisk(): SimulatedDisk {
  const durable = new Map<string, Uint8Array>();

  return {
    get entries() {
      return durable.size;
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
    if ('put' in operation) map.set(operation.put, operation.value);
    else map.delete(operation.delete);
  }
}
