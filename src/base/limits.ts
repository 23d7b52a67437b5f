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
} as const;
