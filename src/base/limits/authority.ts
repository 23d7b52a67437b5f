/** Bounds of the authority. */
export const authorityLimits = {
  /** The authority: accounts, enrollment, account feed. */
  authority: {
    users: 1_000_000,
    adapters: 10_000,
    tokens: 1000,
    scopePatterns: 256,
    passwordLength: 256,
    /** Members of a group that ring together. */
    groupMembers: 16,
    /** Removed users that followers of the feed can still learn about without a full copy. */
    removedUsers: 10_000,
    /** Changes considered for one page of the feed. */
    feedPageEntries: 1000,
    /** Node-IDs in one certificate. */
    nodeIdsPerCertificate: 8,
    /** Sources whose failed authentications are remembered. */
    failureSources: 10_000,
    /** Failed authentications in a row before a source must wait. */
    failureBurst: 10,
    /** Time that earns a source one more attempt. */
    failureRefillMs: 6000,
  },
  /** HTTPS edge of the authority. */
  authorityHttp: {
    formParts: 8,
    formPartBytes: 16_384,
    jsonBytes: 4096,
    requestBytes: 65_536,
    connections: 4096,
    /** Followers of the account feed that wait for news. */
    feedWaiters: 20_000,
    feedWaitMs: 25_000,
    headersTimeoutMs: 10_000,
    requestTimeoutMs: 30_000,
    keepAliveTimeoutMs: 65_000,
  },
} as const;
