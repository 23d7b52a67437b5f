/** Several real peers in one process: fake clock, connections and keys; everything else is the product. */
import { createPrng } from '../../../../src/base/prng.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import { hexEncode } from '../../../../src/base/text.ts';
import { success } from '../../../../src/base/outcome.ts';
import type { Identity } from '../../../../src/ports/certificates.ts';
import type { OverlayConfig } from '../../../../src/ports/overlay-config.ts';
import type { Store } from '../../../../src/ports/store.ts';
import type { Counter, Trace } from '../../../../src/ports/trace.ts';
import type { TransportAddress } from '../../../../src/ports/connection.ts';
import { createKindRegistry } from '../../../../src/storage/kinds.ts';
import { createChord } from '../../../../src/topology/chord/chord.ts';
import { createOverlay } from '../../../../src/overlay/peer.ts';
import type { OverlayDependencies, OverlayPeer } from '../../../../src/overlay/peer-api.ts';
import { createFakeClock, type FakeClock } from '../../../support/fake-clock.ts';
import { createIdentity, createVerifier, overlayName, rootCertificate } from './fake-keys.ts';
import { createFakeNetwork, type FakeHost, type FakeNetwork } from './fake-network.ts';
import { overlayConfig } from '../../../support/overlay-config.ts';

export const linkPort = 6084;
export const sipPort = 5061;

export const singleKind = 0xf000_0001;
export const arrayKind = 0xf000_0002;
export const dictionaryKind = 0xf000_0003;

export const testConfig: OverlayConfig = overlayConfig({
  document: new Uint8Array([60, 111, 62]),
  overlayName,
  sequence: 22,
  rootCertificates: [rootCertificate],
  turnDensity: 0,
  maxMessageSize: 20_000,
  requiredKinds: [
    kind(singleKind, 'SINGLE', 'USER-MATCH'),
    kind(arrayKind, 'ARRAY', 'USER-MATCH'),
    kind(dictionaryKind, 'DICTIONARY', 'USER-NODE-MATCH'),
  ],
});

function kind(
  id: number,
  dataModel: 'SINGLE' | 'ARRAY' | 'DICTIONARY',
  accessControl: 'USER-MATCH' | 'USER-NODE-MATCH',
): OverlayConfig['requiredKinds'][number] {
  return {
    kind: id,
    name: undefined,
    dataModel,
    accessControl,
    maxCount: 8,
    maxSizeBytes: 500,
    maxNodeMultiple: undefined,
  };
}

export interface TestPeer {
  readonly overlay: OverlayPeer;
  readonly nodeId: NodeId;
  readonly host: FakeHost;
  readonly identity: Identity;
  /** Value of a counter, summed over its labels or for one label value. */
  count(name: string, label?: string): number;
}

export interface World {
  readonly clock: FakeClock;
  readonly network: FakeNetwork;
  readonly peers: TestPeer[];
  nodeId(seed: string): NodeId;
  user(name: string, seed: string): Identity;
  /** Creates a peer; `join` starts it through the first one, or as the first. */
  add(options?: AddOptions): TestPeer;
  /** All peers joined, within the time. */
  settle(atMostMs?: number): boolean;
  /** Runs the clock until `done` was called and returns what it got. */
  await<T>(run: (done: (value: T) => void) => void, atMostMs?: number): T;
}

export interface AddOptions {
  readonly nodeId?: NodeId;
  readonly start?: boolean;
  readonly bootstrap?: readonly TransportAddress[] | 'first';
  readonly client?: 'responsible-peer' | 'any-peer';
  readonly config?: Partial<OverlayConfig>;
  readonly dependencies?: Partial<OverlayDependencies>;
  readonly identity?: Identity;
  /** Default: one per peer. */
  readonly address?: string;
}

export function createWorld(seed = 'overlay'): World {
  const clock = createFakeClock();
  const network = createFakeNetwork(clock);
  const verifier = createVerifier(clock);
  const peers: TestPeer[] = [];

  function nodeId(text: string): NodeId {
    return hexEncode(createPrng(`node ${text}`).bytes(16)) as NodeId;
  }

  function add(options: AddOptions = {}): TestPeer {
    const index = peers.length + 1;
    const id = options.nodeId ?? nodeId(`${seed} ${index}`);
    const address = options.address ?? `10.0.0.${index}`;
    const identity = options.identity ?? createIdentity(clock, [id], `node-${index}`);
    const host: FakeHost = {
      address,
      chain: [identity.certificate],
      frozen: false,
      dead: false,
    };
    const counters = new Map<string, number>();
    const prng = createPrng(`${seed} ${index}`);
    const overlay = createOverlay({
      identity,
      config: { ...testConfig, ...options.config },
      clock,
      random: { u32: () => prng.u32(), bytes: (length) => prng.bytes(length) },
      trace: countingTrace(counters),
      dialer: network.dialer(host),
      verifier,
      store: memoryStore(clock),
      kinds: createKindRegistry(),
      topology: createChord,
      candidates: () => [{ address, port: linkPort }],
      appCandidates: (application) => [{ address, port: application }],
      ...options.dependencies,
    });
    network.listen({ address, port: linkPort }, host, (c) => overlay.acceptLink(c));
    network.listen({ address, port: sipPort }, host, (c) => overlay.acceptApplication(sipPort, c));
    const peer: TestPeer = {
      overlay,
      nodeId: id,
      host,
      identity,
      count(name, label) {
        let sum = 0;
        for (const [key, value] of counters) {
          const [counter, ...labels] = key.split('|');
          if (counter === name && (label === undefined || labels.includes(label))) sum += value;
        }
        return sum;
      },
    };
    peers.push(peer);
    if (options.start !== false) {
      const bootstrap =
        options.bootstrap ?? (index === 1 ? 'first' : [{ address: '10.0.0.1', port: linkPort }]);
      const { client } = options;
      overlay.start({ bootstrap, ...(client === undefined ? {} : { client }) });
    }
    return peer;
  }

  return {
    clock,
    network,
    peers,
    nodeId,
    user: (name, text) => createIdentity(clock, [nodeId(text)], name),
    add,
    settle(atMostMs = 60_000) {
      const joined = clock.advanceUntil(
        () => peers.every((peer) => peer.host.dead || peer.overlay.state() === 'joined'),
        atMostMs,
      );
      clock.advance(10_000);
      return joined;
    },
    await(run, atMostMs = 60_000) {
      const got: { value?: Parameters<Parameters<typeof run>[0]>[0]; done: boolean } = {
        done: false,
      };
      run((value) => {
        got.value = value;
        got.done = true;
      });
      if (got.done) throw new Error('called back inside the call');
      if (!clock.advanceUntil(() => got.done, atMostMs)) throw new Error('no callback');
      return got.value as never;
    },
  };
}

function countingTrace(counters: Map<string, number>): Trace {
  return {
    log: () => undefined,
    counter(name, labels = {}): Counter {
      const key = [name, ...Object.values(labels)].join('|');
      return {
        add(by = 1) {
          counters.set(key, (counters.get(key) ?? 0) + by);
        },
      };
    },
    gauge: () => undefined,
  };
}

export function memoryStore(clock: FakeClock): Store {
  const held = new Map<string, Uint8Array>();
  return {
    get: (key) => held.get(key),
    entries: (prefix) =>
      [...held.entries()]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    write(operations, done) {
      for (const operation of operations) {
        if ('put' in operation) held.set(operation.put, operation.value);
        else held.delete(operation.delete);
      }
      if (done !== undefined) clock.after('written', 0, () => done(success(undefined)));
    },
  };
}
