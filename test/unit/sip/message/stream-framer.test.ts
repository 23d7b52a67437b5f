import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createStreamFramer } from '../../../../src/sip/message/stream-framer.ts';

const small = 'OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n';
const withBody = 'MESSAGE sip:a SIP/2.0\r\nCONTENT-length : 7\r\n\r\nabc\r\n\r\n';
const compact = 'MESSAGE sip:a SIP/2.0\r\nl:\r\n  3\r\n\r\nxyz';

function collect(chunks: readonly Uint8Array[]): string[] {
  const framer = createStreamFramer();
  const seen: string[] = [];
  const events = {
    message: (bytes: Uint8Array) => seen.push(Buffer.from(bytes).toString('latin1')),
    ping: () => seen.push('ping'),
    pong: () => seen.push('pong'),
  };
  for (const chunk of chunks) {
    const problem = framer.push(chunk, events);
    if (problem !== undefined) return [...seen, `!${problem}`];
  }
  return seen;
}

function cut(text: string, size: number): Uint8Array[] {
  const bytes = Buffer.from(text, 'latin1');
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < bytes.length; i += size) chunks.push(bytes.subarray(i, i + size));
  return chunks;
}

test('[S3261-18.3-02] messages are cut by Content-Length whatever the segmentation', () => {
  const stream = small + withBody + compact + small;
  for (const size of [1, 2, 3, 7, 50, 10_000]) {
    assert.deepEqual(
      collect(cut(stream, size)),
      [small, withBody, compact, small],
      `size ${String(size)}`,
    );
  }
});

test('[S3261-7.5-01] line ends before a start line do not disturb framing', () => {
  assert.deepEqual(collect([Buffer.from(`\r\n\r\n${small}`)]), ['ping', small]);
  assert.deepEqual(collect([Buffer.from(`\r\n${small}`)]), ['pong', small]);
});

test('[S5626-5.4-02] a double line end between messages is a ping, also cut in pieces', () => {
  assert.deepEqual(collect(cut(`${small}\r\n\r\n${small}\r\n\r\n`, 1)), [
    small,
    'ping',
    small,
    'ping',
  ]);
});

test('a wrong length ends the stream after its header went up', () => {
  for (const length of ['-1', 'x', '', '99999999999999', '262145', '1\r\nContent-Length: 2']) {
    const text = `OPTIONS sip:a SIP/2.0\r\nContent-Length: ${length}\r\n\r\n`;
    assert.deepEqual(collect(cut(`${text}junk`, 5)), [text, '!bad-content-length']);
  }
});

test('an endless header ends the stream', () => {
  const chunk = Buffer.alloc(1000, 'a');
  const chunks = new Array<Uint8Array>(70).fill(chunk);
  assert.deepEqual(collect(chunks), ['!header-too-large']);
});

test('messages stay as they were when more arrives', () => {
  const framer = createStreamFramer();
  const kept: Uint8Array[] = [];
  const events = { message: (bytes: Uint8Array) => kept.push(bytes), ping: () => 0, pong: () => 0 };
  for (const chunk of cut(small + withBody + compact, 9)) framer.push(chunk, events);
  assert.deepEqual(
    kept.map((bytes) => Buffer.from(bytes).toString()),
    [small, withBody, compact],
  );
});

test('any segmentation gives the same events', () => {
  const stream = Buffer.from(`\r\n\r\n${withBody}\r\n${small}${compact}`, 'latin1');
  const expected = collect([stream]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 })), (sizes) => {
      const chunks: Uint8Array[] = [];
      let at = 0;
      for (const size of sizes) {
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      chunks.push(stream.subarray(at));
      assert.deepEqual(collect(chunks), expected);
    }),
  );
});

test('a body sent byte by byte costs linear time', () => {
  const body = 'x'.repeat(200_000);
  const text = `MESSAGE sip:a SIP/2.0\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`;
  const start = process.threadCpuUsage();
  assert.equal(collect(cut(text, 1)).length, 1);
  assert.ok(process.threadCpuUsage(start).user < 2_000_000);
});

test('[S5626-5.4-02] line ends are pings and pongs wherever the pieces are cut', () => {
  const table: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['\r\n\r\n\r\n\r\n'], ['ping', 'ping']],
    [['\r\n', '\r\n'], ['ping']],
    [['\r', '\n\r', '\n'], ['ping']],
    [['\r\n'], []],
    [
      ['\r\n', small],
      ['pong', small],
    ],
    [
      ['\r\n\r', `\n${small}`],
      ['ping', small],
    ],
    [
      ['\r\n\r\n\r\n', small],
      ['ping', 'pong', small],
    ],
    [[`${small}\r\n${small}`], [small, 'pong', small]],
    [['\r\n\r', 'x'], ['pong']],
  ];
  for (const [pieces, expected] of table) {
    assert.deepEqual(collect(pieces.map((piece) => Buffer.from(piece))), expected);
  }
});

test('the header may have 64 kB before its end is known', () => {
  const header = 'a'.repeat(65_536);
  assert.deepEqual(collect([Buffer.from(header)]), []);
  assert.deepEqual(collect([Buffer.from(`${header}a`)]), ['!header-too-large']);
  assert.deepEqual(collect(cut(`${small}${header}a`, 60_000)), [small, '!header-too-large']);
});

test('the largest body is a body; lengths may be repeated, padded and folded', () => {
  const message = (length: string, body: string): string =>
    `MESSAGE sip:a SIP/2.0\r\nContent-Length:${length}\r\n\r\n${body}`;
  const largest = message('262144', 'x'.repeat(262_144));
  assert.deepEqual(collect(cut(`${largest}${small}`, 100_000)), [largest, small]);
  for (const length of ['\t3 ', ' 0003', '\r\n 3', '\r\n\t3', ' 3\r\nl: 3', ' 3\r\nL\t: 3']) {
    assert.deepEqual(collect([Buffer.from(message(length, 'abc') + small)]), [
      message(length, 'abc'),
      small,
    ]);
  }
  const other = 'MESSAGE sip:a SIP/2.0\r\nX-Content-Length: 9\r\nX: l: 9\r\n\r\n';
  assert.deepEqual(collect([Buffer.from(other + small)]), [other, small]);
});

test('the empty line of one message is not made of the end of the one before', () => {
  const bodyOf = (text: string): string =>
    `MESSAGE sip:a SIP/2.0\r\nl: ${String(text.length)}\r\n\r\n${text}`;
  const first = bodyOf('x\r\n');
  const stream = `${first}\nA\r\n\r\n`;
  for (const size of [1, 5, 1000]) {
    assert.deepEqual(collect(cut(stream, size)), [first, '\nA\r\n\r\n']);
  }
});
