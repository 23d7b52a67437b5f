/** A PBX or provider, as the operator describes it. */
export interface TrunkSettings {
  readonly name: string;
  /** Where calls go: `sip:pbx.example`, `sip:192.0.2.7:5060;transport=tcp`. */
  readonly uri: string;
  /** Credentials for challenges, and for `register`. */
  readonly user?: string;
  readonly password?: string;
  /** Registers there, so that calls come back. */
  readonly register?: boolean;
  /** Addresses (IPv4 also `a.b.c.d/n`) that its calls come from; absent: the address of `uri`. */
  readonly sources?: readonly string[];
  /** AOR of an account of ours with which it logs in. */
  readonly account?: string;
  /** It belongs to the trusted set of RFC 3325. */
  readonly trusted?: boolean;
  /** Seconds between OPTIONS; 0 or absent: none. */
  readonly healthS?: number;
}
