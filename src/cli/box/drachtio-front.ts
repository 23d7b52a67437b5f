/** The drachtio edge of a box, from its settings. */
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hmacSha256 } from '../../base/hash.ts';
import { utf8Encode } from '../../base/text.ts';
import { createDrachtioEdge, parseAddress, parseFront } from '../../node/edge/drachtio-edge.ts';
import type { DrachtioEdge, DrachtioEdgeOptions } from '../../node/edge/drachtio-edge.ts';
import { loadDrachtioSrf } from '../../node/edge/drachtio-srf.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Settings } from '../../node/settings.ts';
import { CommandError } from '../command.ts';

/** Holds the secret itself, for those who have no place for a file. */
export const secretVariable = 'CHORDIAL_DRACHTIO_SECRET';

/**
 * `undefined` with the embedded edge. What is missing ends the command with status 2 and a sentence that
 * says what to do.
 */
export async function createDrachtioFront(
  settings: Settings,
  deps: Pick<DrachtioEdgeOptions, 'events' | 'nowMs' | 'trace'> & { readonly nodeKey: KeyObject },
  environment: NodeJS.ProcessEnv = process.env,
): Promise<DrachtioEdge | undefined> {
  if (settings.sip.edge !== 'drachtio') return undefined;
  const { advertised, hop, host, listen, port, secretFile } = settings.sip.drachtio;
  const loaded = await loadDrachtioSrf();
  if (!loaded.ok) {
    throw new CommandError(`sip.edge is drachtio, but ${loaded.error}`, 2);
  }
  const { events, nodeKey, nowMs, trace } = deps;
  return createDrachtioEdge({
    Srf: loaded.value,
    host,
    port,
    secret: readSecret(secretFile, environment),
    listen: addressOf('listen', listen),
    hop: addressOf('hop', hop),
    advertised: advertised.map(
      (text) => parseFront(text) ?? refuse('advertised', text, 'udp/192.0.2.1:5060'),
    ),
    routeKey: routeKey(nodeKey),
    events,
    trace,
    nowMs,
  });
}

/** Addresses of the drachtio server by which phones may name this box, as far as settings tell them. */
export function edgeHosts(settings: Settings): string[] {
  const { advertised, hop, listen } = settings.sip.drachtio;
  if (settings.sip.edge !== 'drachtio') return [];
  const places = [...advertised.map(parseFront), parseAddress(hop), parseAddress(listen)];
  return places.flatMap((place) => (place === undefined ? [] : [place.address]));
}

export function isEdgeFlow(flow: Flow): boolean {
  return flow.listener.startsWith('edge-');
}

/** Calls outlive a restart, so the key must; the Node's own key makes it. */
function routeKey(nodeKey: KeyObject): Uint8Array {
  const der = nodeKey.export({ type: 'pkcs8', format: 'der' });
  return hmacSha256(new Uint8Array(der), utf8Encode('chordial edge route'));
}

function addressOf(key: string, text: string): { address: string; port: number } {
  return parseAddress(text) ?? refuse(key, text, '127.0.0.1:5060');
}

function refuse(key: string, text: string, example: string): never {
  throw new CommandError(
    `sip.drachtio.${key}: must look like ${example}, got ${JSON.stringify(text)}`,
    2,
  );
}

function readSecret(file: string, environment: NodeJS.ProcessEnv): string {
  const given = environment[secretVariable];
  if (given !== undefined && given !== '') return withoutFrameMarks(given);
  if (file === '') {
    throw new CommandError(
      `sip.edge is drachtio, but its secret is missing: put it in a file and set sip.drachtio.secretFile, or in ${secretVariable}`,
      2,
    );
  }
  try {
    return withoutFrameMarks(readFileSync(file, 'utf8').trim());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CommandError(`sip.drachtio.secretFile: ${file} cannot be read (${code})`, 2);
  }
}

/** The protocol has no way to say these inside a secret. */
function withoutFrameMarks(secret: string): string {
  if (secret !== '' && !/[|\r\n]/.test(secret)) return secret;
  throw new CommandError('the drachtio secret must be one line that is not empty, without "|"', 2);
}
