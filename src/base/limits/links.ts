/** Bounds of links, of the paths that ICE finds, and of what travels on them. */
export const linksLimits = {
  /** RELOAD messages larger than this are refused before any parsing, whatever the configuration says (bytes). */
  reloadMessageBytes: 1 << 20,
  /** Entries of a Destination List or Via List after decoding. */
  destinationListEntries: 64,
  /** Certificates carried in one SecurityBlock. */
  securityBlockCertificates: 96,
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
    /** Addresses that this node was seen at lately. */
    reflexiveAddresses: 8,
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
} as const;
