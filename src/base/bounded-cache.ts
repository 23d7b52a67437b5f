/**
 * A map that forgets: it holds between `limit / 2` and `limit` of the entries used last. Two
 * generations instead of a linked list: a hit costs one look-up, forgetting costs nothing.
 */
export interface BoundedCache<K, V> {
  readonly size: number;
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  delete(key: K): void;
  clear(): void;
}

export function createBoundedCache<K, V>(limit: number): BoundedCache<K, V> {
  const generationSize = Math.max(1, Math.floor(limit / 2));
  let young = new Map<K, V>();
  let old = new Map<K, V>();

  function put(key: K, value: V): void {
    young.set(key, value);
    if (young.size < generationSize) return;
    old = young;
    young = new Map();
  }

  return {
    get size() {
      let both = young.size;
      for (const key of old.keys()) if (!young.has(key)) both++;
      return both;
    },
    get(key) {
      const recent = young.get(key);
      if (recent !== undefined) return recent;
      const value = old.get(key);
      if (value !== undefined) put(key, value);
      return value;
    },
    set: put,
    delete(key) {
      young.delete(key);
      old.delete(key);
    },
    clear() {
      young.clear();
      old.clear();
    },
  };
}
