/** Bounds of the SIP side. */
export const sipLimits = {
  /** SIP roles. */
  sipRoles: {
    /** Bindings of one address of record. */
    bindingsPerAor: 32,
    /** Addresses of record with bindings. */
    aors: 1_000_000,
    /** Contact values of one REGISTER. */
    contactsPerRegister: 16,
    /** Path values of one binding. */
    pathValues: 10,
    /** Bytes of a Contact URI, its parameters, a Path value or a Call-ID that a binding keeps. */
    textBytes: 1024,
    /** Bytes of User-Agent that a binding keeps. */
    userAgentBytes: 128,
    /** REGISTERs of one address that wait for an earlier one. */
    waitingRegistersPerAor: 16,
    /** Addresses whose REGISTER waits for its admission. */
    pendingAdmissions: 20_000,
    /** Credentials rows looked at in one request. */
    credentialRows: 8,
    /** Sources whose failed attempts are counted. */
    failureSources: 10_000,
    /** Sources whose requests without proof are counted, and those that are banned for them. */
    floodSources: 16_384,
    /** Subscriptions to the registrations of users, and those to one user. */
    subscriptions: 10_000,
    subscriptionsPerAor: 16,
    /** Targets of one request. */
    targets: 64,
    /** Alternates of one target. */
    alternates: 8,
    /** Own Route values removed from one request. */
    ownRoutes: 8,
    /** Final responses kept for the choice of the best one. */
    collectedChallenges: 32,
    /** Response contexts alive. */
    contexts: 100_000,
    /** Own Route values whose flow token is known to be genuine. */
    provenRoutes: 8192,
    /** Accept-Contact and Reject-Contact values of one request (RFC 3841 §11). */
    preferenceRules: 20,
    /** Feature tags of one Contact or preference, and values of one tag. */
    featureTags: 32,
    featureValues: 64,
    /** Feature sets of Contacts kept ready. */
    knownFeatureSets: 2048,
    /** Contacts of one 3xx looked at, and redirections followed for one request. */
    redirectContacts: 16,
    redirections: 10,
    /** Servers that asked for a pause by Retry-After, and the longest pause granted. */
    pausedServers: 4096,
    longestPauseS: 3600,
    /** Calls that wait for a phone to register meanwhile. */
    followedCalls: 20_000,
    /** Largest request sent in one datagram, and what our Via may add to it. */
    datagramBytes: 1300,
    viaBytes: 160,
    /** UDP neighbours known to take no connections. */
    datagramsOnly: 4096,
    /** Entries of History-Info or Diversion carried on. */
    historyEntries: 16,
  },
  /** SIP messages. */
  sipMessage: {
    /** Header rows of one message. */
    headerRows: 512,
    /** Values read from one comma-separated field. */
    headerValues: 256,
    /** Start line and header section (bytes). */
    headerBytes: 65_536,
    bodyBytes: 262_144,
  },
  /** SIP transactions. */
  sipTransaction: {
    /** Connections that one client transaction may lose and have opened again. */
    moves: 3,
    /** Server transactions alive; client transactions may be four times as many. */
    transactions: 200_000,
    /** Memory for the final responses of non-INVITE requests; beyond it the oldest are forgotten early. */
    answerBytes: 256 << 20,
    /** Seconds in the Retry-After of a 503. */
    retryAfter: '5',
  },
  /** Digest authentication. */
  sipDigest: {
    /** Nonces in use whose counts are remembered. */
    nonces: 200_000,
    /** Uses of one nonce that are remembered; more make it stale. */
    usesPerNonce: 64,
    /** A count this far behind the highest one is a replay. */
    countWindow: 32,
  },
  /** Finding SIP servers of other domains. */
  sipDns: {
    /** Lookups for one URI, and places tried. */
    lookups: 24,
    places: 16,
    /** Records of one answer looked at. */
    records: 16,
    /** Time for one answer. */
    answerMs: 3000,
    /** Questions under way at once. */
    pending: 1024,
  },
} as const;
