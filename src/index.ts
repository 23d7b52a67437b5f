/** The library: what a program needs that runs a box, or writes a usage of the overlay. */
export { startBox, type Box } from './cli/box/box.ts';
export { loadSettings, type Settings } from './node/settings.ts';
export type * from './overlay/api.ts';
