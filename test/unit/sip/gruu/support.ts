import { createPrng } from '../../../../src/base/prng.ts';
import { hexDecode, hexEncode } from '../../../../src/base/text.ts';
import { type Gruus, createGruus } from '../../../../src/sip/gruu/gruus.ts';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import { parseNameAddr } from '../../../../src/sip/message/name-addr.ts';
import {
  createLocalResolver,
  createLocalTargets,
} from '../../../../src/sip/proxy/local-targets.ts';
import type { SipServerDeps } from '../../../../src/sip/core/sip-server.ts';
import { type Rig, createRig, domains } from '../core/rig.ts';

const prefix = 'here-';

export function testGruus(seed = 'gruus', publicKey = 1, temporaryKeys = [2]): Gruus {
  const prng = createPrng(seed);
  return createGruus({
    domains,
    random: { bytes: (n) => prng.bytes(n), u32: () => prng.u32() },
    format: {
      encode: (token) => prefix + hexEncode(token),
      decode: (gr) => (gr.startsWith(prefix) ? hexDecode(gr.slice(prefix.length)) : undefined),
    },
    publicKey: new Uint8Array(32).fill(publicKey),
    temporaryKeys: temporaryKeys.map((fill) => new Uint8Array(32).fill(fill)),
  });
}

/** A server that gives out GRUUs. */
export function createGruuRig(
  more: (deps: SipServerDeps) => Partial<SipServerDeps> = () => ({}),
): Rig {
  const gruus = testGruus();
  return createRig((deps) => ({
    gruus,
    resolver: createLocalResolver({
      accounts: deps.accounts,
      local: createLocalTargets({ location: deps.location, flows: deps.flows, gruus }),
    }),
    ...more(deps),
  }));
}

/** The GRUUs in the Contact of a 200 that has one contact with GRUUs. */
export function gruusOf(answer: SipResponse): { readonly pub: string; readonly temp: string } {
  for (const value of answer.values('Contact')) {
    const contact = parseNameAddr(value);
    const pub = contact.ok ? contact.value.params.get('pub-gruu') : undefined;
    const temp = contact.ok ? contact.value.params.get('temp-gruu') : undefined;
    if (pub !== undefined && temp !== undefined) return { pub, temp };
  }
  throw new Error(`no GRUUs in ${answer.values('Contact').join(' ')}`);
}
