import type { FlowOpener } from '../../ports/flow.ts';
import type { Domains } from '../core/domains.ts';

export interface PhoneHopsDeps {
  readonly domains: Domains;
  readonly flows: FlowOpener;
  /** Flow-token secrets, at least 16 bytes each: the first one signs, all verify (rotation). Durable. */
  readonly tokenKeys: readonly Uint8Array[];
}
