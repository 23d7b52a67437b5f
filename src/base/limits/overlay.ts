/** Bounds of the overlay peer, its topology, its store and its usages. */
export const overlayLimits = {
  /** XML documents (configuration documents). */
  xml: {
    documentBytes: 1 << 20,
    elements: 20_000,
    depth: 16,
    attributesPerElement: 32,
  },
  /** Lists of a configuration document. */
  overlayConfig: {
    kinds: 128,
    signatures: 8,
    rootCertificates: 16,
    bootstrapNodes: 256,
    /** configuration-signer, kind-signer, bad-node: each. */
    nodeIds: 8192,
    /** Any other element that may repeat. */
    listEntries: 64,
  },
  /** The overlay peer (RFC 6940 §6). */
  overlay: {
    /** Links at once; the least recently used one outside the topology's tables makes room. */
    links: 1024,
    /** A link that no table needs is closed after this long without a message. */
    idleLinkMs: 300_000,
    /** Ways tried for one message when next hops do not acknowledge. */
    routeAttempts: 4,
    /** Own requests waiting for their response. */
    requests: 8192,
    /** Received messages whose signature is being checked. */
    verifications: 4096,
    /** Error responses made for others' messages in transit, per second. */
    transitErrorsPerSecond: 50,
    /** Answered requests remembered for their retransmissions. */
    rememberedRequests: 16_384,
    rememberedBytes: 16 << 20,
    /** Messages being put together from fragments. */
    reassemblies: 64,
    reassemblyBytes: 4 << 20,
    fragmentsPerMessage: 1024,
    /** Messages that one neighbor may send: far above what one peer can check the signatures of. */
    neighborRate: { perSecond: 20_000, burst: 40_000 },
    /** Connections with a shared secret whose far end has not said yet who it is. */
    introductions: 256,
    introductionMs: 5000,
    /** A Ping with the certificates of its sender. */
    introductionBytes: 16_384,
    /** Requests in transit whose way back is kept instead of a Via List. */
    returnStates: 16_384,
    /** Own Attach requests under way, and those being answered by dialing. */
    attaches: 512,
    applicationAttaches: 4096,
    /** Addresses of one offer that are tried. */
    candidatesTried: 8,
    dialTimeoutMs: 4000,
    /** From the answer until the connection of the answerer must be there. */
    connectionWaitMs: 8000,
    /** Remembered bootstrap peers (§11.4). */
    bootstrapPeers: 10,
    bootstrapDialsAtOnce: 3,
    rejoinMinimumMs: 500,
    rejoinMaximumMs: 30_000,
    hostedIdentities: 262_144,
    /** Resources being copied to other peers at once, and waiting for it. */
    copiesAtOnce: 32,
    copiesWaiting: 1 << 20,
    /** Stores that are tried again after Data_Too_Old or Generation_Counter_Too_Low. */
    storeAttempts: 3,
    /** Places stored to or fetched from whose storage time is remembered. */
    rememberedPlaces: 65_536,
    /** Time for Leave and hand-over at a stop. */
    stopMs: 10_000,
    configUpdatesRemembered: 1024,
    /** Wait of a client before it looks again for its responsible peer: after a change, after a failure. */
    clientSettleMs: 1000,
    clientRetryMs: 5000,
  },
  /** CHORD-RELOAD (RFC 6940 §10). */
  topology: {
    /** Predecessors and successors kept; at least 3 (RFC 6940 §10.7). */
    neighborsPerSide: 5,
    /** Node-IDs of one list of an Update that are looked at, nearest first. */
    reportedIdsPerList: 8,
    /** Attaches of this algorithm under way. */
    attachesAtOnce: 16,
    /** Nodes not attached to for a while because an Attach to them failed. */
    avoidedNodes: 512,
    /** Nodes that wait for admission; further Joins get Error_In_Progress. */
    admissionsWaiting: 64,
    /** Nodes that are owed an Update (Attach or RouteQuery with send_update). */
    updatesOwed: 256,
    /** Copies of ranges under way or waiting. */
    rangeCopies: 32,
  },
  /** Stored values (RFC 6940 §7). */
  storage: {
    /** Resource-IDs with values. */
    resources: 1_000_000,
    /** Bytes of all values with their signatures. */
    bytes: 1 << 30,
    /** Stores whose signatures are being checked or that wait for the disk. */
    storesAtOnce: 4096,
    valuesPerStore: 1024,
    /** Elements of one ARRAY, gaps included. */
    arrayLength: 1024,
    dictionaryKeyBytes: 1024,
    /** Keys that one Fetch may name. */
    keysPerFetch: 1024,
    /** Kinds defined by configuration and usages. */
    kinds: 256,
    /** Longest wait of the expiry timer. */
    expiryCheckMs: 3_600_000,
  },
  /** Certificates and signatures. */
  trust: {
    /** Signer identities remembered from checked signatures. */
    knownCertificates: 8192,
    /** Signatures of stored values found good. */
    verifiedValues: 16_384,
    /** Certificates found to be issued for this overlay. */
    checkedPaths: 8192,
  },
  /** Certificate Store Usage. */
  usagesCertificates: {
    /** Until a publication that failed is tried again. */
    retryMs: 60_000,
    /** Between publications, for peers that lost what they stored. */
    refreshMs: 86_400_000,
    /** Users whose certificates one box keeps in the overlay. */
    users: 262_144,
  },
  /** TURN Server Usage. */
  usagesTurn: {
    /** Random Resource-IDs asked about one after the other for one search. */
    probes: 20,
    /** Lifetime of an own record; stored again at half of it. */
    lifetimeS: 86_400,
    /** Until records that were not stored, or a search that found nobody, are tried again. */
    retryMs: 60_000,
    /** Servers of the overlay that a node keeps ready for its connections, and until it looks again. */
    knownServers: 2,
    researchMs: 600_000,
  },
} as const;
