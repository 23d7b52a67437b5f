import { adapterLimits } from './limits/adapter.ts';
import { authorityLimits } from './limits/authority.ts';
import { hostLimits } from './limits/host.ts';
import { linksLimits } from './limits/links.ts';
import { overlayLimits } from './limits/overlay.ts';
import { sipLimits } from './limits/sip.ts';

/**
 * Every bound of the product in one place. A queue, map, buffer, list or recursion without an entry
 * here is a defect. What a bound refuses is counted.
 */
export const limits = {
  ...linksLimits,
  ...overlayLimits,
  ...sipLimits,
  ...adapterLimits,
  ...hostLimits,
  ...authorityLimits,
} as const;
