/** A little world for the SIP usage and the adapter: one clock, a ring that is a map, connections in memory. */
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import { idBytes, nodeIdFromBytes } from '../../../../src/base/ids.ts';
import { createHeap } from '../../../../src/base/heap.ts';
import { failure, success } from '../../../../src/base/outcome.ts';
import { createPrng } from '../../../../src/base/prng.ts';
import type {
  AppConnection,
  FetchedValue,
  Overlay,
  OverlayError,
} from '../../../../src/overlay/api.ts';
import type { Certificate, Identity } from '../../../../src/ports/certificates.ts';
import type { Clock, Timer } from '../../../../src/ports/clock.ts';
import type { ConnectionHandler, SecureConnection } from '../../../../src/ports/connection.ts';
import type { OverlayConfig } from '../../../../src/ports/overlay-config.ts';
import type { Store } from '../../../../src/ports/store.ts';
import { terminalNode } from '../../../../src/usages/sip/gruu.ts';
import { overlayConfig } from '../../../support/overlay-config.ts';

export const domain = 'lab.example';
export const startMs = 1_700_000_000_000;

export interface FakeClock extends Clock {
  /** Runs everything due within the time. */
  readonly run: (ms: number) => void;
}

export function createClock(): FakeClock {
  let nowMs = 0;
  let order = 0;
  const heap = createHeap<{ dueMs: number; order: number; fire: (() => void) | undefined }>(
    (a, b) => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order),
  );
  return {
    monotonicMs: () => nowMs,
    wallMs: () => startMs + nowMs,
    after(_name, delayMs, fire): Timer {
      const entry: { dueMs: number; order: number; fire: (() => void) | undefined } = {
        dueMs: nowMs + delayMs,
        order: order++,
        fire,
      };
      heap.push(entry);
      return { cancel: () => (entry.fire = undefined) };
    },
    run(ms) {
      const endMs = nowMs + ms;
      for (let next = heap.peek(); next !== undefined && next.dueMs <= endMs; next = heap.peek()) {
        heap.pop();
        nowMs = Math.max(nowMs, next.dueMs);
        const { fire } = next;
        next.fire = undefined;
        fire?.();
      }
      nowMs = endMs;
    },
  };
}

export function createMemoryStore(): Store & { readonly map: Map<string, Uint8Array> } {
  const map = new Map<string, Uint8Array>();
  return {
    map,
    get: (key) => map.get(key),
    *entries(prefix) {
      for (const key of [...map.keys()].sort()) {
        if (key.startsWith(prefix)) yield [key, map.get(key)!] as const;
      }
    },
    write(operations, done) {
      for (const operation of operations) {
        if ('put' in operation) map.set(operation.put, operation.value);
        else map.delete(operation.delete);
      }
      done?.(success(undefined));
    },
  };
}

export const random = (seed: string) => createPrng(seed);

/** Node-ID made of one repeated byte. */
export function nodeId(byte: number): NodeId {
  return nodeIdFromBytes(new Uint8Array(16).fill(byte));
}

export function certificate(
  node: NodeId,
  userName: string | undefined,
  fingerprint = `${node}/${userName ?? ''}`,
): Certificate {
  return {
    der: new Uint8Array(0),
    fingerprint,
    nodeIds: [node],
    overlayNames: [domain],
    userName,
    notBeforeMs: 0,
    notAfterMs: startMs * 2,
    isCa: false,
    keyType: 'ecdsa-p256',
    publicKey: new Uint8Array(0),
    serialNumber: '01',
  };
}

export function identity(node: NodeId, userName: string, fingerprint?: string): Identity {
  return {
    certificate: certificate(node, userName, fingerprint),
    chain: [],
    scheme: { hash: 4, signature: 3 },
    sign: () => undefined,
  };
}

export function config(overrides: Partial<OverlayConfig> = {}): OverlayConfig {
  return overlayConfig({
    overlayName: domain,
    overlayLinkProtocols: [],
    domainRestriction: { enable: false, patterns: [] },
    ...overrides,
  });
}

export interface RingLog {
  readonly stores: { resource: ResourceId; by: NodeId; exists: boolean; lifetimeS: number }[];
  readonly fetches: { resource: ResourceId; keys: number | undefined }[];
  readonly stats: { at: NodeId | undefined }[];
  readonly appAttaches: { from: NodeId; to: NodeId | undefined; application: number }[];
}

export interface FakeRing {
  readonly log: RingLog;
  config: OverlayConfig;
  /** Values by resource, then by key in hexadecimal. */
  readonly values: Map<ResourceId, Map<string, FetchedValue>>;
  /** Nodes that answer nothing. */
  readonly dead: Set<NodeId>;
  /** Nodes that are stopped: their connections stay open, nothing is read. */
  readonly frozen: Set<NodeId>;
  /** Nodes whose AppAttach connections show another certificate. */
  readonly impostors: Set<NodeId>;
  /** Answers every Store with this. */
  storeError: OverlayError | undefined;
  storeDelayMs: number;
  fetchError: OverlayError | undefined;
  /** Replicas named in a StoreAns, and those that have not got the value. */
  replicas: readonly NodeId[];
  readonly behind: Set<NodeId>;
  readonly hosted: Set<NodeId>;
  /** Live connections, to be cut by a test. */
  readonly links: { readonly a: NodeId; readonly b: NodeId; cut(): void; open: boolean }[];
  readonly member: (node: NodeId) => Overlay;
}

const latencyMs = 1;

export function createRing(clock: FakeClock): FakeRing {
  const listeners = new Map<string, (connection: AppConnection) => void>();
  const ring: FakeRing = {
    log: { stores: [], fetches: [], stats: [], appAttaches: [] },
    config: config(),
    values: new Map(),
    dead: new Set(),
    frozen: new Set(),
    impostors: new Set(),
    storeError: undefined,
    storeDelayMs: latencyMs,
    fetchError: undefined,
    replicas: [],
    behind: new Set(),
    hosted: new Set(),
    links: [],
    member,
  };

  function valuesAt(resource: ResourceId): Map<string, FetchedValue> {
    let values = ring.values.get(resource);
    if (values === undefined) {
      values = new Map<string, FetchedValue>();
      ring.values.set(resource, values);
    }
    return values;
  }

  function member(self: NodeId): Overlay {
    return {
      nodeId: self,
      config: () => ring.config,
      state: () => 'joined',
      store(request, done) {
        const signer = request.identity.certificate;
        clock.after('store', ring.storeDelayMs, () => {
          const error = ring.storeError;
          const [value] = request.values;
          ring.log.stores.push({
            resource: request.resource,
            by: self,
            exists: value!.exists,
            lifetimeS: value!.lifetimeS,
          });
          if (error !== undefined) {
            // A lost request is known to be lost only after its lifetime.
            clock.after('lost', error.reason === 'timeout' ? 15_000 : 0, () =>
              done(failure(error)),
            );
            return;
          }
          valuesAt(request.resource).set(nodeIdFromBytes(value!.key!), {
            key: value!.key,
            index: undefined,
            exists: value!.exists,
            value: value!.value,
            storageTimeMs: clock.wallMs(),
            lifetimeS: value!.lifetimeS,
            signer,
            signerNodeId: signer.nodeIds[0],
          });
          done(
            success({
              generation: 1n,
              replicas: ring.replicas,
              storedBy: nodeId(0xee),
              storageTimeMs: clock.wallMs(),
            }),
          );
        });
      },
      fetch(request, done) {
        ring.log.fetches.push({ resource: request.resource, keys: request.keys?.length });
        clock.after('fetch', latencyMs, () => {
          if (ring.fetchError !== undefined) {
            done(failure(ring.fetchError));
            return;
          }
          done(
            success({
              generation: 1n,
              values: [...valuesAt(request.resource).values()],
              refused: 0,
              answeredBy: nodeId(0xee),
            }),
          );
        });
      },
      stat(request, done) {
        ring.log.stats.push({ at: request.at });
        clock.after('stat', latencyMs, () => {
          const behind = request.at !== undefined && ring.behind.has(request.at);
          const values = behind ? [] : [...valuesAt(request.resource).values()];
          done(
            success({
              generation: 1n,
              answeredBy: request.at ?? nodeId(0xee),
              values: values.map((value) => ({ ...value, valueHash: new Uint8Array(0) })),
            }),
          );
        });
      },
      appAttach(destination, application, done) {
        const target = terminalNode(destination);
        ring.log.appAttaches.push({ from: self, to: target, application });
        if (target === undefined || ring.dead.has(target)) {
          const error = { code: 0, reason: 'timeout', text: 'no answer' } as const;
          clock.after('lost', 15_000, () => done(failure(error)));
          return;
        }
        clock.after('app-attach', latencyMs, () => {
          const accepted = listeners.get(`${target}/${application}`);
          if (accepted === undefined) {
            done(failure({ code: 3, reason: 'error-response', text: 'not found' }));
            return;
          }
          const shown = ring.impostors.has(target) ? nodeId(0xbd) : target;
          const pair = connectionPair(clock, self, shown, (node) => ring.frozen.has(node));
          const link = {
            a: self,
            b: target,
            open: true,
            cut() {
              link.open = false;
              pair[0].cut();
              pair[1].cut();
            },
          };
          ring.links.push(link);
          accepted({ connection: pair[1].connection, peer: self, application });
          done(success({ connection: pair[0].connection, peer: shown, application }));
        });
      },
      onApplication: (application, accepted) => {
        listeners.set(`${self}/${application}`, accepted);
      },
      address: () => [{ type: 'node', nodeId: self }],
      hostIdentity: (hosted) => ring.hosted.add(hosted.certificate.nodeIds[0]!),
      unhostIdentity: (hosted) => ring.hosted.delete(hosted),
    };
  }
  return ring;
}

interface End {
  readonly connection: SecureConnection;
  readonly closed: boolean;
  cut(): void;
}

/** Two ends in memory; `cut` loses the connection for both. */
export function connectionPair(
  clock: FakeClock,
  a: NodeId,
  b: NodeId,
  isFrozen: (node: NodeId) => boolean,
): readonly [End, End] {
  const near = end(a, b, 'client');
  const far = end(b, a, 'server');
  near.peer = far;
  far.peer = near;
  return [near, far];

  function end(owner: NodeId, peerNode: NodeId, role: 'client' | 'server') {
    let handler: ConnectionHandler | undefined;
    const early: Uint8Array[] = [];
    const self = {
      peer: undefined as { deliver(bytes: Uint8Array): void; cut(): void } | undefined,
      closed: false,
      deliver(bytes: Uint8Array): void {
        clock.after('net', latencyMs, () => {
          if (self.closed || isFrozen(owner)) return;
          if (handler === undefined) early.push(bytes);
          else handler.data(bytes);
        });
      },
      cut(): void {
        if (self.closed) return;
        self.closed = true;
        handler?.closed('connection reset');
      },
      connection: {
        role,
        local: { address: '10.0.0.1', port: 1 },
        remote: { address: '10.0.0.2', port: 2 },
        peerChain: [certificate(peerNode, undefined)],
        bufferedBytes: 0,
        setHandler(given: ConnectionHandler) {
          handler = given;
          for (const bytes of early.splice(0)) given.data(bytes);
        },
        send(bytes: Uint8Array) {
          if (!self.closed) self.peer?.deliver(bytes.slice());
        },
        close(reason: string) {
          if (self.closed) return;
          self.closed = true;
          const other = self.peer;
          clock.after('net', latencyMs, () => {
            if (!isFrozen(peerNode)) other?.cut();
          });
          handler?.closed(reason);
        },
      } satisfies SecureConnection,
    };
    return self;
  }
}

/** A value as a verified Fetch shows it. */
export function fetched(
  key: NodeId,
  userName: string,
  value: Uint8Array,
  storageTimeMs: number,
  more: Partial<FetchedValue> = {},
): FetchedValue {
  return {
    key: idBytes(key),
    index: undefined,
    exists: true,
    value,
    storageTimeMs,
    lifetimeS: 600,
    signer: certificate(key, userName),
    signerNodeId: key,
    ...more,
  };
}
