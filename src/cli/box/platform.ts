/** What every role of a box shares: time, chance, log and figures, signatures. */
import { Registry, collectDefaultMetrics } from 'prom-client';
import type { Random } from '../../ports/random.ts';
import type { Verifier } from '../../ports/certificates.ts';
import { createClock, type HostClock } from '../../node/clock.ts';
import { createRandom } from '../../node/random.ts';
import type { Settings } from '../../node/settings.ts';
import { createSignatureQueue, type SignatureQueue } from '../../node/signature-queue.ts';
import { openStore, type HostStore } from '../../node/store.ts';
import { createTrace, type HostTrace } from '../../node/trace.ts';
import { createVerifier } from '../../node/verifier.ts';
import { CommandError } from '../command.ts';

export interface Platform {
  readonly clock: HostClock;
  readonly random: Random;
  readonly registry: Registry;
  readonly trace: HostTrace;
  readonly signatures: SignatureQueue;
  readonly verifier: Verifier;
}

export function createPlatform(settings: Pick<Settings, 'log'>): Platform {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'chordial_' });
  const signatures = createSignatureQueue();
  const { level, file } = settings.log;
  return {
    clock: createClock(),
    random: createRandom(),
    registry,
    trace: createTrace({
      level: level as Parameters<typeof createTrace>[0]['level'],
      destination: file === '' ? 'stderr' : file,
      registry,
    }),
    signatures,
    verifier: createVerifier(signatures),
  };
}

/** Opens a store or ends the command with the sentence that says what to do. */
export async function openBoxStore(directory: string, remedy?: string): Promise<HostStore> {
  const store = await openStore(directory, remedy);
  if (!store.ok) throw new CommandError(store.error);
  return store.value;
}
