/** Bounds of the host: sockets, certificates, store, and the clients of other servers. */
export const hostLimits = {
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
} as const;
