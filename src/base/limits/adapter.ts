/** Bounds of the coupling of SIP and overlay. */
export const adapterLimits = {
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
} as const;
