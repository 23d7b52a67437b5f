/** A message waiting for its acknowledgement. */
export interface Pending {
  readonly sequence: number;
  readonly sentAtMs: number;
  /** Set to `undefined` once it was called. */
  done: ((acknowledged: boolean) => void) | undefined;
}

/** First in, first out; the caller keeps the bound. */
export interface PendingQueue {
  readonly length: number;
  push(pending: Pending): void;
  first(): Pending | undefined;
  last(): Pending | undefined;
  shift(): Pending | undefined;
  /** The entry `index` places behind the first. */
  at(index: number): Pending | undefined;
}

export function createPendingQueue(): PendingQueue {
  return new Queue();
}

/** A class, because every link of every peer has one: functions are shared, and memory is the fields. */
class Queue implements PendingQueue {
  #items: Pending[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(pending: Pending): void {
    this.#items.push(pending);
  }

  first(): Pending | undefined {
    return this.#items[this.#head];
  }

  last(): Pending | undefined {
    return this.length > 0 ? this.#items[this.#items.length - 1] : undefined;
  }

  shift(): Pending | undefined {
    const first = this.#items[this.#head];
    if (first === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }

  at(index: number): Pending | undefined {
    return this.#items[this.#head + index];
  }
}
