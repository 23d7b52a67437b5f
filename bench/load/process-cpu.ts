/** CPU time of processes with all their threads, system calls included, from /proc. */
import { readFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** Microseconds of user and system time used so far by the processes together. */
export function cpuUsOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1_000_000) / ticksPerSecond;
}
