/**
 * Where the dissector of tshark 4.0 follows old drafts or is wrong. The rules that use one of these
 * expect the wrong value, so that the table stays true.
 */
export const dissectorMistakes = {
  candidatePriority:
    'reads the priority from the first four bytes of the candidate; it follows the foundation (RFC 6940 §6.5.1.1)',
  specifierKeys:
    'reads the keys at the start of the StoredDataSpecifier; they follow its length (RFC 6940 §7.4.2.1)',
  extensionTypes:
    'reads extension 2 as self-tuning data; it is Diagnostic_Ping (RFC 7851 §9.5) and self_tuning_data is 3 (RFC 7363 §9)',
  pathTrack: 'knows PathTrack under draft codes; they are 0x27 and 0x28 (RFC 7851 §9.3)',
  secondFrame:
    'takes the length of every data frame of a TCP segment from the first; each has its own (RFC 6940 §6.6.2)',
} as const;
