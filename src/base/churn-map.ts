/**
 * A map for large things that come and go all the time. V8 replaces the table behind a `Map` every few
 * insertions and deletions, and lets each table refer to its successor. Once one of them is in the old
 * generation, all that follow survive the collections of the young generation with everything that was in
 * them, until the next full collection. Here tables refer to slots, which are emptied on deletion.
 */
export interface ChurnMap<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): boolean;
  readonly size: number;
  /** A copy, in order of insertion. */
  values(): V[];
}

export function createChurnMap<K, V extends object>(): ChurnMap<K, V> {
  const slots = new Map<K, { value: V | undefined }>();
  return {
    get: (key) => slots.get(key)?.value,
    has: (key) => slots.has(key),
    set(key, value) {
      const slot = slots.get(key);
      if (slot === undefined) slots.set(key, { value });
      else slot.value = value;
    },
    delete(key) {
      const slot = slots.get(key);
      if (slot === undefined) return false;
      slot.value = undefined;
      return slots.delete(key);
    },
    get size() {
      return slots.size;
    },
    values() {
      const values: V[] = [];
      for (const { value } of slots.values()) if (value !== undefined) values.push(value);
      return values;
    },
  };
}
