/** Runs a box in the foreground: starts its roles, ends them on a signal. */
import type { Settings } from '../node/settings.ts';
import { startBox, type Box } from './box/box.ts';

/** Yields the exit code when the box has been told to stop. `started` runs once it serves. */
export async function runBox(
  settings: Settings,
  dir: string,
  started?: (box: Box) => Promise<void> | void,
): Promise<number> {
  const stopAsked = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
  const box = await startBox(settings, dir);
  await started?.(box);
  const signal = await stopAsked;
  box.trace.log('info', 'stopping', { signal });
  // A second signal, or a stop that hangs, ends the process at once.
  for (const again of ['SIGINT', 'SIGTERM'] as const) process.once(again, () => process.exit(1));
  setTimeout(() => process.exit(1), 15_000).unref();
  await box.stop();
  return 0;
}
