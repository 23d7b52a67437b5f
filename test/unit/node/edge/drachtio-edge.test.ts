import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { failure, success, type Outcome } from '../../../../src/base/outcome.ts';
import {
  type DrachtioEdge,
  createDrachtioEdge,
  withEdge,
} from '../../../../src/node/edge/drachtio-edge.ts';
import type { DrachtioSrfClass } from '../../../../src/node/edge/drachtio-srf.ts';
import type { Flow, FlowOpener, FlowTarget } from '../../../../src/ports/flow.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';

/** The package without a server: connects when told to. */
class LocalSrf extends EventEmitter {
  static last: LocalSrf;
  readonly app = {
    client: {
      wp: Object.assign(new EventEmitter(), { reconnectVars: { retryTimer: null } }),
      mapServer: new Map(),
    },
  };
  constructor() {
    super();
    LocalSrf.last = this;
  }
  use(): void {
    return;
  }
  connect(): void {
    return;
  }
}

async function edge(t: TestContext): Promise<DrachtioEdge> {
  const made = createDrachtioEdge({
    Srf: LocalSrf as unknown as DrachtioSrfClass,
    host: '127.0.0.1',
    port: 9022,
    secret: 'secret',
    listen: { address: '127.0.0.1', port: 0 },
    hop: { address: '127.0.0.1', port: 5090 },
    advertised: [{ transport: 'tls', address: '203.0.113.5', port: 5061 }],
    routeKey: new Uint8Array(32),
    events: { message: () => undefined },
    trace: silentTrace,
    nowMs: () => 0,
  });
  await made.start();
  t.after(async () => {
    await made.close();
  });
  return made;
}

function open(opener: FlowOpener, target: FlowTarget): Promise<Outcome<Flow>> {
  return new Promise((resolve) => {
    opener.open(target, resolve);
  });
}

const phone = { transport: 'tls', address: '198.51.100.7', port: 40_000 } as const;

test('flows are to be had while the server is there', async (t) => {
  const made = await edge(t);
  assert.deepEqual(await open(made.opener, phone), failure('drachtio-unreachable'));
  assert.equal(made.opener.find('edge:tls:198.51.100.7:40000')?.closed, true);
  assert.equal(made.opener.find('udp:x:198.51.100.7:40000'), undefined);
  LocalSrf.last.emit('connect', null, 'udp/192.0.2.1:5060', 'v0.8.26');
  const opened = await open(made.opener, { ...phone, listener: 'edge-tls' });
  assert.ok(opened.ok);
  assert.equal(opened.value, made.opener.find('edge:tls:198.51.100.7:40000'));
  assert.equal(opened.value.closed, false);
  assert.deepEqual(await open(made.opener, { ...phone, listener: 'lan' }), failure('no-listener'));
  assert.deepEqual(new Set(made.ports().slice(1)), new Set([5090, 5061, 5060]));
  LocalSrf.last.emit('close');
  assert.equal(opened.value.closed, true);
  assert.equal(made.state.problem, 'connection closed');
  LocalSrf.last.emit('error', new Error('connect ECONNREFUSED'));
  assert.equal(made.state.problem, 'connect ECONNREFUSED');
});

test('after it was stopped nothing brings it back', async (t) => {
  const made = await edge(t);
  await made.close();
  LocalSrf.last.emit('connect', null, '', 'v1');
  assert.equal(made.state.connected, false);
  assert.equal(made.state.problem, 'stopped');
});

test('of two sets of transports the flow id and the listener say which; datagrams without one may take either', async (t) => {
  const made = await edge(t);
  LocalSrf.last.emit('connect', null, '', 'v1');
  const asked: FlowTarget[] = [];
  const found = { id: 'tcp:1' } as Flow;
  let outcome: Outcome<Flow> = success(found);
  const both = withEdge(
    {
      open(target, done) {
        asked.push(target);
        process.nextTick(done, outcome);
      },
      find: () => found,
    },
    made,
  );
  const udp = { transport: 'udp', address: '192.0.2.9', port: 5060 } as const;
  const idOf = async (target: FlowTarget): Promise<string> => {
    const opened = await open(both, target);
    return opened.ok ? opened.value.id : opened.error;
  };
  assert.equal(await idOf(udp), 'tcp:1');
  assert.equal(await idOf({ ...udp, listener: 'edge-udp' }), 'edge:udp:192.0.2.9:5060');
  assert.equal(asked.length, 1);
  outcome = failure('no-listener');
  assert.equal(await idOf(udp), 'edge:udp:192.0.2.9:5060');
  assert.equal(await idOf({ ...udp, listener: 'lan' }), 'no-listener');
  assert.equal(await idOf({ ...udp, transport: 'tls' }), 'no-listener');
  assert.equal(both.find('edge:udp:192.0.2.9:5060')?.transport, 'udp');
  assert.equal(both.find('tcp:1'), found);
});

test('a hop whose port is taken says which', async (t) => {
  const { createSocket } = await import('node:dgram');
  const taken = createSocket('udp4').bind(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => {
    taken.close();
  });
  const made = createDrachtioEdge({
    Srf: LocalSrf as unknown as DrachtioSrfClass,
    host: '127.0.0.1',
    port: 9022,
    secret: 'secret',
    listen: { address: '127.0.0.1', port: taken.address().port },
    hop: { address: '127.0.0.1', port: 5090 },
    advertised: [],
    routeKey: new Uint8Array(32),
    events: { message: () => undefined },
    trace: silentTrace,
    nowMs: () => 0,
  });
  await assert.rejects(made.start(), /SIP listener edge-hop: cannot listen on udp 127\.0\.0\.1/);
  await made.close();
});
