/** Wireshark's RELOAD dissector agrees with our codecs: on the vectors, and on a run with calls. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test, type TestContext } from 'node:test';
import { encodeDataFrame } from '../../src/wire/reload/framing.ts';
import { messageCodeName, messageCodes } from '../../src/wire/reload/message-codes.ts';
import { vectors } from '../vectors/vectors.ts';
import { completeCall, startPhone, type Phone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { without } from './support/tools.ts';
import { compareFrame } from './support/tshark-fields.ts';
import { framesOf, pcapOf, type PlainFrame } from './support/tshark-pcap.ts';
import { select, type PdmlNode } from './support/tshark-pdml.ts';
import { complaints } from './support/tshark-rules.ts';
import { decrypt, dissect, startCapture } from './support/tshark.ts';
import { sleep, until } from './support/wait.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What a run with registrations, calls, joins and leaves cannot do without. */
const expectedCodes = [
  ...[messageCodes.attachReq, messageCodes.attachAns],
  ...[messageCodes.storeReq, messageCodes.storeAns],
  ...[messageCodes.fetchReq, messageCodes.fetchAns],
  ...[messageCodes.statReq, messageCodes.statAns],
  ...[messageCodes.joinReq, messageCodes.joinAns],
  ...[messageCodes.leaveReq, messageCodes.leaveAns],
  ...[messageCodes.updateReq, messageCodes.updateAns],
  ...[messageCodes.appAttachReq, messageCodes.appAttachAns],
];

describe('the RELOAD dissector of tshark', { skip: without('tshark') }, () => {
  const folder = temporaryFolder('chordial-dissect');
  after(() => rmSync(folder, { recursive: true }));
  const messages = [...vectors.values()].filter(({ name }) => name.endsWith('-message'));

  test('reads every vector message as we do', async (t) => {
    const frames = framesOf([streamOf(messages.map(({ bytes }) => bytes))]);
    const packets = await packetsOf(frames, join(folder, 'vectors.pcap'));
    assert.ok(messages.length > 20);
    agree(t, packets, frames);
  });

  test('disagrees when one of us is given other bytes', async () => {
    const original = messages.map(({ bytes }) => bytes);
    const altered = original.map((bytes) => {
      const copy = Uint8Array.from(bytes);
      copy[11] = 99;
      copy[copy.length - 1]! ^= 1;
      return copy;
    });
    const packets = await packetsOf(framesOf([streamOf(altered)]), join(folder, 'altered.pcap'));
    for (const [index, frame] of framesOf([streamOf(original)]).entries()) {
      const { differences } = compareFrame(packets[index]!, frame);
      const fields = differences.map((difference) => difference.split(':')[0]);
      assert.deepEqual(fields, [
        '.forwarding.ttl',
        '.security_block .signature.value >.opaque.data',
      ]);
    }
  });

  test('complains of a list that is longer than its message', async () => {
    const [attach] = messages.filter(({ name }) => name === 'attach-req-message');
    const broken = Uint8Array.from(attach!.bytes);
    const passive = Buffer.from(broken).indexOf('passive');
    broken[passive + 'passive'.length] = 0xff;
    const frames = framesOf([streamOf([broken])]);
    const packets = await packetsOf(frames, join(folder, 'broken.pcap'));
    assert.notDeepEqual(packets.flatMap(complaints), []);
  });
});

describe('a capture of the overlay', { skip: without('tshark', 'baresip') }, () => {
  test('holds no malformed frame, and values are as we decode them', async (t) => {
    const folder = temporaryFolder('chordial-capture');
    const files = { capture: join(folder, 'lab.pcapng'), keylog: join(folder, 'keys.log') };
    await runWithCalls(t, files);

    const { streams, records, readableRecords } = await decrypt(files.capture, files.keylog);
    assert.ok(records > 100, `${records} TLS records`);
    assert.equal(readableRecords, records, 'every TLS record is decrypted');
    const frames = framesOf(streams);
    assert.deepEqual(gaps(frames), [], 'no data frame is missing');

    const packets = await packetsOf(frames, join(folder, 'plain.pcap'));
    const seen = agree(t, packets, frames);
    const missing = expectedCodes.filter((code) => !seen.has(code));
    assert.deepEqual(missing.map(messageCodeName), [], 'every expected type of message was seen');
    const stored = packets.flatMap((packet) =>
      select(packet, 'reload.storereq reload.datavalue.exists').map(({ show }) => show),
    );
    assert.deepEqual(new Set(stored), new Set(['1', '0']), 'records are stored and withdrawn');
    rmSync(folder, { recursive: true });
  });
});

/** Two phones register at two boxes, call each other and leave; then a box leaves, then all. */
async function runWithCalls(
  t: TestContext,
  files: { readonly capture: string; readonly keylog: string },
): Promise<void> {
  const capture = await startCapture(files.capture);
  t.after(() => capture.kill());
  const lab = await startLab({ adapters: 3, keylog: files.keylog });
  const phones: Phone[] = [];
  try {
    for (const [index, user] of ['alice', 'bob'].entries()) {
      const phone = await startPhone({
        user,
        password: `${user}pw`,
        domain: lab.domain,
        proxy: `127.0.0.${11 + index}:5060`,
        transport: 'udp',
        port: 7500 + index * 4,
      });
      phones.push(phone);
      await phone.registered();
    }
    const [alice, bob] = phones as [Phone, Phone];
    await completeCall(alice, bob, `sip:bob@${lab.domain}`, 'caller');
    await completeCall(bob, alice, `sip:alice@${lab.domain}`, 'caller');
    for (const user of ['alice', 'bob', 'carol']) {
      await lookUpEverywhere(lab, user);
    }
    await sleep(confirmationMs);
    await alice.quit();
    await bob.quit();
    const leaving = lab.adapters[2]!.pid;
    process.kill(leaving, 'SIGTERM');
    await until('a box has left', () => !runs(leaving), 10_000);
  } finally {
    for (const phone of phones) phone.kill();
    await lab.stop();
  }
  await capture.finish();
}

/** Whoever is responsible for the record, some box has to fetch it. */
async function lookUpEverywhere(lab: Lab, user: string): Promise<void> {
  for (const { adapter } of lab.adapters) {
    const response = await lab.get(adapter, `/api/lookup?aor=${user}@${lab.domain}`);
    await response.text();
  }
}

/** A box looks for a new record at the replicas after a second; this is more. */
const confirmationMs = 1500;

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function streamOf(messages: readonly Uint8Array[]): Parameters<typeof framesOf>[0][number] {
  return {
    client: { address: '127.0.0.2', port: 40_000 },
    server: { address: '127.0.0.1', port: 6084 },
    chunks: messages.map((bytes, index) => ({
      from: 'client',
      bytes: encodeDataFrame(index, bytes),
    })),
  };
}

async function packetsOf(
  frames: readonly PlainFrame[],
  file: string,
): Promise<readonly PdmlNode[]> {
  writeFileSync(file, pcapOf(frames));
  const packets = await dissect(file);
  assert.equal(packets.length, frames.length);
  return packets;
}

/** Sequence numbers that do not follow the one before. RFC 6940 §6.6.2. */
function gaps(frames: readonly PlainFrame[]): string[] {
  const next = new Map<string, number>();
  return frames.flatMap(({ stream, from, frame }) => {
    if (frame.type === 'ack') return [];
    const direction = `${from} of ${stream.client.address}:${stream.client.port}`;
    const expected = next.get(direction) ?? 0;
    next.set(direction, expected + 1);
    return frame.sequence === expected ? [] : [`${direction}: ${frame.sequence}`];
  });
}

/** Asserts that tshark complains of nothing and shows our values; how often each code came. */
function agree(
  t: TestContext,
  packets: readonly PdmlNode[],
  frames: readonly PlainFrame[],
): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  let values = 0;
  const problems = packets.flatMap((packet, index) => {
    const compared = compareFrame(packet, frames[index]!);
    values += compared.values;
    if (compared.code !== undefined) {
      counts.set(compared.code, (counts.get(compared.code) ?? 0) + 1);
    }
    const name = compared.code === undefined ? 'ack' : messageCodeName(compared.code);
    return [...complaints(packet), ...compared.differences].map(
      (problem) => `${index + 1} ${name} ${problem}`,
    );
  });
  assert.deepEqual(problems, []);
  const types = [...counts].map(([code, count]) => `${messageCodeName(code)} ${count}`);
  t.diagnostic(`${packets.length} frames, ${values} values agree: ${types.join(', ')}`);
  return counts;
}
