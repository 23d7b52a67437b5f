/**
 * Where a box gets its users, its certificates and newer configurations from: the authority of the
 * overlay, or, in an overlay of self-signed nodes, itself.
 */
import type { KeyObject } from 'node:crypto';
import type { AuthorityAdmin } from '../../admin/sources.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import { enrollNode } from '../../node/enrollment-node.ts';
import { createFeedFollower, type FeedFollower } from '../../node/feed-follower.ts';
import { createSelfSignedNode } from '../../node/self-signed.ts';
import type { Settings } from '../../node/settings.ts';
import type { ConfigurationKeeper } from '../../overlay-config/keeper.ts';
import type { Certificate } from '../../ports/certificates.ts';
import type { Store } from '../../ports/store.ts';
import { selfSignedNodeIds } from '../../trust/node-id.ts';
import { refreshConfiguration } from './configuration-keeper.ts';
import { createLocalUsers, selfSignedLifetimeMs } from './local-users.ts';
import type { AuthorityAccount, Membership } from './membership.ts';
import type { Platform } from './platform.ts';

export interface Home {
  readonly follower: FeedFollower;
  /** Users kept at this box; `undefined` where the authority keeps them. */
  readonly users: AuthorityAdmin | undefined;
  /** A new certificate for this node, with the Node-ID that it has. */
  renewNode(): Promise<Outcome<RenewedNode>>;
  /** Looks for newer configurations in time. */
  startRefresh(): void;
  stopRefresh(): void;
}

export interface RenewedNode {
  readonly privateKey: KeyObject;
  readonly certificate: Certificate;
}

export interface HomeOptions {
  readonly settings: Settings;
  readonly platform: Platform;
  readonly store: Store;
  readonly membership: Membership;
  readonly keeper: ConfigurationKeeper;
}

/** The error names a damaged record of the store. */
export function createHome(options: HomeOptions): Outcome<Home> {
  const { authority } = options.membership;
  return authority === undefined ? ownHome(options) : authorityHome(options, authority);
}

export function keyTypeOf({ identity }: Pick<Settings, 'identity'>): 'rsa' | 'ecdsa-p256' {
  return identity.keyType === 'rsa' ? 'rsa' : 'ecdsa-p256';
}

function authorityHome(options: HomeOptions, authority: AuthorityAccount): Outcome<Home> {
  const { settings, platform, store, membership, keeper } = options;
  const { configuration, nodeKey, nodeCertificate, overlayName } = membership;
  const [enrollmentUrl] = configuration.config.enrollmentServers;
  const follower = createFeedFollower({
    ...platform,
    ...authority,
    store,
    overlayName,
    ...(enrollmentUrl === undefined ? {} : { enrollmentUrl }),
    rootCertificates: configuration.config.rootCertificates,
    nodeCertificate,
    nodeKey,
    keyType: keyTypeOf(settings),
  });
  if (!follower.ok) return follower;
  const refresh = refreshConfiguration(platform, keeper, membership, authority);
  return success({
    follower: follower.value,
    users: undefined,
    async renewNode() {
      const { enrollmentServers, rootCertificates } = keeper.current();
      const enrolled = await enrollNode({
        enrollmentUrl: enrollmentServers[0] ?? `${authority.url}/enroll`,
        overlayName,
        account: authority.account,
        password: authority.password,
        keyType: keyTypeOf(settings),
        verifier: platform.verifier,
        rootCertificates,
      });
      return enrolled.ok ? enrolled : failure(enrolled.error.text);
    },
    startRefresh: () => refresh.start(),
    stopRefresh: () => refresh.stop(),
  });
}

function ownHome(options: HomeOptions): Outcome<Home> {
  const { settings, platform, store, membership, keeper } = options;
  const { nodeKey, nodeCertificate } = membership;
  const users = createLocalUsers({
    platform,
    store,
    config: () => keeper.current(),
    keyType: keyTypeOf(settings),
  });
  if (!users.ok) return users;
  return success({
    follower: users.value.follower,
    users: users.value.admin,
    renewNode: async () =>
      // The Node-ID follows from the key, so the key stays.
      await createSelfSignedNode({
        config: keeper.current(),
        userName: nodeCertificate.userName ?? '',
        keyType: keyTypeOf(settings),
        nodeIdsOf: selfSignedNodeIds,
        verifier: platform.verifier,
        nowMs: platform.clock.wallMs(),
        lifetimeMs: selfSignedLifetimeMs.node,
        nodeIds: nodeCertificate.nodeIds.length,
        privateKey: nodeKey,
      }),
    // Newer documents come from other nodes alone.
    startRefresh: () => undefined,
    stopRefresh: () => undefined,
  });
}
