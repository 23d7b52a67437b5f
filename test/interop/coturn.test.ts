/** STUN and TURN with coturn, an independent server. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import type { IceParameters, IceServers } from '../../src/link/ice/types.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startLiveAgent, type LiveAgent } from './support/ice-agents.ts';
import { without } from './support/tools.ts';
import { sleep, until } from './support/wait.ts';

const server = { address: '127.0.0.60', port: 3478 };
const turn = { server, username: 'peer', password: 'secret' };
const servers: IceServers = { stun: [server], turn: [turn] };

describe('coturn', { skip: without('turnserver') }, () => {
  let coturn: ChildProcess;
  const folder = temporaryFolder('coturn');
  let log = '';

  before(async () => {
    const options = [
      ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--allow-loopback-peers', '--lt-cred-mech'],
      ...[`--listening-ip=${server.address}`, `--relay-ip=${server.address}`],
      ...[`--listening-port=${server.port}`, '--realm=overlay.example', '--user=peer:secret'],
      // Stale before the agents close: giving back needs the new nonce.
      ...['--stale-nonce=2', '--log-file=stdout', '--verbose'],
      ...[`--pidfile=${folder}/pid`, `--userdb=${folder}/db`],
    ];
    coturn = spawn('turnserver', options, { cwd: folder });
    coturn.stdout?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    coturn.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const probe = async (): Promise<boolean> => {
      const one = startLiveAgent(['127.0.0.61'], servers);
      const { candidates } = await one.gather();
      one.agent.close('enough');
      return candidates.some(({ type }) => type === 'relay');
    };
    await until('coturn listens', probe, 15_000);
  });
  after(async () => {
    coturn.kill();
    if (coturn.exitCode === null) await new Promise((done) => coturn.once('exit', done));
  });

  /** Leaves only candidates of that type, so that the path must go that way. */
  function only(type: string, parameters: IceParameters): IceParameters {
    const candidates = parameters.candidates.filter((candidate) => candidate.type === type);
    assert.ok(candidates.length > 0, log);
    return { ...parameters, candidates };
  }

  async function connect(
    one: LiveAgent,
    two: LiveAgent,
    types: readonly [string, string],
  ): Promise<void> {
    const [a, b] = [await one.gather(), await two.gather()];
    two.agent.start(only(types[0], a), 'controlled');
    one.agent.start(only(types[1], b), 'controlling');
    await Promise.all([one.connected, two.connected]);
  }

  function dtls(text: string): Uint8Array {
    return Uint8Array.from([22, ...Buffer.from(text)]);
  }

  async function exchange(one: LiveAgent, two: LiveAgent, text: string): Promise<void> {
    const has = (agent: LiveAgent): boolean =>
      agent.data.some((bytes) => Buffer.from(bytes.subarray(1)).toString() === text);
    one.agent.send(dtls(text));
    two.agent.send(dtls(text));
    await until(`${text} at both ends`, () => has(one) && has(two));
  }

  test('two agents talk through two relays, also when the nonce has become stale', async () => {
    const one = startLiveAgent(['127.0.0.61'], servers);
    const two = startLiveAgent(['127.0.0.62'], servers);
    await connect(one, two, ['relay', 'relay']);
    assert.ok(one.agent.path?.relayed === true && two.agent.path?.relayed === true);
    await exchange(one, two, 'hello');
    await sleep(2500);
    await exchange(one, two, 'still here');
    assert.equal(log.match(/CHANNEL_BIND processed, success/g)?.length, 2);
    log = '';
    one.agent.close('done');
    two.agent.close('done');
    await until('both allocations are given back', () => {
      const ended = log.match(/refreshed, realm=<overlay.example>, username=<peer>, lifetime=0/g);
      return ended?.length === 2;
    });
    assert.equal(log.match(/error 438: Stale nonce/g)?.length, 2);
  });

  test('one agent behind a relay, the other one without a TURN server', async () => {
    const one = startLiveAgent(['127.0.0.61'], servers);
    const two = startLiveAgent(['127.0.0.62']);
    await connect(one, two, ['relay', 'host']);
    await exchange(one, two, 'hello');
    one.agent.close('done');
    two.agent.close('done');
  });

  test('wrong credentials yield no relayed candidate', async () => {
    const bad = { stun: [], turn: [{ ...turn, password: 'guess' }] };
    const one = startLiveAgent(['127.0.0.61'], bad);
    const { candidates } = await one.gather();
    assert.deepEqual(
      candidates.map(({ type }) => type),
      ['host'],
    );
    one.agent.close('done');
  });
});
