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
  securityBlockCertificates: 32,
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
    /** A link that stopped acknowledging is kept this long after its RTO (RFC 6940 §6.6.5). */
    suspectKeptMs: 30_000,
    /** Time for an Error_Message_Too_Large before the link closes itself. */
    oversizedGraceMs: 1000,
  },
  /** The codec (wire/). */
  wire: {
    /** Elements of one vector; a message of the largest size holds fewer of any structure but the smallest. */
    vectorItems: 65_536,
    /** Forwarding options of one header. */
    forwardingOptions: 16,
    /** Extensions of one message. */
    messageExtensions: 16,
    /** Candidates of one Attach. */
    iceCandidates: 64,
  },
} as const;
