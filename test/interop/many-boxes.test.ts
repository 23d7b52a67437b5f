/** Twelve and thirty-two boxes in one lab. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createSipLoad } from '../../bench/load/sip-client.ts';
import { startLab, type Lab } from './support/lab.ts';
import { until } from './support/wait.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Lookup {
  readonly targets: readonly { readonly nodeId: string }[];
}

interface Status {
  readonly nodeId: string;
  readonly ring: {
    readonly successors: readonly string[];
    readonly predecessors: readonly string[];
    readonly links: readonly { readonly nodeId: string }[];
  };
  readonly counters: Readonly<Record<string, number>>;
}

async function registerAt(lab: Lab, k: number, user: string): Promise<void> {
  const load = await createSipLoad({
    address: '127.0.0.1',
    port: 0,
    boxAddress: `127.0.0.${10 + k}`,
    boxPort: 5060,
    domain: lab.domain,
  });
  try {
    assert.equal(await load.register(user, `${user}pw`, user), 200);
  } finally {
    load.close();
  }
}

async function lookup(lab: Lab, k: number, user: string): Promise<Lookup> {
  const response = await lab.get(k, `/api/lookup?aor=${user}@${lab.domain}`);
  return response.ok ? ((await response.json()) as Lookup) : { targets: [] };
}

describe('one user at twelve boxes', () => {
  for (const keyType of ['ecdsa-p256', 'rsa']) {
    test(`with ${keyType} certificates every lookup is complete and no link closes for size`, async () => {
      const config = join(temporaryFolder('chordial'), 'keys.json');
      writeFileSync(config, JSON.stringify({ identity: { keyType } }));
      const lab = await startLab({ adapters: 12, config, readyWithinMs: 60_000 });
      try {
        for (const { adapter } of lab.adapters) await registerAt(lab, adapter, 'alice');
        for (const { adapter } of lab.adapters) {
          await until(
            `all twelve records seen from box ${adapter}`,
            async () => (await lookup(lab, adapter, 'alice')).targets.length === 12,
            10_000,
          );
        }
        for (const { adapter } of lab.adapters) {
          assert.doesNotMatch(lab.log(adapter), /too large|too-large|frame-size/);
        }
      } finally {
        await lab.stop();
      }
    });
  }
});

describe('thirty-two boxes', () => {
  test('the ring is right, not fully meshed, everybody is found from everywhere in few hops', async () => {
    const lab = await startLab({ adapters: 32, readyWithinMs: 120_000 });
    try {
      const ids = lab.adapters.map((a) => a.nodeId).sort();
      let linked = 0;
      for (const { adapter } of lab.adapters) {
        const status = (await lab.status(adapter)) as unknown as Status;
        const at = ids.indexOf(status.nodeId);
        for (let i = 0; i < 3; i++) {
          assert.equal(status.ring.successors[i], ids[(at + 1 + i) % 32]);
          assert.equal(status.ring.predecessors[i], ids[(at + 31 - i) % 32]);
        }
        linked += status.ring.links.length;
      }
      assert.ok(linked < 32 * 31, 'some pairs have no direct link');

      const users = ['alice', 'bob', 'carol', 'dave'];
      for (const [index, user] of users.entries()) await registerAt(lab, 1 + index * 8, user);
      await until(
        'alice is found',
        async () => (await lookup(lab, 20, 'alice')).targets.length === 1,
      );
      const before = await forwards(lab);
      let lookups = 0;
      for (const { adapter } of lab.adapters) {
        for (const user of users) {
          assert.equal(
            (await lookup(lab, adapter, user)).targets.length,
            1,
            `${user} from ${adapter}`,
          );
          lookups++;
        }
      }
      const hops = ((await forwards(lab)) - before) / 2 / lookups + 1;
      assert.ok(hops <= 0.5 * Math.log2(32) + 0.3, `${hops.toFixed(2)} hops on average`);
    } finally {
      await lab.stop();
    }
  });
});

async function forwards(lab: Lab): Promise<number> {
  let sum = 0;
  for (const { adapter } of lab.adapters) {
    const text = await (await lab.get(adapter, '/metrics')).text();
    const found = /^chordial_overlay_messages_forwarded_total ([0-9]+)/m.exec(text);
    assert.ok(found !== null, 'the metric of forwarded messages is there');
    sum += Number(found[1]);
  }
  return sum;
}
