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
  let items: Pending[] = [];
  let head = 0;

  // Fields and no accessors: V8 keeps objects with accessors of their own in slow mode.
  const queue: { -readonly [Key in keyof PendingQueue]: PendingQueue[Key] } = {
    length: 0,
    push(pending) {
      items.push(pending);
      queue.length++;
    },
    first: () => items[head],
    last: () => (items.length > head ? items[items.length - 1] : undefined),
    shift() {
      const first = items[head];
      if (first === undefined) return undefined;
      queue.length--;
      head++;
      if (head === items.length) {
        items.length = 0;
        head = 0;
      } else if (head > 64 && head * 2 > items.length) {
        items = items.slice(head);
        head = 0;
      }
      return first;
    },
    at: (index) => items[head + index],
  };
  return queue;
}
