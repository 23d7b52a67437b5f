/** The AOR with the characters escaped that RFC 3261 §25.1 does not allow in a user part. */
export function escapeAor(aor: string): string {
  const at = aor.lastIndexOf('@');
  const user = aor
    .slice(0, at)
    .replace(/[^A-Za-z0-9\-_.!~*'()&=+$,;?/]/gu, (character) => encodeURIComponent(character));
  return user + aor.slice(at);
}
