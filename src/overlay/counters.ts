/** Counters with one label, resolved once per value. */
import type { Counter, Trace } from '../ports/trace.ts';

/** Label values must come from our own code, not from the network, or be few by nature. */
export function labelledCounter(
  trace: Trace,
  name: string,
  label: string,
): (value: string) => Counter {
  const counters = new Map<string, Counter>();
  return (value) => {
    let counter = counters.get(value);
    if (counter === undefined) {
      counter = trace.counter(name, { [label]: value });
      counters.set(value, counter);
    }
    return counter;
  };
}

/** A label for a code that came from the network: those without a name share one. */
export function codeLabel(name: string): string {
  return name.startsWith('0x') ? 'other' : name;
}
