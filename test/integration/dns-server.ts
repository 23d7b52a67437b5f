/** A small authoritative DNS server over UDP for tests: NAPTR, SRV, A and AAAA of one zone. RFC 1035. */
import { createSocket } from 'node:dgram';
import type { NaptrRecord, SrvRecord } from '../../src/ports/resolver.ts';

export interface Zone {
  readonly naptr?: Readonly<Record<string, readonly NaptrRecord[]>>;
  readonly srv?: Readonly<Record<string, readonly SrvRecord[]>>;
  readonly a?: Readonly<Record<string, readonly string[]>>;
  readonly aaaa?: Readonly<Record<string, readonly string[]>>;
}

export interface DnsServer {
  /** `address:port`. */
  readonly address: string;
  /** Questions so far, as `TYPE name`. */
  readonly questions: readonly string[];
  close(): Promise<void>;
}

const typeNames: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA', 33: 'SRV', 35: 'NAPTR' };

/** Names in the zone are in lower case, without a final dot. Unknown names are NXDOMAIN. */
export async function startDnsServer(zone: Zone, host = '127.0.0.1', port = 0): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const questions: string[] = [];
  socket.on('message', (query, remote) => {
    const answer = answerOf(query, zone, questions);
    if (answer !== undefined) socket.send(answer, remote.port, remote.address);
  });
  await new Promise<void>((resolve) => socket.bind(port, host, resolve));
  const bound = socket.address();
  return {
    address: `${bound.address}:${String(bound.port)}`,
    questions,
    close: async () => {
      await new Promise<void>((resolve) => {
        socket.close(() => {
          resolve();
        });
      });
    },
  };
}

function answerOf(query: Buffer, zone: Zone, questions: string[]): Buffer | undefined {
  if (query.length < 17) return undefined;
  const { name, end } = readName(query, 12);
  const type = query.readUInt16BE(end);
  const lower = name.toLowerCase();
  questions.push(`${typeNames[type] ?? String(type)} ${lower}`);
  const data = recordsOf(zone, type, lower);
  const isKnown =
    data.length > 0 || [1, 28, 33, 35].some((other) => recordsOf(zone, other, lower).length > 0);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(0x8580 | (isKnown ? 0 : 3), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(data.length, 6);
  const answers = data.map((bytes) => {
    const fixed = Buffer.alloc(12);
    fixed.writeUInt16BE(0xc00c, 0);
    fixed.writeUInt16BE(type, 2);
    fixed.writeUInt16BE(1, 4);
    fixed.writeUInt32BE(60, 6);
    fixed.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([fixed, bytes]);
  });
  return Buffer.concat([header, query.subarray(12, end + 4), ...answers]);
}

function readName(message: Buffer, from: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = from;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function recordsOf(zone: Zone, type: number, name: string): Buffer[] {
  switch (type) {
    case 1:
      return (zone.a?.[name] ?? []).map((text) => Buffer.from(text.split('.').map(Number)));
    case 28:
      return (zone.aaaa?.[name] ?? []).map(ipv6Bytes);
    case 33:
      return (zone.srv?.[name] ?? []).map((record) => {
        const fixed = Buffer.alloc(6);
        fixed.writeUInt16BE(record.priority, 0);
        fixed.writeUInt16BE(record.weight, 2);
        fixed.writeUInt16BE(record.port, 4);
        return Buffer.concat([fixed, nameBytes(record.target)]);
      });
    case 35:
      return (zone.naptr?.[name] ?? []).map((record) => {
        const fixed = Buffer.alloc(4);
        fixed.writeUInt16BE(record.order, 0);
        fixed.writeUInt16BE(record.preference, 2);
        const texts = [record.flags, record.service, record.regexp].map((text) =>
          Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]),
        );
        return Buffer.concat([fixed, ...texts, nameBytes(record.replacement)]);
      });
    default:
      return [];
  }
}

function nameBytes(name: string): Buffer {
  const labels = name === '' || name === '.' ? [] : name.split('.');
  const parts = labels.map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]),
  );
  return Buffer.concat([...parts, Buffer.from([0])]);
}

function ipv6Bytes(text: string): Buffer {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  const bytes = Buffer.alloc(16);
  all.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}
