/** The Trace port: pino for events, prom-client for figures. */
import { openSync } from 'node:fs';
import pino from 'pino';
import { Counter as PromCounter, Gauge as PromGauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { limits } from '../base/limits.ts';
import type { Counter, LogFields, LogLevel, Trace } from '../ports/trace.ts';

export interface TraceOptions {
  readonly level: LogLevel | 'silent';
  /** `stdout`, `stderr` or the path of a file that is appended to. */
  readonly destination: string;
  readonly registry: Registry;
  /** Fields of every line, such as the Node-ID. */
  readonly bindings?: LogFields;
}

export interface HostTrace extends Trace {
  /** The same figures, with further fields in every line. */
  child(bindings: LogFields): HostTrace;
  setLevel(level: LogLevel | 'silent'): void;
  /** Writes out what is buffered; for the end of the process. */
  flush(): void;
}

/** Fields by these names never reach a log, at the top or one level down. */
const secretFields = [
  'password',
  'secret',
  'token',
  'authorization',
  'proxyAuthorization',
  'privateKey',
  'key',
  'ha1',
  'nonceKey',
];
const metricPrefix = 'chordial_';

export function createTrace(options: TraceOptions): HostTrace {
  const sink = pino.destination({ dest: fileDescriptor(options.destination), sync: false });
  const logger = pino(
    {
      level: options.level,
      base: options.bindings ?? {},
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
      redact: {
        paths: secretFields.flatMap((field) => [field, `*.${field}`]),
        censor: '[redacted]',
      },
    },
    sink,
  );
  const flush = (): void => {
    sink.flushSync();
  };
  return hostTrace(logger, createFigures(options.registry), flush);
}

function hostTrace(logger: pino.Logger, figures: Figures, flush: () => void): HostTrace {
  return {
    log(level, event, fields) {
      if (fields === undefined) logger[level](event);
      else logger[level](fields, event);
    },
    counter: figures.counter,
    gauge: figures.gauge,
    child: (bindings) => hostTrace(logger.child(bindings), figures, flush),
    setLevel(level) {
      logger.level = level;
    },
    flush,
  };
}

/** Opened at once: what is logged first can be flushed first. */
function fileDescriptor(destination: string): number {
  if (destination === 'stdout') return 1;
  return destination === 'stderr' ? 2 : openSync(destination, 'a', 0o600);
}

type Labels = Readonly<Record<string, string>>;
type Figures = Pick<Trace, 'counter' | 'gauge'>;

/** One value of a metric; prom-client sees it only when metrics are collected. */
interface Series {
  readonly labels: Labels;
  readonly read: () => number;
}

interface Family {
  readonly series: Map<string, Series>;
  readonly labelNames: Set<string>;
}

/** Counters are plain numbers between collections, because some are added to for every message. */
function createFigures(registry: Registry): Figures {
  const counters = new Map<string, Family>();
  const gauges = new Map<string, Family>();
  const handles = new Map<string, Counter>();
  let seriesCount = 0;

  function add(kind: 'counter' | 'gauge', name: string, series: Series, key: string): void {
    const families = kind === 'counter' ? counters : gauges;
    let family = families.get(name);
    const known = family?.labelNames ?? new Set<string>();
    const isNew = family === undefined;
    family ??= { series: new Map(), labelNames: known };
    families.set(name, family);
    const before = known.size;
    for (const label of Object.keys(series.labels)) known.add(label);
    family.series.set(key, series);
    if (isNew || known.size !== before) register(kind, name, family);
  }

  /** A metric that gains a label is registered anew; its values live in the family. */
  function register(kind: 'counter' | 'gauge', name: string, family: Family): void {
    const metric = metricPrefix + name;
    registry.removeSingleMetric(metric);
    const configuration = {
      name: metric,
      help: name.replaceAll('_', ' '),
      labelNames: [...family.labelNames],
      registers: [registry],
    };
    if (kind === 'counter') {
      new PromCounter({
        ...configuration,
        collect() {
          this.reset();
          for (const { labels, read } of family.series.values()) this.inc(labels, read());
        },
      });
    } else {
      new PromGauge({
        ...configuration,
        collect() {
          this.reset();
          for (const { labels, read } of family.series.values()) this.set(labels, read());
        },
      });
    }
  }

  function counter(name: string, labels: Labels = {}): Counter {
    const key = seriesKey(name, labels);
    const known = handles.get(key);
    if (known !== undefined) return known;
    if (++seriesCount > limits.node.counters) return counter('counters_refused_total');
    let value = 0;
    const handle: Counter = {
      add(by = 1) {
        value += by;
      },
    };
    handles.set(key, handle);
    add('counter', name, { labels, read: () => value }, key);
    return handle;
  }

  return {
    counter,
    gauge(name, read, labels = {}) {
      add('gauge', name, { labels, read }, seriesKey(name, labels));
    },
  };
}

function seriesKey(name: string, labels: Labels): string {
  const names = Object.keys(labels).sort();
  return [name, ...names.flatMap((label) => [label, labels[label] ?? ''])].join('\u0000');
}
