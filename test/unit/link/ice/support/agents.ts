/** Two agents in a simulated network, and what happens to them. */
import type { TransportAddress } from '../../../../../src/ports/connection.ts';
import type { DatagramOpener } from '../../../../../src/ports/datagram.ts';
import { createIceAgent } from '../../../../../src/link/ice/agent.ts';
import { createIcePacer, type IcePacer } from '../../../../../src/link/ice/pacer.ts';
import type {
  IceAgent,
  IceParameters,
  IcePath,
  IceRole,
  IceServers,
} from '../../../../../src/link/ice/types.ts';
import { createCountingTrace, type CountingTrace } from '../../fakes.ts';
import { createSeededRandom, type Network, type SimulatedClock } from './network.ts';
import { startStunServer, startTurnServer, type TestTurnServer } from './turn-server.ts';

export interface TestAgent {
  readonly agent: IceAgent;
  readonly trace: CountingTrace;
  /** Set when gathering has ended. */
  parameters: IceParameters | undefined;
  gatherError: string | undefined;
  path: IcePath | undefined;
  connectedMs: number | undefined;
  failure: string | undefined;
  closed: string | undefined;
  /** Text of received data. */
  readonly data: string[];
  /** Events in order. */
  readonly events: string[];
}

export interface AgentOptions {
  readonly addresses: readonly string[];
  readonly servers?: Partial<IceServers>;
  readonly pacer?: IcePacer;
  readonly seed?: string;
}

export function createTestAgent(
  clock: SimulatedClock,
  sockets: DatagramOpener,
  options: AgentOptions,
): TestAgent {
  const trace = createCountingTrace();
  const test: TestAgent = {
    agent: createIceAgent({
      clock,
      random: createSeededRandom(`${options.seed ?? ''} ${options.addresses.join()}`),
      trace,
      sockets,
      pacer: options.pacer ?? createIcePacer(clock),
      addresses: options.addresses,
      servers: { stun: [], turn: [], ...options.servers },
      events: {
        connected(path) {
          test.path = path;
          test.connectedMs = clock.monotonicMs();
          test.events.push('connected');
        },
        failed(reason) {
          test.failure = reason;
          test.events.push('failed');
        },
        datagram(bytes) {
          test.data.push(Buffer.from(bytes.subarray(1)).toString());
          test.events.push('datagram');
        },
        closed(reason) {
          test.closed = reason;
          test.events.push('closed');
        },
      },
    }),
    trace,
    parameters: undefined,
    gatherError: undefined,
    path: undefined,
    connectedMs: undefined,
    failure: undefined,
    closed: undefined,
    data: [],
    events: [],
  };
  return test;
}

export function gather(clock: SimulatedClock, ...agents: readonly TestAgent[]): void {
  for (const test of agents) {
    test.agent.gather((outcome) => {
      if (outcome.ok) test.parameters = outcome.value;
      else test.gatherError = outcome.error;
    });
  }
  clock.advance(1500);
}

/** Application data whose first byte is one of DTLS. */
export function dtls(text: string): Uint8Array {
  return Uint8Array.from([22, ...Buffer.from(text)]);
}

/** The exchange of an Attach: the answerer starts one way before the requester. */
export function exchange(
  clock: SimulatedClock,
  requester: TestAgent,
  answerer: TestAgent,
  roles: readonly [IceRole, IceRole] = ['controlling', 'controlled'],
): void {
  answerer.agent.start(requester.parameters!, roles[1]);
  clock.advance(40);
  requester.agent.start(answerer.parameters!, roles[0]);
}

/** Gathers, exchanges, and waits for the end. */
export function connect(
  clock: SimulatedClock,
  requester: TestAgent,
  answerer: TestAgent,
  roles?: readonly [IceRole, IceRole],
): void {
  gather(clock, requester, answerer);
  exchange(clock, requester, answerer, roles);
  clock.advance(9000);
}

export const stunAddress: TransportAddress = { address: '203.0.113.10', port: 3478 };
export const turnAddress: TransportAddress = { address: '203.0.113.20', port: 3478 };
export const turnUser = { server: turnAddress, username: 'peer', password: 'secret' };

/** One STUN and one TURN server. */
export function startServers(clock: SimulatedClock, network: Network): TestTurnServer {
  startStunServer(network.host(), stunAddress);
  const turn = startTurnServer(clock, network.host(), turnAddress, { peer: 'secret' });
  clock.advance(1);
  return turn;
}

export const bothServers: IceServers = { stun: [stunAddress], turn: [turnUser] };
