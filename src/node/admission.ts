/** Bounds on new connections, so that one source or a flood cannot use up the listener. */
import { createBoundedCache } from '../base/bounded-cache.ts';
import { limits } from '../base/limits.ts';

export interface Admission {
  /** A connection arrived; `undefined` = refuse it. */
  begin(address: string, nowMs: number): Admitted | undefined;
}

export interface Admitted {
  /** Its handshake is complete. */
  established(): void;
  /** It is gone, before or after its handshake. Once. */
  closed(): void;
}

interface Source {
  handshakes: number;
  connections: number;
  /** Handshakes begun since `sinceMs`, one second at most. */
  begun: number;
  sinceMs: number;
}

export function createAdmission(maxConnections: number): Admission {
  const active = new Map<string, Source>();
  /** Rates of addresses without a connection, so that coming and going does not reset them. */
  const idle = createBoundedCache<string, Source>(limits.node.rateAddresses);
  let handshakes = 0;
  let connections = 0;

  function sourceOf(address: string): Source {
    const source = active.get(address) ?? idle.get(address);
    return source ?? { handshakes: 0, connections: 0, begun: 0, sinceMs: 0 };
  }

  function isAdmitted(source: Source, nowMs: number): boolean {
    if (nowMs - source.sinceMs >= 1000) {
      source.sinceMs = nowMs;
      source.begun = 0;
    }
    const { node } = limits;
    return (
      connections < maxConnections &&
      handshakes < node.handshakes &&
      source.handshakes < node.handshakesPerAddress &&
      source.connections < node.connectionsPerAddress &&
      ++source.begun <= node.handshakesPerAddressPerSecond
    );
  }

  return {
    begin(address, nowMs) {
      const source = sourceOf(address);
      if (!isAdmitted(source, nowMs)) {
        if (!active.has(address)) idle.set(address, source);
        return undefined;
      }
      active.set(address, source);
      handshakes++;
      connections++;
      source.handshakes++;
      source.connections++;
      let shaking = true;
      const established = (): void => {
        if (!shaking) return;
        shaking = false;
        handshakes--;
        source.handshakes--;
      };
      return {
        established,
        closed() {
          established();
          connections--;
          source.connections--;
          if (source.connections > 0) return;
          active.delete(address);
          idle.set(address, source);
        },
      };
    },
  };
}
