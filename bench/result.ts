export interface BenchResult {
  readonly name: string;
  /** CPU microseconds per operation, all threads. */
  readonly cpuUs: number;
  /** Operations per second of elapsed time. */
  readonly perSecond: number;
  readonly n: number;
}
