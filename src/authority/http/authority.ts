/**
 * The authority of an overlay as one object: accounts, join tokens, enrollment, the configuration
 * document, and the HTTPS server in front of them. All state is in the Store; changes are told to
 * others only after they are durable.
 */
import { UsageError } from '../../base/assert.ts';
import { emptyBytes } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { base64Encode } from '../../base/text.ts';
import type { Account } from '../../ports/accounts.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import { formatJoinToken } from '../../ports/join-token.ts';
import type { KindParameters } from '../../ports/overlay-config.ts';
import type { Store, StoreOperation } from '../../ports/store.ts';
import {
  initialKinds,
  initialOverlayValues,
  initialTtlFor,
  initialValidityMs,
} from '../../overlay-config/build.ts';
import { restrictionToDomains } from '../../overlay-config/build.ts';
import { parseCsr } from '../../node/csr.ts';
import { saslPrep } from '../../node/saslprep.ts';
import { issueCertificate } from '../../node/x509.ts';
import { createAdapterAccounts } from '../core/adapters.ts';
import { createBadNodes } from '../core/bad-nodes.ts';
import { createEnrollment } from '../core/enrollment.ts';
import { createNodeIdAssignments } from '../core/node-ids.ts';
import { adapterOfCertificate } from '../core/peer.ts';
import { loadRecords, putRecord } from '../core/records.ts';
import type { Mutation } from '../core/records.ts';
import { createJoinTokens } from '../core/tokens.ts';
import { createUserAccounts, summaryOfUser, type UserSummary } from '../core/users.ts';
import type { Authority, AuthorityOptions, NewOverlay } from './authority-types.ts';
import { createDocumentKeeper } from './document.ts';
import { createFeedWaiters } from './feed-waiters.ts';
import { backdatedMs, createAuthorityKeys, loadAuthorityKeys } from './keys.ts';
import { createAuthorityServer } from './server.ts';
import type { AuthorityServer, AuthorityService } from './server.ts';

export type * from './authority-types.ts';

const dayMs = 86_400_000;
const settingsKey = 'authority/settings';
const serverRenewalMs = 30 * dayMs;

interface StoredSettings {
  readonly domains: readonly string[];
  readonly values: NonNullable<NewOverlay['values']>;
  readonly kinds: readonly KindParameters[];
  readonly bootstrapNodes: readonly TransportAddress[];
  readonly url: string | undefined;
}

/**
 * Opens the authority in the store, or creates it (`create`). Rejects with DamagedRecordError for a
 * damaged store and UsageError for an empty one without `create`.
 */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const { store, clock, random, verifier, trace } = options;
  const overlayName = options.overlayName.toLowerCase();
  const nowMs = (): number => clock.wallMs();
  const commit = (operations: readonly StoreOperation[]): Promise<void> => write(store, operations);

  let settings = loadSettings(store) ?? newSettings(options);
  const rules = { overlayName, domains: settings.domains };
  const nodeIdLength = settings.values.nodeIdLength ?? 16;
  const keyOptions = {
    store,
    random,
    verifier,
    signatures: options.signatures,
    rules,
    nodeIdLength,
  };
  const users = createUserAccounts({ store, random, rules });
  let keys = loadAuthorityKeys(keyOptions);
  if (keys === undefined) {
    const { keyType } = options.create ?? missingOverlay();
    const created = await createAuthorityKeys(keyOptions, keyType, nowMs());
    keys = created.keys;
    const first = [...created.operations, ...users.startup, putRecord(settingsKey, settings)];
    await commit(first);
  }
  const overlayKeys = keys;
  const { root, signer, issuer } = overlayKeys;
  const adapters = createAdapterAccounts({ store, random, rules });
  const tokens = createJoinTokens({ store, random });
  const nodeIds = createNodeIdAssignments({ store, random, nodeIdLength });
  const badNodes = createBadNodes({ store });
  const enrollment = createEnrollment({
    rules,
    users,
    adapters,
    nodeIds,
    keyTypes: ['ecdsa-p256', 'rsa'],
  });
  const document = createDocumentKeeper({ store, keys, commit });
  const waiters = createFeedWaiters();
  const lifetimesMs = {
    node: options.nodeCertificateMs ?? 365 * dayMs,
    user: options.userCertificateMs ?? 30 * dayMs,
  };
  let server: AuthorityServer | undefined;
  let renewal: NodeJS.Timeout | undefined;

  async function saveSettings(change: Partial<StoredSettings>): Promise<void> {
    settings = { ...settings, ...change };
    await commit([putRecord(settingsKey, settings)]);
    await refreshDocument();
  }

  async function refreshDocument(): Promise<void> {
    const before = document.sequence();
    const signers = signer.certificate.nodeIds;
    await document.refresh({
      nowMs: nowMs(),
      validityMs: initialValidityMs,
      kinds: settings.kinds,
      values: {
        ...initialOverlayValues,
        domainRestriction: restrictionToDomains([overlayName, ...settings.domains]),
        configurationSigners: signers,
        kindSigners: signers,
        ...settings.values,
        overlayName,
        rootCertificates: [root.der],
        enrollmentServers: settings.url === undefined ? [] : [`${settings.url}/enroll`],
        bootstrapNodes: settings.bootstrapNodes,
        badNodes: badNodes.list(nowMs()),
      },
    });
    if (document.sequence() !== before) waiters.wakeAll();
  }

  /** Makes a change durable, then tells the followers. */
  async function apply<T>(
    change: Outcome<Mutation<T>>,
    further: readonly StoreOperation[] = [],
  ): Promise<Outcome<T>> {
    if (!change.ok) return change;
    await commit([...change.value.operations, ...further]);
    waiters.wakeAll();
    return success(change.value.value);
  }

  /** The operations that make Node-IDs invalid until the last certificate with them has expired. */
  function revoke(withdrawn: Mutation<readonly NodeId[]>): readonly StoreOperation[] {
    const untilMs = nowMs() + Math.max(lifetimesMs.node, lifetimesMs.user);
    const added = badNodes.add(withdrawn.value, untilMs, nowMs());
    return [...withdrawn.operations, ...added.operations];
  }

  async function endUser(change: Outcome<Mutation<Account>>): Promise<Outcome<UserSummary>> {
    if (!change.ok) return change;
    const revoked = revoke(nodeIds.withdrawName(change.value.value.aor));
    const done = await apply(change, revoked);
    await refreshDocument();
    return summaryOf(done);
  }

  function adapterShowing(certificateDer: Uint8Array): ReturnType<typeof adapterOfCertificate> {
    const certificate = verifier.parseCertificate(certificateDer);
    if (!certificate.ok) return certificate;
    const context = {
      root,
      verifier,
      overlayName,
      adapters,
      nodeIds,
      badNodes,
      nodeIdLength,
      nowMs: nowMs(),
    };
    return adapterOfCertificate(certificate.value, context);
  }

  const service: AuthorityService = {
    document: () => document.bytes(),
    mayReadDocument(certificateDer) {
      // Who knows the document knows the secret; a new box gets both with its join token.
      if (settings.values.sharedSecret === undefined) return true;
      return certificateDer !== undefined && adapterShowing(certificateDer).ok;
    },
    waiters,
    async enroll({ username, password, nodeids, csr }) {
      const request: { publicKey: Uint8Array } = { publicKey: emptyBytes };
      const decision = enrollment.decide({
        username,
        password,
        nodeids,
        csr() {
          const parsed = csr && parseCsr(csr);
          if (parsed?.ok !== true) return undefined;
          request.publicKey = parsed.value.publicKey;
          return parsed.value;
        },
      });
      if (!decision.ok) return decision;
      await commit(decision.value.operations);
      const grant = decision.value.value;
      const der = issueCertificate({
        publicKey: request.publicKey,
        nodeIds: grant.nodeIds,
        overlayName,
        userName: grant.userName,
        issuer,
        notBeforeMs: nowMs() - backdatedMs,
        notAfterMs: Math.min(nowMs() + lifetimesMs[grant.purpose], root.notAfterMs),
      });
      trace.log('info', 'certificate-issued', {
        account: grant.account,
        userName: grant.userName,
        nodeIds: grant.nodeIds,
      });
      return success(der);
    },
    async join(secret) {
      const redeemed = tokens.redeem(secret, nowMs());
      if (!redeemed.ok) return redeemed;
      const created = adapters.create(redeemed.value.value.scope, nowMs());
      if (!created.ok) return created;
      await commit([...redeemed.value.operations, ...created.value.operations]);
      const { account, password } = created.value.value;
      const config = base64Encode(document.bytes());
      return success({ overlayName, account: account.name, password, config });
    },
    feed(certificateDer, since, epoch) {
      const adapter = adapterShowing(certificateDer);
      if (!adapter.ok) return adapter;
      const page = users.page(since, epoch, adapter.value.scope);
      return success({ ...page, configSequence: document.sequence() });
    },
  };

  await refreshDocument();

  return {
    overlayName,
    rootCertificate: root,
    url: () => settings.url,
    async addUser(name, password) {
      const prepared = preparedPassword(password);
      return prepared.ok ? summaryOf(await apply(users.add(name, prepared.value))) : prepared;
    },
    async setPassword(name, password) {
      const prepared = preparedPassword(password);
      return prepared.ok
        ? summaryOf(await apply(users.setPassword(name, prepared.value)))
        : prepared;
    },
    removeUser: (name) => endUser(users.remove(name)),
    setForwarding: async (name, change) =>
      summaryOf(await apply(users.setForwarding(name, change))),
    setRedirected: async (name, redirected) =>
      summaryOf(await apply(users.setRedirected(name, redirected))),
    disableUser: (name) => endUser(users.setEnabled(name, false)),
    enableUser: async (name) => summaryOf(await apply(users.setEnabled(name, true))),
    listUsers: () => [...users.list()].map(summaryOfUser),
    async createToken({ uses = 1, lifetimeMs = dayMs, scope = 'all' } = {}) {
      const { url } = settings;
      if (url === undefined) return failure('the authority was never started, so it has no URL');
      const created = await apply(tokens.create({ uses, lifetimeMs, scope }, nowMs()));
      if (!created.ok) return created;
      const { token, secret } = created.value;
      const text = formatJoinToken({ url, rootFingerprint: root.fingerprint, secret });
      return success({ ...token, token: text });
    },
    listTokens: () => tokens.list(nowMs()),
    revokeToken: (id) => apply(tokens.revoke(id)),
    listAdapters: () =>
      [...adapters.list()].map(({ name, scope, enabled, createdMs }) => ({
        name,
        scope,
        enabled,
        createdMs,
      })),
    async revokeAdapter(name) {
      const change = adapters.setEnabled(name, false);
      if (!change.ok) return change;
      const done = await apply(change, revoke(nodeIds.withdrawAccount(name)));
      await refreshDocument();
      return done;
    },
    configDocument: () => document.bytes(),
    async addBootstrapNode({ address, port }) {
      const known = settings.bootstrapNodes;
      if (known.some((node) => node.address === address && node.port === port)) return;
      const bootstrapNodes = [...known, { address, port }].slice(
        -limits.overlayConfig.bootstrapNodes,
      );
      await saveSettings({ bootstrapNodes });
    },
    async start(listen) {
      const names = [...new Set([overlayName, ...options.hosts])];
      const credentials = await overlayKeys.serverCredentials(names, nowMs());
      const created = createAuthorityServer({
        service,
        credentials,
        rootDer: root.der,
        clock,
        trace,
      });
      const bound = await created.listen(listen);
      if (!bound.ok) return bound;
      server = created;
      const { port } = bound.value;
      const url = options.publicUrl ?? baseUrl(options.hosts[0] ?? overlayName, port);
      if (url !== settings.url) await saveSettings({ url });
      // The document also follows the clock: bad nodes leave it when their certificates have expired.
      let renewedMs = nowMs();
      const maintain = async (): Promise<void> => {
        await refreshDocument();
        if (nowMs() - renewedMs < serverRenewalMs) return;
        created.renew(await overlayKeys.serverCredentials(names, nowMs()));
        renewedMs = nowMs();
      };
      renewal = setInterval(() => {
        maintain().catch((error: unknown) => {
          trace.log('error', 'authority-maintenance-failed', { error: String(error) });
        });
      }, dayMs);
      renewal.unref();
      trace.log('info', 'authority-started', { url });
      return success({ url, port });
    },
    async stop() {
      clearInterval(renewal);
      await server?.close();
      server = undefined;
    },
  };
}

/** In the form in which clients send it (RFC 4013). */
function preparedPassword(password: string): Outcome<string> {
  const prepared = saslPrep(password);
  return prepared.ok ? prepared : failure(`the password ${prepared.error}`);
}

function missingOverlay(): never {
  throw new UsageError('the store holds no overlay');
}

function newSettings(options: AuthorityOptions): StoredSettings {
  const create = options.create ?? missingOverlay();
  return {
    domains: (create.domains ?? []).map((domain) => domain.toLowerCase()),
    values: {
      ...(create.expectedPeers !== undefined && {
        initialTtl: initialTtlFor(create.expectedPeers),
      }),
      ...create.values,
    },
    kinds: create.kinds ?? initialKinds,
    bootstrapNodes: create.values?.bootstrapNodes ?? [],
    url: options.publicUrl,
  };
}

function loadSettings(store: Store): StoredSettings | undefined {
  let found: StoredSettings | undefined;
  loadRecords(store, settingsKey, (_id, fields) => {
    const { domains, kinds, bootstrapNodes } = fields;
    const valid = Array.isArray(domains) && Array.isArray(kinds) && Array.isArray(bootstrapNodes);
    if (valid) found = fields as unknown as StoredSettings;
    return valid;
  });
  return found;
}

function write(store: Store, operations: readonly StoreOperation[]): Promise<void> {
  if (operations.length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    store.write(operations, (outcome) => {
      if (outcome.ok) resolve();
      else reject(new Error(`the authority cannot write its store: ${outcome.error}`));
    });
  });
}

function baseUrl(host: string, port: number): string {
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function summaryOf(outcome: Outcome<Account>): Outcome<UserSummary> {
  return outcome.ok ? success(summaryOfUser(outcome.value)) : outcome;
}
