/** Whole adapters in one little world, with phones at them. */
import assert from 'node:assert/strict';
import type { NodeId } from '../../../../src/base/ids.ts';
import { failure, success } from '../../../../src/base/outcome.ts';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import { createAdapter } from '../../../../src/adapter/adapter.ts';
import type { Adapter, AdapterDeps, AdapterSettings } from '../../../../src/adapter/adapter.ts';
import type { Account, AccountChange, AccountDirectory } from '../../../../src/ports/accounts.ts';
import type { Identity } from '../../../../src/ports/certificates.ts';
import type { FlowOpener, SipTransportName } from '../../../../src/ports/flow.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import { computeHa1 } from '../../../../src/sip/digest/digest.ts';
import { createResponse, parseMessage } from '../../../../src/sip/message/message.ts';
import type { SipRequest, SipResponse } from '../../../../src/sip/message/message.ts';
import type { FakeFlow, FakePhone } from '../../sip/core/rig.ts';
import type { FakeClock, FakeRing } from './world.ts';
import {
  createClock,
  createMemoryStore,
  createRing,
  domain,
  identity,
  nodeId,
  random,
} from './world.ts';

export interface FakeDirectory extends AccountDirectory {
  set(account: Account): void;
}

export function createDirectory(users: readonly string[]): FakeDirectory {
  const accounts = new Map(users.map((user) => [user, account(user)]));
  const listeners = new Set<(change: AccountChange) => void>();
  return {
    lookup: (name) => accounts.get(name.endsWith(`@${domain}`) ? name.split('@')[0]! : name),
    accounts: () => accounts.values(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(changed) {
      accounts.set(changed.digestUserName, changed);
      for (const listener of listeners) listener({ kind: 'set', account: changed });
    },
  };
}

export function account(user: string): Account {
  return {
    aor: `${user}@${domain}`,
    digestUserName: user,
    enabled: true,
    ha1Md5: computeHa1('MD5', user, domain, `${user}pw`),
    ha1Sha256: computeHa1('SHA-256', user, domain, `${user}pw`),
    ha1Md5AtDomain: computeHa1('MD5', `${user}@${domain}`, domain, `${user}pw`),
    ha1Sha256AtDomain: computeHa1('SHA-256', `${user}@${domain}`, domain, `${user}pw`),
  };
}

export interface Box {
  readonly adapter: Adapter;
  readonly node: NodeId;
  readonly address: string;
  readonly store: ReturnType<typeof createMemoryStore>;
  /** Identities by AOR; a missing one is not enrolled. */
  readonly identities: Map<string, Identity>;
  phone(address: string, transport?: SipTransportName): FakePhone;
  /** Stops this adapter and starts another on the same store. */
  restart(): Box;
}

export interface World {
  readonly clock: FakeClock;
  readonly ring: FakeRing;
  readonly directory: FakeDirectory;
  readonly box: (number: number, more?: Partial<AdapterSettings>) => Box;
  /** Values that stand under an AOR, dead ones left out. */
  readonly live: (aor: string) => number;
}

export const users = ['alice', 'bob', 'carol', 'dave'];

/** `deps` are those of every box, or of the box with that number. */
export function createWorld(
  deps: Partial<AdapterDeps> | ((box: number) => Partial<AdapterDeps>) = {},
): World {
  const clock = createClock();
  const ring = createRing(clock);
  const directory = createDirectory(users);

  function box(
    number: number,
    more: Partial<AdapterSettings> = {},
    store = createMemoryStore(),
  ): Box {
    const node = nodeId(0xa0 + number);
    const address = `10.0.0.${String(number)}`;
    const identities = new Map(
      users.map((user, index) => {
        const aor = `${user}@${domain}`;
        return [aor, identity(nodeId(number * 16 + index), aor)] as const;
      }),
    );
    const flows = new Map<string, FakeFlow>();
    const opener: FlowOpener = {
      open(target, done) {
        const found = [...flows.values()].find(
          ({ remote, closed }) =>
            remote.address === target.address && remote.port === target.port && !closed,
        );
        done(found === undefined ? failure('refused') : success(found));
      },
      find: (id) => flows.get(id),
    };
    const adapter = createAdapter({
      overlay: ring.member(node),
      store,
      clock,
      random: random(address),
      trace: silentTrace,
      accounts: directory,
      identityFor: (aor) => identities.get(aor),
      opener,
      ownHosts: () => [address, 'PBX.local'],
      ownPorts: () => new Set([5060]),
      settings: {
        sip: {
          ...defaultSipSettings,
          auth: { ...defaultSipSettings.auth, challengeRequests: false },
        },
        unprovedCaller: 'refuse',
        ...more,
      },
      ...(typeof deps === 'function' ? deps(number) : deps),
    });
    adapter.start();
    clock.run(3000);
    return {
      adapter,
      node,
      address,
      store,
      identities,
      phone: (at, transport = 'udp') => createPhone(adapter, address, flows, at, transport),
      restart() {
        adapter.stop({ retire: false }, () => undefined);
        for (const link of ring.links) if (link.a === node || link.b === node) link.cut();
        const next = box(number, more, store);
        return next;
      },
    };
  }

  return {
    clock,
    ring,
    directory,
    box,
    live(aor) {
      let count = 0;
      for (const values of ring.values.values()) {
        for (const value of values.values()) {
          if (value.exists && value.signer?.userName === aor) count++;
        }
      }
      return count;
    },
  };
}

function createPhone(
  adapter: Adapter,
  local: string,
  flows: Map<string, FakeFlow>,
  address: string,
  transport: SipTransportName,
): FakePhone {
  const sent: string[] = [];
  const flow: FakeFlow = {
    id: `${transport}:${address}`,
    transport,
    reliable: transport !== 'udp',
    secure: transport === 'tls' || transport === 'wss',
    local: { address: local, port: 5060 },
    remote: { address, port: 5062 },
    listener: 'lan',
    peer: undefined,
    closed: false,
    sent,
    send(bytes) {
      sent.push(latin1Decode(bytes));
      return true;
    },
    close() {
      flow.closed = true;
    },
  };
  flows.set(flow.id, flow);
  const phone: FakePhone = {
    flow,
    send(message) {
      adapter.receive(
        flow,
        typeof message === 'string'
          ? latin1Encode(message.replaceAll('\n', '\r\n'))
          : message.toBytes(),
      );
    },
    take() {
      const text = sent.shift();
      assert.ok(text !== undefined, `${address} got no message`);
      const parsed = parseMessage(latin1Encode(text));
      assert.ok(parsed.ok, text);
      return parsed.value;
    },
    request(method) {
      const message = phone.take();
      assert.ok(message.kind === 'request', `${address}: expected ${method}`);
      assert.equal(message.method, method);
      return message;
    },
    response(status) {
      const message = phone.take();
      assert.ok(message.kind === 'response', `${address}: expected ${String(status)}`);
      assert.equal(message.status, status);
      return message;
    },
    get waiting() {
      return sent.length;
    },
    drop() {
      flow.closed = true;
      flows.delete(flow.id);
      adapter.flowClosed(flow);
    },
    reply(request, status, more = {}) {
      const headers: [string, string][] =
        more.contact === undefined ? [] : [['Contact', `<${more.contact}>`]];
      phone.send(
        createResponse(request, status, undefined, { toTag: more.tag ?? 'callee', headers }),
      );
    },
  };
  return phone;
}

export type { FakePhone, SipRequest, SipResponse };
