import assert from 'node:assert/strict';
import { success } from '../../../../src/base/outcome.ts';
import type { Flow } from '../../../../src/ports/flow.ts';
import type { SipServerDeps } from '../../../../src/sip/core/sip-server.ts';
import type { ProxyTarget, TargetSink } from '../../../../src/sip/proxy/targets.ts';
import { type FakePhone, type Rig, createRig } from '../core/rig.ts';

export interface ForkRig extends Rig {
  /** Takes the targets of the latest request. */
  sink(): TargetSink;
  /** Searches that were given up. */
  readonly stopped: number;
}

/** A rig whose targets the test hands out itself. */
export function createForkRig(more: Partial<SipServerDeps> = {}): ForkRig {
  let current: TargetSink | undefined;
  let stopped = 0;
  const rig = createRig(() => ({
    ...more,
    resolver: {
      resolve(_context, sink) {
        current = sink;
        return () => {
          stopped++;
        };
      },
    },
  }));
  return {
    ...rig,
    sink() {
      assert.ok(current !== undefined);
      return current;
    },
    get stopped() {
      return stopped;
    },
  };
}

export function target(phone: FakePhone, more: Partial<ProxyTarget> = {}): ProxyTarget {
  return {
    uri: `sip:bob@${phone.flow.remote.address}:5062`,
    q: 1000,
    route: [],
    side: 'phone',
    label: phone.flow.id,
    open(done) {
      done(success<Flow>(phone.flow));
      return () => undefined;
    },
    ...more,
  };
}

export function cast(rig: Rig): [FakePhone, FakePhone, FakePhone, FakePhone] {
  return [
    rig.phone('192.0.2.10'),
    rig.phone('192.0.2.20'),
    rig.phone('192.0.2.21'),
    rig.phone('192.0.2.22'),
  ];
}
