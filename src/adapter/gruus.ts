/** GRUUs of an adapter (RFC 7904 §6): `gr` holds the destination list [adapter, token]. */
import type { NodeId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import type { Domains } from '../sip/core/domains.ts';
import { createGruus } from '../sip/gruu/gruus.ts';
import type { Gruus } from '../sip/gruu/gruus.ts';
import { decodeGr, encodeGr } from '../usages/sip/gruu.ts';
import { createKeyring } from './keys.ts';

export interface AdapterGruus extends Gruus {
  stop(): void;
}

export function createAdapterGruus(deps: {
  readonly nodeId: NodeId;
  readonly domains: Domains;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** For the keys of temporary GRUUs; that of public ones stays. */
  readonly rotateAfterMs?: number;
}): AdapterGruus {
  const { nodeId, domains, store, clock, random, rotateAfterMs } = deps;
  const keep = { store, clock, random };
  const lasting = createKeyring({ ...keep, name: 'gruu', rotateAfterMs: Infinity });
  const rotating = createKeyring({
    ...keep,
    name: 'gruu-temporary',
    ...(rotateAfterMs === undefined ? {} : { rotateAfterMs }),
  });
  const gruus = createGruus({
    domains,
    random,
    format: {
      encode: (token) =>
        encodeGr([
          { type: 'node', nodeId },
          { type: 'opaque', id: token },
        ]),
      decode(gr) {
        const [node, token, ...rest] = decodeGr(gr) ?? [];
        if (node?.type !== 'node' || node.nodeId !== nodeId || rest.length > 0) return undefined;
        return token?.type === 'opaque' ? token.id : undefined;
      },
    },
    publicKey: lasting.current,
    temporaryKeys: rotating.all,
  });
  return {
    ...gruus,
    stop() {
      lasting.stop();
      rotating.stop();
    },
  };
}
