/** An ordered set of text keys in chunks, so that adding one moves few others. */
export interface SortedKeys {
  readonly size: number;
  add(key: string): void;
  delete(key: string): void;
  /** The keys that start with `prefix`, ascending; a copy, so the set may change meanwhile. */
  startingWith(prefix: string): string[];
}

const chunkSize = 512;

/** Keys are compared by code unit. */
export function createSortedKeys(): SortedKeys {
  /** Never an empty chunk but the only one; all keys of one come before all of the next. */
  const chunks: string[][] = [[]];
  let size = 0;

  /** The last chunk whose first key is not above `key`, else the first. */
  function chunkFor(key: string): number {
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((chunks[middle]?.[0] ?? '') <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The first place in the chunk whose key is not below `key`. */
  function placeIn(chunk: readonly string[], key: string): number {
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((chunk[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    get size() {
      return size;
    },
    add(key) {
      const index = chunkFor(key);
      const chunk = chunks[index] ?? [];
      const place = placeIn(chunk, key);
      if (chunk[place] === key) return;
      chunk.splice(place, 0, key);
      size++;
      if (chunk.length > chunkSize) chunks.splice(index + 1, 0, chunk.splice(chunkSize / 2));
    },
    delete(key) {
      const index = chunkFor(key);
      const chunk = chunks[index] ?? [];
      const place = placeIn(chunk, key);
      if (chunk[place] !== key) return;
      chunk.splice(place, 1);
      size--;
      if (chunk.length === 0 && chunks.length > 1) chunks.splice(index, 1);
    },
    startingWith(prefix) {
      const found: string[] = [];
      for (let index = chunkFor(prefix); index < chunks.length; index++) {
        const chunk = chunks[index] ?? [];
        for (let place = placeIn(chunk, prefix); place < chunk.length; place++) {
          const key = chunk[place] ?? '';
          if (!key.startsWith(prefix)) return found;
          found.push(key);
        }
      }
      return found;
    },
  };
}
