/** What a box has to do with the TURN servers of the overlay: it offers one, or uses those of others. */
import type { TurnServer } from '../../link/ice/types.ts';
import type { Settings } from '../../node/settings.ts';
import type { OverlayPeer } from '../../overlay/peer-api.ts';
import type { Identity } from '../../ports/certificates.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import { createTurnDirectory } from '../../usages/turn/turn-directory.ts';
import { createTurnService } from '../../usages/turn/turn-service.ts';
import { hostPort, turnCredentials } from './ice-settings.ts';
import { machineAddresses } from './own-addresses.ts';

export interface TurnRole {
  /** Servers found in the overlay, with what this box logs in with there. */
  servers(): readonly TurnServer[];
  /** The overlay was joined (again). */
  joined(): void;
  stop(): void;
}

/** Throws CommandError for settings that cannot be. */
export function createTurnRole(options: {
  readonly settings: Settings;
  readonly overlay: OverlayPeer;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  /** Where others see this box, as far as ICE has found out. */
  readonly reflexive: () => readonly string[];
}): TurnRole {
  const { overlay, settings } = options;
  const { link } = settings;
  const offered =
    link.announcedTurn === '' ? undefined : hostPort('link.announcedTurn', link.announcedTurn);
  const login = turnCredentials(link.turnCredentials);
  const service = createTurnService(options);
  const directory = login === undefined ? undefined : createTurnDirectory({ ...options, service });
  let announced = false;

  return {
    servers: () =>
      login === undefined
        ? []
        : (directory?.servers() ?? []).map(({ address, port }) => ({
            server: { address, port },
            ...login,
          })),
    joined() {
      if (overlay.config().turnDensity === 0) return;
      directory?.search();
      if (offered === undefined || announced) return;
      announced = true;
      // A server on another machine may be in public where this box is not.
      const isHere = machineAddresses().includes(offered.address);
      service.announce(offered, isHere ? options.reflexive() : []);
    },
    stop() {
      directory?.stop();
      service.stop();
    },
  };
}
