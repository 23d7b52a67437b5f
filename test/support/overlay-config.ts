export { plainConfiguration as overlayConfig } from '../../src/sim/configuration.ts';
