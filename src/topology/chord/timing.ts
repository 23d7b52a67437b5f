/** The algorithm's own periods and pauses in milliseconds; those of the configuration document stay there. */
export const timing = {
  /** Changes within this time are announced by one Update. */
  announceCoalesceMs: 5,
  /** Pause between two announcements, so that a burst of joins does not multiply Updates. */
  announceGapMs: 50,
  /** A node silent for this long counts as failed (RFC 6940 §10.7.1). */
  downAfterMs: 1500,
  /** Shortest time between two checks of one doubted node. */
  doubtGapMs: 1000,
  /** Time for the Update of a member whose link took the place of another one. */
  hearAgainMs: 1000,

  /** First and longest pause between attempts to join. */
  joinRetryMs: 250,
  joinRetryMaxMs: 8000,
  /** Time for the admitting peer's Update after the Attach, before its tables are asked for again. */
  joinUpdateWaitMs: 2000,
  /** Time for coming neighbors that are linked to show that they are members. */
  joinSilentWaitMs: 4000,
  /** Time for the first fingers; the Join goes out without the rest. */
  joinFingersWaitMs: 1500,
  /** Time for the transfer of the range and the Update that ends it. */
  joinTransferWaitMs: 60_000,

  /** First and longest time a node that could not be attached is left alone. */
  avoidMs: 1000,
  avoidMaxMs: 60_000,
  /** The same after its link was lost: others still name it for a moment. */
  avoidLostMs: 2000,
  /** The same after its Leave. */
  avoidLeftMs: 30_000,
  /** A node just named may be attaching to us already; the larger Node-ID waits twice as long. */
  attachYieldMs: 250,
  /** A linked neighbor candidate that stays silent is asked for its tables this long after. */
  nudgeMs: 500,

  /** Wait before new replicas in place of a lost successor (RFC 6940 §10.7.1). */
  successorHoldDownMs: 30_000,
  /** Wait before copies after other changes. */
  copySettleMs: 50,
  /** Wait before copying what a lost predecessor leaves to us: it may be back at once. */
  rangeGrownSettleMs: 1000,
  copyRetryMs: 5000,
  /** Tables must have stood still this long before resources are dropped; above the hold-down. */
  dropSettleMs: 45_000,

  /** Ping of the position behind ours: finds a silent successor and one we do not know. */
  successorCheckMs: 2000,
  /** Partition check (RFC 6940 §10.7.4.4). */
  partitionCheckMs: 60_000,
  /** The same while this peer has no neighbor at all. */
  isolatedCheckMs: 1000,
  isolatedCheckMaxMs: 30_000,
  /** Search for fingers after the neighborhood has changed: first and last pause. */
  fingerSettleMs: 500,
  fingerSettleMaxMs: 16_000,
  /** Useless links of ours are closed after two such periods. */
  pruneMs: 30_000,

  /** Time for the answers to Leave, and for the hand-over that follows. */
  leaveAnswersMs: 1000,
  leaveCopyMs: 3000,
} as const;
