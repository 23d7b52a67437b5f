/** Boxes die, freeze and restart; calls still find their way. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { completeCall, mediaFlows, startPhone, type Phone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';
import { until } from './support/wait.ts';

describe('boxes that fail', { skip: without('baresip') }, () => {
  const labs: Lab[] = [];
  const phones: Phone[] = [];

  after(async () => {
    for (const phone of phones) phone.kill();
    for (const lab of labs) await lab.stop();
  });

  async function pair(lab: Lab, port: number): Promise<{ alice: Phone; bob: Phone }> {
    const [alice, bob] = await Promise.all(
      (['alice', 'bob'] as const).map(async (user, index) => {
        const phone = await startPhone({
          user,
          password: `${user}pw`,
          domain: lab.domain,
          proxy: `127.0.0.${11 + index}:5060`,
          transport: 'udp',
          port: port + index * 4,
        });
        phones.push(phone);
        await phone.registered();
        return phone;
      }),
    );
    return { alice: alice!, bob: bob! };
  }

  async function resolvesEverywhere(lab: Lab, boxes: readonly number[]): Promise<boolean> {
    for (const k of boxes) {
      for (const user of ['alice', 'bob']) {
        const response = await lab.get(k, `/api/lookup?aor=${user}@${lab.domain}`);
        if (!response.ok) return false;
        const found = (await response.json()) as { targets: unknown[] };
        if (found.targets.length !== 1) return false;
      }
    }
    return true;
  }

  for (const [index, signal] of (['SIGKILL', 'SIGSTOP'] as const).entries()) {
    test(`${signal} of a third box: a new call within five seconds, nothing missing after`, async () => {
      const lab = await startLab({ adapters: 4 });
      labs.push(lab);
      const { alice, bob } = await pair(lab, 7200 + index * 20);
      await until('both are found', async () => await resolvesEverywhere(lab, [1, 2, 4]));
      const victim = lab.adapters.find((a) => a.adapter === 3)!;
      process.kill(victim.pid, signal);
      const at = performance.now();
      alice.command('dial', `sip:bob@${lab.domain}`);
      await bob.event('CALL_INCOMING', 5000);
      bob.command('accept');
      await alice.event('CALL_ESTABLISHED', 5000);
      assert.ok(performance.now() - at < 5000);
      alice.command('hangup');
      await bob.event('CALL_CLOSED');
      await until(
        'every registration is found from every box that lives',
        async () => await resolvesEverywhere(lab, [1, 2, 4]),
        40_000,
      );
      await alice.quit();
      await bob.quit();
      await lab.stop();
    });
  }

  test('all boxes restart: bindings and records are back, a call in progress can be hung up', async () => {
    const first = await startLab({ adapters: 3 });
    labs.push(first);
    const { alice, bob } = await pair(first, 7300);
    alice.command('dial', `sip:bob@${first.domain}`);
    await bob.event('CALL_INCOMING');
    bob.command('accept');
    await alice.event('CALL_ESTABLISHED');
    await bob.event('CALL_ESTABLISHED');
    await mediaFlows(alice);
    await first.stop();
    const again = await startLab({ adapters: 3, dir: first.dir });
    labs.push(again);
    assert.ok(await resolvesEverywhere(again, [1, 2, 3]), 'records are back without any phone');
    alice.command('hangup');
    await bob.event('CALL_CLOSED');
    await alice.event('CALL_CLOSED');
    await completeCall(alice, bob, `sip:bob@${again.domain}`, 'callee');
    await alice.quit();
    await bob.quit();
  });
});
