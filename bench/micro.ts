/** Codec and signatures, in this process. */
import { readFileSync } from 'node:fs';
import { generatePrivateKey } from '../src/node/keys.ts';
import { sign, verify, createPublicKey } from 'node:crypto';
import { createResponse, parseMessage } from '../src/sip/message/message.ts';
import { decodePayload } from '../src/wire/reload/contents.ts';
import { decodeHeader, encodeHeader } from '../src/wire/reload/header.ts';
import type { BenchResult } from './result.ts';

const register = Buffer.from(
  'REGISTER sip:lab.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\nFrom: <sip:alice@lab.example>;tag=1\r\nTo: <sip:alice@lab.example>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1:5070>\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n',
  'latin1',
);

export async function microBenchmarks(seconds: number): Promise<BenchResult[]> {
  const vectors = JSON.parse(readFileSync('test/vectors/data/vectors.json', 'utf8')) as {
    name: string;
    hex: string;
  }[];
  const store = Buffer.from(vectors.find((v) => v.name === 'store-req-message')?.hex ?? '', 'hex');
  const decoded = decodeHeader(store);
  const input = Buffer.alloc(200, 7);
  const results: BenchResult[] = [];
  for (const keyType of ['ecdsa-p256', 'rsa'] as const) {
    const key = await generatePrivateKey(keyType);
    const publicKey = createPublicKey(key);
    const signature = sign('sha256', input, key);
    results.push(
      loop(`sign-${keyType}`, seconds, () => sign('sha256', input, key)),
      loop(`verify-${keyType}`, seconds, () => verify('sha256', input, publicKey, signature)),
    );
  }
  results.push(
    loop('codec-reload-decode', seconds, () => {
      const { headerLength } = decodeHeader(store);
      return decodePayload(store.subarray(headerLength));
    }),
    loop('codec-reload-header-encode', seconds, () =>
      encodeHeader(decoded.header, store.length - decoded.headerLength),
    ),
    loop('codec-sip-parse-and-answer', seconds, () => {
      const parsed = parseMessage(register);
      if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('the sample is a request');
      return createResponse(parsed.value, 200).toBytes();
    }),
  );
  return results;
}

function loop(name: string, seconds: number, operation: () => unknown): BenchResult {
  for (let i = 0; i < 500; i++) operation();
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const end = started + seconds * 300;
  let n = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 50; i++) operation();
    n += 50;
  }
  const used = process.cpuUsage(cpuBefore);
  const elapsedS = (performance.now() - started) / 1000;
  return { name, cpuUs: (used.user + used.system) / n, perSecond: n / elapsedS, n };
}
