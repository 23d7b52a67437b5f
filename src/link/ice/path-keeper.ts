/**
 * Keeps the chosen path open in NATs with STUN Binding Indications (RFC 5245 §10, RFC 6940
 * §6.5.1.10.3), and notices when the far end is gone: silence is answered with authenticated
 * questions, lasting silence ends the path (in the spirit of RFC 7675).
 */
import { limits } from '../../base/limits.ts';
import { hexEncode } from '../../base/text.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { encodeStun } from '../../wire/stun/message.ts';

export interface PathKeeper {
  /** Something was sent on the path. */
  sent(): void;
  /** Something came from the far end. */
  heard(): void;
  stop(): void;
}

export interface PathKeeperDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly transmit: (bytes: Uint8Array) => void;
  /** Sends one question that only the far end can answer; the answer is told by `heard`. */
  readonly probe: () => void;
  readonly dead: () => void;
}

export function createPathKeeper(dependencies: PathKeeperDependencies): PathKeeper {
  const { clock, random, transmit, probe, dead } = dependencies;
  let sentMs = clock.monotonicMs();
  let heardMs = sentMs;
  let timer: Timer | undefined;

  /** One lazy timer: nothing is set per packet. */
  function watch(): void {
    const now = clock.monotonicMs();
    const isSilent = now - heardMs >= limits.ice.silenceMs;
    const listenMs = isSilent ? limits.ice.probeMs : heardMs + limits.ice.silenceMs - now;
    const keepMs = sentMs + limits.ice.keepaliveMs - now;
    timer = clock.after('ice-keepalive', Math.max(0, Math.min(listenMs, keepMs)), look);
  }

  function look(): void {
    const now = clock.monotonicMs();
    if (now - heardMs >= limits.ice.deadMs) {
      dead();
      return;
    }
    if (now - heardMs >= limits.ice.silenceMs) {
      sentMs = now;
      probe();
    } else if (now - sentMs >= limits.ice.keepaliveMs) {
      sentMs = now;
      transmit(indication());
    }
    watch();
  }

  function indication(): Uint8Array {
    return encodeStun({
      class: 'indication',
      method: 'binding',
      transactionId: hexEncode(random.bytes(12)),
      attributes: {},
    });
  }

  watch();
  return {
    sent() {
      sentMs = clock.monotonicMs();
    },
    heard() {
      heardMs = clock.monotonicMs();
    },
    stop() {
      timer?.cancel();
    },
  };
}
