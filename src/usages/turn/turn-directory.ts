/** The TURN servers of the overlay that this node knows: looked for again and again. RFC 6940 §9. */
import { limits } from '../../base/limits.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { FoundServer, TurnService } from './turn-service.ts';

export interface TurnDirectory {
  /** Those found last, at most `limits.usagesTurn.knownServers`. */
  servers(): readonly FoundServer[];
  /** Looks now, and from now on at intervals; nothing while a search is under way. */
  search(): void;
  stop(): void;
}

export function createTurnDirectory(deps: {
  readonly service: Pick<TurnService, 'find'>;
  readonly clock: Clock;
}): TurnDirectory {
  const { clock, service } = deps;
  let known: readonly FoundServer[] = [];
  let timer: Timer | undefined;
  let searching = false;
  let stopped = false;

  function look(left: number, found: readonly FoundServer[]): void {
    service.find((server) => {
      if (stopped) return;
      const isNew =
        server !== undefined &&
        !found.some(({ address, port }) => address === server.address && port === server.port);
      const all = isNew ? [...found, server] : found;
      // Where one search finds nobody the next would not either.
      if (server !== undefined && left > 1) look(left - 1, all);
      else finish(all);
    });
  }

  function finish(found: readonly FoundServer[]): void {
    const { researchMs, retryMs } = limits.usagesTurn;
    searching = false;
    if (found.length > 0) known = found;
    timer = clock.after('turn-search', found.length > 0 ? researchMs : retryMs, begin);
  }

  function begin(): void {
    if (searching || stopped) return;
    searching = true;
    timer?.cancel();
    look(limits.usagesTurn.knownServers, []);
  }

  return {
    servers: () => known,
    search: begin,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
