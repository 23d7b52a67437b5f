import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { createArrivals } from '../../../../src/sip/proxy/arrivals.ts';
import { createLocalTargets } from '../../../../src/sip/proxy/local-targets.ts';
import type { ProxyTarget } from '../../../../src/sip/proxy/targets.ts';
import { createRig, domain, register } from '../core/rig.ts';

const aor = `bob@${domain}`;

function world() {
  const rig = createRig();
  const { clock, location, flows } = rig;
  const arrivals = createArrivals({
    clock,
    location,
    local: createLocalTargets({ location, flows }),
  });
  const come = (host: string, more = '', transport: 'udp' | 'tls' | 'wss' = 'udp'): void => {
    register(rig.phone(host, transport), 'bob', { contacts: [`<sip:bob@${host}:5062>${more}`] });
    clock.advance(0);
  };
  return { rig, arrivals, come };
}

const uris = (targets: readonly ProxyTarget[]): readonly string[] =>
  targets.map(({ uri }) => uri.slice('sip:bob@192.0.2.'.length));

test('every call that waits hears of each further phone once, after its REGISTER was answered', () => {
  const { rig, arrivals, come } = world();
  come('192.0.2.1');
  const [first, second]: [ProxyTarget[], ProxyTarget[]] = [[], []];
  arrivals.follow(aor, false, (target) => first.push(target));
  const end = arrivals.follow(aor, false, (target) => second.push(target));
  come('192.0.2.1', ';audio');
  assert.deepEqual([first, second], [[], []], 'known before');
  register(rig.phone('192.0.2.2'), 'bob', { contacts: ['<sip:bob@192.0.2.2:5062>'] });
  assert.deepEqual(first.length, 0, 'not before its answer');
  rig.clock.advance(0);
  come('192.0.2.2', ';audio');
  assert.deepEqual([uris(first), uris(second)], [['2:5062'], ['2:5062']]);
  end();
  end();
  come('192.0.2.3');
  assert.deepEqual([uris(first), uris(second)], [['2:5062', '3:5062'], ['2:5062']]);
});

test('a phone that registers anew with another contact does not ring twice', () => {
  const { arrivals, come } = world();
  come('192.0.2.1', ';+sip.instance="<urn:x>"');
  const heard: ProxyTarget[] = [];
  arrivals.follow(aor, false, (target) => heard.push(target));
  come('192.0.2.2', ';+sip.instance="<urn:x>"');
  assert.deepEqual(heard, []);
  come('192.0.2.3', ';+sip.instance="<urn:y>"');
  come('192.0.2.4');
  assert.deepEqual(uris(heard), ['3:5062', '4:5062']);
});

test('a secure call hears of phones on TLS and WSS only', () => {
  const { arrivals, come } = world();
  const heard: ProxyTarget[] = [];
  arrivals.follow(aor, true, (target) => heard.push(target));
  come('192.0.2.1');
  come('192.0.2.2', '', 'tls');
  come('192.0.2.3', '', 'wss');
  assert.deepEqual(uris(heard), ['2:5062', '3:5062']);
});

test('what leaves and comes back is no arrival: it has been called', () => {
  const { rig, arrivals, come } = world();
  come('192.0.2.1');
  const heard: ProxyTarget[] = [];
  arrivals.follow(aor, false, (target) => heard.push(target));
  rig.location.removeAll(aor);
  rig.clock.advance(0);
  come('192.0.2.1');
  assert.deepEqual(heard, []);
});

test('calls that wait are bounded', () => {
  const { arrivals, come } = world();
  const { followedCalls } = limits.sipRoles;
  let heard = 0;
  const ends = Array.from({ length: followedCalls }, () =>
    arrivals.follow(aor, false, () => undefined),
  );
  const refused = arrivals.follow(aor, false, () => heard++);
  come('192.0.2.1');
  assert.equal(heard, 0);
  refused();
  ends[0]?.();
  arrivals.follow(aor, false, () => heard++);
  come('192.0.2.2');
  assert.equal(heard, 1);
});
