/** ICE agents on real sockets. */
import { createIceAgent } from '../../../src/link/ice/agent.ts';
import { createIcePacer } from '../../../src/link/ice/pacer.ts';
import type { IceAgent, IceParameters, IcePath, IceServers } from '../../../src/link/ice/types.ts';
import { createClock } from '../../../src/node/clock.ts';
import { createDatagramOpener } from '../../../src/node/datagram.ts';
import { createRandom } from '../../../src/node/random.ts';
import { silentTrace } from '../../../src/ports/trace.ts';

export interface LiveAgent {
  readonly agent: IceAgent;
  gather(): Promise<IceParameters>;
  /** Resolves once connected. */
  readonly connected: Promise<IcePath>;
  readonly data: Uint8Array[];
  readonly closed: string[];
}

const clock = createClock();
const pacer = createIcePacer(clock);

export function startLiveAgent(
  addresses: readonly string[],
  servers: Partial<IceServers> = {},
): LiveAgent {
  const data: Uint8Array[] = [];
  const closed: string[] = [];
  let resolve: (path: IcePath) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const connected = new Promise<IcePath>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  // A test that has failed already does not wait for it.
  connected.catch(() => undefined);
  const agent = createIceAgent({
    clock,
    random: createRandom(),
    trace: silentTrace,
    sockets: createDatagramOpener({ trace: silentTrace }),
    pacer,
    addresses,
    servers: { stun: [], turn: [], ...servers },
    events: {
      connected: (path) => {
        resolve(path);
      },
      failed: (reason) => {
        reject(new Error(reason));
      },
      datagram: (bytes) => data.push(Uint8Array.from(bytes)),
      closed: (reason) => closed.push(reason),
    },
  });
  return {
    agent,
    gather: async () =>
      await new Promise((done, failed) => {
        agent.gather((gathered) => {
          if (gathered.ok) done(gathered.value);
          else failed(new Error(gathered.error));
        });
      }),
    connected,
    data,
    closed,
  };
}
