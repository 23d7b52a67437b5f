import type { Flow } from '../../ports/flow.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';

/** A PBX or provider that callers come from without being users. */
export interface TrunkPeer {
  readonly name: string;
  /** Its assertions of identity stand (RFC 3325). */
  readonly trusted: boolean;
}

/** What the roles need to know of trunks. */
export interface TrunkPeers {
  /** The trunk whose address the flow comes from. */
  ofFlow(flow: Flow): TrunkPeer | undefined;
  /** The trunk that logs in with that account of ours. */
  ofAccount(aor: string): TrunkPeer | undefined;
  /** The request again with the credentials for the trunk that challenged it (RFC 3261 §22). */
  answer(sent: SipRequest, flow: Flow, response: SipResponse): SipRequest | undefined;
}
