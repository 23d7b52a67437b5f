/** What the core tells the outside about itself: log events and figures. Never carries secrets. */
export interface Trace {
  /** One event, one line. `event` is a stable kebab-case word; details go into `fields`. */
  log(level: LogLevel, event: string, fields?: LogFields): void;
  /** A counter by name and labels; resolve once, keep it, add often. */
  counter(name: string, labels?: Readonly<Record<string, string>>): Counter;
  /** Registers a figure read when metrics are collected. */
  gauge(name: string, read: () => number, labels?: Readonly<Record<string, string>>): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

export interface Counter {
  /** Adds 1, or `by`. */
  add(by?: number): void;
}

/** A trace that keeps nothing. */
export const silentTrace: Trace = {
  log: () => undefined,
  counter: () => ({ add: () => undefined }),
  gauge: () => undefined,
};
