/** What this server answers for. Hosts come without brackets, in any case. */
export interface Domains {
  /** The overlay domain, lower case; also the digest realm. */
  readonly canonical: string;
  /**
   * The served domain a host stands for: a served domain itself, or the overlay domain for every
   * address, host name and alias of this adapter. `undefined` for a foreign host.
   * `port` is `undefined` when the URI named none.
   */
  servedDomain(host: string, port: number | undefined): string | undefined;
  /** True when host and port name this very server (an own address or name it listens on, or its domain). */
  isSelf(host: string, port: number | undefined): boolean;
}
