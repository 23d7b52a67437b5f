/**
 * One ICE agent as a process of its own, for network namespaces: own address and the server's on the
 * command line, lines of JSON in and out.
 */
import { createInterface } from 'node:readline';
import type { IceParameters, IceRole } from '../../../src/link/ice/types.ts';
import { startLiveAgent } from './ice-agents.ts';

interface Start {
  readonly remote: IceParameters;
  readonly role: IceRole;
}

const [address = '', serverAddress = ''] = process.argv.slice(2);
const server = { address: serverAddress, port: 3478 };
const live = startLiveAgent([address], {
  stun: [server],
  turn: [{ server, username: 'peer', password: 'secret' }],
});
const { agent, connected, data } = live;

function tell(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
tell(await live.gather());
const { remote, role } = JSON.parse(String((await lines.next()).value)) as Start;
agent.start(remote, role);
try {
  const path = await connected;
  agent.send(Uint8Array.from([22, ...Buffer.from(`from ${address}`)]));
  const end = performance.now() + 3000;
  while (data.length === 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  tell({ path, heard: data.map((bytes) => Buffer.from(bytes.subarray(1)).toString()) });
} catch (error) {
  tell({ failure: String(error), heard: [] });
}
// The other end may still be waiting for an answer to its check.
await lines.next();
agent.close('done');
await new Promise((resolve) => setTimeout(resolve, 200));
process.exit(0);
