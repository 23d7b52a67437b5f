/** What shares a port with STUN, told apart by the first byte. RFC 7983 §7. */

export type DatagramKind = 'stun' | 'dtls' | 'channel-data' | 'other';

/** `other` is to be dropped, an empty datagram too. */
export function datagramKind(bytes: Uint8Array): DatagramKind {
  const first = bytes[0] ?? 0xff;
  if (first <= 3) return 'stun';
  if (first >= 20 && first <= 63) return 'dtls';
  return first >= 64 && first <= 79 ? 'channel-data' : 'other';
}
