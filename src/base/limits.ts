/**
 * Every bound of the product in one place. A queue, map, buffer, list or recursion without an entry
 * here is a defect. What a bound refuses is counted.
 */
export const limits = {
  /** RELOAD messages larger than this are refused before any parsing, whatever the configuration says (bytes). */
  reloadMessageBytes: 1 << 20,
  /** Entries of a Destination List or Via List after decoding. */
  destinationListEntries: 64,
  /** Certificates carried in one SecurityBlock. */
  securityBlockCertificates: 96,
  /** XML documents (configuration documents). */
  xml: {
    documentBytes: 1 << 20,
    elements: 20_000,
    depth: 16,
    attributesPerElement: 32,
  },
  /** Overlay links (RFC 6940 §6.6). */
  link: {
    /** Messages sent and not yet acknowledged, per link. */
    unacknowledgedMessages: 4096,
    /** Bytes waiting for the network, per link; sends beyond are refused. */
    bufferedBytes: 4 << 20,
    /** RTO before the first measurement (RFC 6298 §2.1). */
    initialRtoMs: 1000,
    /** Floor of the RTO: below it, pauses of a busy process would look like failures. */
    minimumRtoMs: 500,
    maximumRtoMs: 60_000,
    /** The same for DTLS links, whose messages wait for each other (RFC 6940 §6.6.3.1). */
    datagramInitialRtoMs: 500,
    datagramMinimumRtoMs: 100,
    /**
     * Messages that may wait on a DTLS link, and how long the last one would wait where that allows
     * more: what waits longer is given up by its sender, who has sent it again meanwhile.
     */
    datagramQueueMessages: 64,
    datagramQueueMs: 5000,
    /**
     * No more are taken while the first one has waited longer: the way there and the way back
     * together have to be shorter than the time to an end-to-end retransmission (RFC 6940 §6.2.1).
     */
    datagramWaitMs: 1000,
    /** A link that stopped acknowledging is kept this long after its RTO (RFC 6940 §6.6.5). */
    suspectKeptMs: 30_000,
    /** Time for an Error_Message_Too_Large before the link closes itself. */
    oversizedGraceMs: 1000,
    /** Datagrams kept for a connection that has no owner yet. */
    earlyDatagrams: 32,
    /** Frames of a stream over datagrams that are under way at once. */
    streamFrames: 256,
    /** Bytes of such a stream that came before what precedes them. */
    reorderBytes: 512 << 10,
  },
  /** STUN, TURN and ICE (RFC 8445, RFC 8489, RFC 8656). */
  ice: {
    /** STUN messages larger than this are refused (bytes). */
    stunBytes: 2048,
    /** Attributes of one STUN message. */
    attributes: 32,
    /** Own addresses an agent opens a socket on. */
    hostCandidates: 8,
    stunServers: 4,
    turnServers: 2,
    /** Candidates of the far end that are looked at, and those learned from its checks. */
    remoteCandidates: 32,
    peerReflexiveCandidates: 16,
    /** Candidates told to the far end. */
    localCandidates: 32,
    /** Candidate pairs of one agent (RFC 8445 §6.1.2.5). */
    pairs: 100,
    /** Checks that came before the far end's candidates. */
    earlyChecks: 16,
    /** Application data that came before the path was chosen. */
    earlyDatagrams: 16,
    earlyBytes: 32_768,
    /** Time to learn reflexive and relayed addresses; those that come later are not told. */
    gatherMs: 1000,
    /** Time for further STUN servers once every socket has an answer of one. */
    gatherGraceMs: 200,
    /** From the start of the checks until `connected` or `failed`. */
    checksMs: 8000,
    /** Between the checks of one agent, and between those of all agents (RFC 8445 §14.2). */
    paceMs: 50,
    globalPaceMs: 5,
    /** Retransmissions of a STUN request (RFC 8489 §6.2.1). */
    rtoMs: 500,
    /** Checks have little time: their RTO stops doubling here. */
    checkRtoMaximumMs: 1000,
    requestAttempts: 7,
    lastWaitFactor: 16,
    /** A better pair may still succeed this long after the first direct one, after the first relayed one. */
    nominateDirectMs: 200,
    nominateRelayedMs: 1000,
    /** Keep-alives of a silent path (RFC 5245 §10), and what is done when nothing is heard. */
    keepaliveMs: 15_000,
    silenceMs: 20_000,
    probeMs: 2500,
    deadMs: 45_000,
    /** Lifetime asked for an allocation (s), and peers it is opened for. */
    allocationS: 600,
    permissions: 64,
    /** Permissions last 300 s (RFC 8656 §9), channels 600 s: both are renewed after this long. */
    permissionRenewalMs: 240_000,
    /** Datagrams that wait for the permission of one peer. */
    datagramsPerPermission: 4,
    /** Renewed credentials of one TURN request, and servers that send us on to others. */
    turnChallenges: 3,
    turnRedirects: 1,
    /** Answers to Binding requests without credentials, per agent. */
    plainAnswersPerSecond: 10,
  },
  /** The codec (wire/). */
  wire: {
    /** Elements of one vector; a message of the largest size holds fewer of any structure but the smallest. */
    vectorItems: 65_536,
    /** Forwarding options of one header. */
    forwardingOptions: 16,
    /** Extensions of one message. */
    messageExtensions: 16,
    /** Kinds named by one Store, Fetch or Stat. */
    kindsPerRequest: 64,
    /** Candidates of one Attach. */
    iceCandidates: 64,
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
  /** The host: certificates, sockets, store. */
  node: {
    /** DER of one certificate or certificate request. */
    certificateBytes: 16_384,
    nodeIdsPerCertificate: 64,
    /** Certificates kept parsed. */
    parsedCertificates: 8192,
    /** Remembered answers to "did this key sign that certificate". */
    issuedByAnswers: 16_384,
    /** Signatures checked or made in one turn of the event loop before sockets are served again. */
    signatureJobsPerTurn: 16,
    /** Signature jobs waiting; beyond it checks fail at once. */
    signatureJobs: 16_384,
    /** Certificates accepted from a TLS peer. */
    peerChainCertificates: 4,
    /** Bytes waiting for the network above which a connection reports `drained` later. */
    highWaterBytes: 1 << 20,
    lowWaterBytes: 256 << 10,
    /** Bytes waiting for the network above which a connection is closed. */
    stuckBytes: 16 << 20,
    /** Handshakes under way at one listener, and from one address. */
    handshakes: 256,
    handshakesPerAddress: 64,
    /** Handshakes begun by one address in a second. */
    handshakesPerAddressPerSecond: 100,
    /** Addresses whose rate is remembered. */
    rateAddresses: 4096,
    /** Established connections from one address. */
    connectionsPerAddress: 1024,
    /** Time for queued bytes to leave after a close. */
    closeLingerMs: 2000,
    /** Bytes of store writes waiting for the disk; beyond it writes fail. */
    storePendingBytes: 64 << 20,
    /** DTLS sessions, handshakes included. */
    dtlsSessions: 4096,
    /** Largest datagram of a DTLS session: fits every path that IPv6 can take. */
    dtlsMtuBytes: 1200,
    /** UDP sockets of paths and connections, and datagrams that wait for the network in one. */
    datagramSockets: 8192,
    datagramsWaiting: 1024,
    /** Labelled counters; beyond it a counter without labels is used. */
    counters: 4096,
  },
  /** The SIP usage (RFC 7904). */
  usagesSip: {
    aorChars: 254,
    /** Domain patterns, and characters, compiled states and nesting of one. */
    patterns: 64,
    patternChars: 256,
    patternStates: 4096,
    patternDepth: 16,
    /** contact_prefs as we write it, so that a record stays below the Kind's max-size of 2000 bytes. */
    contactPrefsChars: 1500,
    foreignPrefsChars: 16_384,
    /** Public addresses of an adapter in its records, and characters of one: they leave room for phones. */
    publicAddresses: 4,
    publicAddressChars: 128,
    featureDepth: 16,
    featureTerms: 24,
    instancesPerRecord: 16,
    /** Resolution of one AOR: forwards followed in a row, Fetches in all, routes kept. */
    forwardDepth: 5,
    fetchesPerResolution: 16,
    routesPerResolution: 64,
    externalsPerResolution: 8,
    resolutionsAtOnce: 8192,
    waitingPerResolution: 1024,
    cachedResolutions: 4096,
    /** SIP connections made by AppAttach, and those of one peer and application. */
    connections: 8192,
    connectionsPerPeer: 4,
    connecting: 1024,
    waitingPerConnect: 1024,
    avoidedNodes: 4096,
    /** Bytes that wait for the network on one SIP connection; sends beyond are refused. */
    bufferedBytes: 1 << 20,
  },
  /** The coupling of SIP and overlay. */
  adapter: {
    /** Overlay neighbours known as flows, and what waits for a lost connection to come back. */
    overlayFlows: 16_384,
    waitingMessages: 64,
    waitingBytes: 512 << 10,
    publications: 262_144,
    /** Trunks, and the places they were reached at. */
    trunks: 256,
    trunkPlaces: 1024,
    /** Public addresses of other adapters that redirected callers were told. */
    toldPlaces: 2048,
    publishingAtOnce: 64,
    confirmationsAtOnce: 32,
    /** Admissions that wait for the answer to their Store. */
    admissions: 4096,
    callerChecks: 4096,
    claimedIdentities: 4,
    callerCheckWaiting: 256,
    cachedCallers: 8192,
    keysKept: 3,
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
    /** Until records that were not stored are tried again. */
    retryMs: 60_000,
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
  /** The adapter's side of enrollment and account feed. */
  enrollmentClient: {
    /** Bytes of one answer of the authority. */
    answerBytes: 8 << 20,
    requestTimeoutMs: 15_000,
    /** Certificates requested at the same time. */
    concurrentEnrollments: 4,
    /** Rest after each of them, so that enrolling many users leaves time for calls. */
    enrollmentGapMs: 10,
    retryMinMs: 500,
    retryMaxMs: 60_000,
    /** User identities kept ready for use; others are read from the Store when asked for. */
    readyIdentities: 4096,
  },
  /** Finding the configuration server in the DNS. */
  discovery: {
    dnsTimeoutMs: 2000,
    /** SRV records considered. */
    records: 32,
    /** Servers asked in turn. */
    servers: 8,
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
  /** SIP sockets. */
  sipSockets: {
    /** Stream and WebSocket connections, in and out. */
    connections: 50_000,
    connectionsPerAddress: 10_000,
    /** Bytes written to one connection and not yet taken by the network; more closes it. */
    outputBytes: 1 << 20,
    /** A connection without any traffic for longer than the longest usual registration is closed. */
    idleMs: 3_900_000,
    /** Time for the first whole message (or keep-alive) of an incoming connection. */
    firstMessageMs: 30_000,
    /** Flow objects of UDP neighbours that are kept; others are made again when needed. */
    udpFlows: 65_536,
    connectMs: 5000,
    /** Time for the last bytes of a connection that we close. */
    flushMs: 5000,
    /** The same when the box stops. */
    closeMs: 500,
    /** Outgoing connections being set up, and callers that wait for one of them. */
    pendingConnects: 4096,
    waitersPerConnect: 4096,
    udpReceiveBufferBytes: 4 << 20,
  },
  /** Phones by way of a drachtio server. */
  sipEdge: {
    /** Flow objects that are kept; others are made again when needed. */
    flows: 65_536,
    /** Requests under way, each direction: what answers, CANCEL and ACK are found by. */
    requests: 65_536,
    /** A relayed request is taken for that long; the server repeats it for 32 s. */
    sealMs: 40_000,
    /** Longest pause between attempts to reach the server. */
    retryMaxMs: 5000,
  },
} as const;
