import type { Trace } from '../../src/ports/trace.ts';

export interface CountingTrace extends Trace {
  /** What a counter holds; `label` is the value of its label. */
  count(name: string, label?: string): number;
  /** What a gauge shows; fails when there is none of that name. */
  gaugeOf(name: string): number;
}

/** A trace that keeps counters and gauges for a test to read. */
export function createCountingTrace(): CountingTrace {
  const counts = new Map<string, number>();
  const gauges = new Map<string, () => number>();
  return {
    log: () => undefined,
    gauge: (name, read) => void gauges.set(name, read),
    counter(name, labels = {}) {
      const key = [name, ...Object.values(labels)].join(' ');
      return {
        add(by = 1) {
          counts.set(key, (counts.get(key) ?? 0) + by);
        },
      };
    },
    count: (name, label) => counts.get(label === undefined ? name : `${name} ${label}`) ?? 0,
    gaugeOf(name) {
      const read = gauges.get(name);
      if (read === undefined) throw new Error(`no gauge ${name}`);
      return read();
    },
  };
}
