/** tshark as a child: captures the overlay's port, decrypts TLS with a key log, dissects plain frames. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { parsePdml, type PdmlNode } from './tshark-pdml.ts';
import { sleep, until } from './wait.ts';

export interface Capture {
  /** Lets the last packets arrive and closes the file. */
  finish(): Promise<void>;
  kill(): void;
}

/** One TCP connection, decrypted. */
export interface PlainStream {
  readonly client: Endpoint;
  readonly server: Endpoint;
  /** In the order of the capture. */
  readonly chunks: readonly PlainChunk[];
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface PlainChunk {
  readonly from: 'client' | 'server';
  readonly bytes: Uint8Array;
}

export interface DecryptedCapture {
  readonly streams: readonly PlainStream[];
  /** TLS records in the capture, and how many of them tshark could read. */
  readonly records: number;
  readonly readableRecords: number;
}

/** Starts writing what the filter names of the loopback into a file; resolves when it captures. */
export async function startCapture(file: string, what = 'tcp port 6084'): Promise<Capture> {
  const filter = ['-f', what, '-s', '0', '-B', '16'];
  const child = spawn('tshark', ['-q', '-i', 'lo', ...filter, '-w', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  await until('tshark captures', () => /Captur(e started|ing on)/.test(errors) || ended(), 10_000);
  await sleep(500);
  if (ended()) throw new Error(`tshark does not capture: ${errors}`);
  return {
    async finish() {
      await sleep(500);
      child.kill('SIGINT');
      await until('tshark ended', ended);
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Lets tshark decrypt every connection of the capture. */
export async function decrypt(capture: string, keylog: string): Promise<DecryptedCapture> {
  const tls = ['-r', capture, '-o', `tls.keylog_file:${keylog}`, '-d', 'tcp.port==6084,tls'];
  const fields = ['tcp.stream', 'ip.src', 'tcp.srcport', 'ip.dst', 'tcp.dstport'];
  const firstSegments = 'tcp.flags.syn == 1 && tcp.flags.ack == 0';
  const connections = await rows([...tls, '-Y', firstSegments], fields);
  // Each record has a length; a type it has only in the clear or once it is decrypted.
  const records = await rows(
    [...tls, '-Y', 'tls'],
    ['tls.record.length', 'tls.record.content_type'],
  );
  const follow = connections.flatMap(([id]) => ['-z', `follow,tls,raw,${id}`]);
  const text = await tshark([...tls, '-q', ...follow]);
  const streams = connections.map(([id, clientAddress, clientPort, serverAddress, serverPort]) => {
    const client = { address: clientAddress ?? '', port: Number(clientPort) };
    const server = { address: serverAddress ?? '', port: Number(serverPort) };
    return { client, server, chunks: followed(text, id ?? '', client) };
  });
  const count = (column: number): number =>
    records.reduce((sum, row) => sum + (row[column] ?? '').split(',').filter(Boolean).length, 0);
  return { streams, records: count(0), readableRecords: count(1) };
}

/** The RELOAD part of every packet of a file of plain frames, in order. */
export async function dissect(file: string): Promise<readonly PdmlNode[]> {
  const protocols = 'reload reload-framing _ws.malformed _ws.expert';
  return parsePdml(await tshark(['-r', file, '-T', 'pdml', '-J', protocols]));
}

/** One stream of `follow,tls,raw`: hexadecimal lines, those of the second node indented. */
function followed(text: string, id: string, client: Endpoint): PlainChunk[] {
  const section = text.split(`Filter: tcp.stream eq ${id}\n`)[1]?.split('\n==')[0] ?? '';
  const first = /^Node 0: (.*):([0-9]+)$/m.exec(section);
  const clientIsFirst = first?.[1] === client.address && Number(first[2]) === client.port;
  return [...section.matchAll(/^(\t?)([0-9a-f]+)$/gm)].map(([, indent, hex]) => ({
    from: (indent === '') === clientIsFirst ? 'client' : 'server',
    bytes: Buffer.from(hex ?? '', 'hex'),
  }));
}

/** One row for each packet that passes, with the values of the fields. */
export async function rows(
  args: readonly string[],
  fields: readonly string[],
): Promise<string[][]> {
  const text = await tshark([...args, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])]);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

const execute = promisify(execFile);

/** Runs tshark to its end, or kills it; its output. */
async function tshark(args: readonly string[]): Promise<string> {
  const bounds = { timeout: 20_000, killSignal: 'SIGKILL', maxBuffer: 256 << 20 } as const;
  return (await execute('tshark', args, { ...bounds, env: { ...process.env, TZ: 'UTC' } })).stdout;
}
