/** A member of a running lab that is no adapter: it takes part in the ring and speaks SIP by hand. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createAdminClient } from '../../../src/cli/admin-client.ts';
import { loadMembership } from '../../../src/cli/box/membership.ts';
import { createOverlayRole } from '../../../src/cli/box/overlay-role.ts';
import { createPlatform, openBoxStore } from '../../../src/cli/box/platform.ts';
import { settingsFiles } from '../../../src/cli/data-dir.ts';
import { joinOverlay } from '../../../src/cli/join-overlay.ts';
import { createIdentity } from '../../../src/node/identity.ts';
import { loadSettings, type Settings } from '../../../src/node/settings.ts';
import type { AppConnection } from '../../../src/overlay/api.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { createStreamFramer } from '../../../src/sip/message/stream-framer.ts';
import { createKindRegistry } from '../../../src/storage/kinds.ts';
import { sipRegistrationKind } from '../../../src/usages/sip/kind.ts';
import type { Lab } from './lab.ts';
import { until } from './wait.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export interface Member {
  readonly nodeId: NodeId;
  /** A SIP connection to the box, by AppAttach. */
  connect(nodeId: NodeId, application?: number): Promise<SipWire>;
  stop(): Promise<void>;
}

export interface SipWire {
  /** Whole messages as they came, oldest first. */
  readonly received: readonly string[];
  send(text: string): void;
  /** Sends a request of these lines (Via and Content-Length are added); resolves with its final status. */
  request(lines: readonly string[]): Promise<number>;
}

/** Joins with a token of the lab's authority; `address` is one of its own on loopback. */
export async function joinLab(lab: Lab, address: string): Promise<Member> {
  const authorityDir = join(lab.dir, 'authority');
  const client = createAdminClient(settingsOf(settingsFiles(authorityDir, [])), authorityDir);
  const issued = (await client.send('POST', '/api/tokens', { uses: 1, lifetimeS: 600 })) as {
    token: string;
  };
  const dir = temporaryFolder('chordial-member');
  const remember = { link: { address }, sip: { address }, log: { level: 'error' } };
  await joinOverlay({ dir, settings: settingsOf([]), token: issued.token, remember });
  const settings = settingsOf(settingsFiles(dir, []));
  const platform = createPlatform(settings);
  const { nodeKey, nodeCertificate, configuration } = loadMembership(dir, platform.verifier);
  const { config } = configuration;
  mkdirSync(join(dir, 'store'), { recursive: true });
  const store = await openBoxStore(join(dir, 'store'));
  const kinds = createKindRegistry();
  kinds.register(sipRegistrationKind(() => config));
  const role = await createOverlayRole({
    ...platform,
    settings,
    identity: createIdentity(nodeKey, nodeCertificate, [], platform.signatures),
    privateKey: nodeKey,
    config,
    store,
    kinds,
    onConfigUpdate: (_update, done) => platform.clock.after('accepted', 0, () => done(accepted)),
  });
  role.join();
  await until('the member has joined', () => role.overlay.state() === 'joined', 20_000);
  return {
    nodeId: role.overlay.nodeId,
    async connect(nodeId, application = 5060) {
      const outcome = await new Promise<AppConnection>((resolve, reject) => {
        role.overlay.appAttach([{ type: 'node', nodeId }], application, (result) => {
          if (result.ok) resolve(result.value);
          else reject(new Error(result.error.text));
        });
      });
      return createWire(outcome, address);
    },
    async stop() {
      await role.stop();
      await store.close();
    },
  };
}

const accepted = { ok: true, value: undefined } as const;

function settingsOf(files: readonly string[]): Settings {
  const settings = loadSettings(files, {}, {});
  if (!settings.ok) throw new Error(settings.error);
  return settings.value;
}

let serial = 0;

function createWire({ connection }: AppConnection, address: string): SipWire {
  const received: string[] = [];
  const framer = createStreamFramer();
  connection.setHandler({
    data(bytes) {
      framer.push(bytes, {
        message: (message) => received.push(Buffer.from(message).toString('latin1')),
        ping: () => connection.send(Buffer.from('\r\n')),
        pong: () => undefined,
      });
    },
    closed: () => undefined,
  });
  const wire: SipWire = {
    received,
    send: (text) => connection.send(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')),
    async request([first = '', ...lines]) {
      const branch = `z9hG4bKmember${process.pid}x${serial++}`;
      const via = `Via: SIP/2.0/TLS ${address}:5060;branch=${branch}`;
      wire.send(`${[first, via, ...lines, 'Content-Length: 0'].join('\n')}\n\n`);
      let status = 0;
      await until(
        `an answer to ${first}`,
        () => {
          for (const text of received) {
            const match = /^SIP\/2\.0 ([2-6]\d\d)/.exec(text);
            if (match !== null && text.includes(branch)) status = Number(match[1]);
          }
          return status > 0;
        },
        10_000,
      );
      return status;
    },
  };
  return wire;
}
