/** Our codec beside npm `sip`: the divergences are those of docs/differential.md, no more and no fewer. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { differences, otherReading, ourReading } from './reading.ts';

function divergencesFound(): string[] {
  const found: string[] = [];
  for (const folder of ['rfc4475', 'rfc5118']) {
    const directory = new URL(`./${folder}/`, import.meta.url);
    for (const file of readdirSync(directory).filter((name) => name.endsWith('.dat'))) {
      const bytes = readFileSync(new URL(file, directory));
      for (const field of differences(ourReading(bytes), otherReading(bytes))) {
        found.push(`${file.slice(0, -4)}: ${field}`);
      }
    }
  }
  return found.sort();
}

test('the torture messages are read differently only where the table says so', () => {
  const table = readFileSync(new URL('../../docs/differential.md', import.meta.url), 'utf8');
  const rows = table
    .split('\n')
    .filter((line) => /^\| /.test(line) && !/^\| (message|-)/.test(line));
  const told = rows.map((line) => {
    const [, message = '', field = ''] = line.split('|').map((cell) => cell.trim());
    return `${message}: ${field}`;
  });
  assert.deepEqual(divergencesFound(), told.sort());
});

const word = fc.stringMatching(/^[a-z][a-z0-9.-]{0,10}[a-z0-9]$/);
const host = fc.oneof(word, fc.ipV4());
const port = fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined });
const uri = fc
  .tuple(fc.constantFrom('sip', 'sips'), word, host, port, fc.constantFrom('', ';lr', ';x=1'))
  .map(([scheme, user, at, number, parameters]) => {
    return `${scheme}:${user}@${at}${number === undefined ? '' : `:${number}`}${parameters}`;
  });
const display = fc.constantFrom('', 'Alice ', '"Bob, the \\"B\\"" ', '"<sip:x@y>" ');
const address = fc.tuple(display, uri).map(([name, at]) => `${name}<${at}>`);
const via = fc
  .tuple(fc.constantFrom('UDP', 'TCP', 'TLS', 'WS'), host, port, word)
  .map(([transport, at, number, branch]) => {
    return `SIP/2.0/${transport} ${at}${number === undefined ? '' : `:${number}`};branch=z9hG4bK${branch};rport`;
  });
const headerName = (long: string, short: string) =>
  fc.constantFrom(long, short, long.toUpperCase());
const message = fc
  .record({
    method: fc.constantFrom('INVITE', 'REGISTER', 'MESSAGE', 'x.y-z'),
    status: fc.option(fc.integer({ min: 100, max: 699 }), { nil: undefined }),
    reason: fc.constantFrom('OK', '', 'Not Found', 'a;b,c'),
    target: uri,
    vias: fc.array(via, { minLength: 1, maxLength: 4 }),
    joined: fc.boolean(),
    from: address,
    to: address,
    tags: fc.tuple(word, fc.option(word, { nil: undefined })),
    contacts: fc.array(address, { maxLength: 3 }),
    callId: word,
    cseq: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    viaName: headerName('Via', 'v'),
    fromName: headerName('From', 'f'),
    contactName: headerName('Contact', 'm'),
    body: fc.stringMatching(/^[ -~]{0,40}$/),
  })
  .map((parts) => {
    const [fromTag, toTag] = parts.tags;
    const start =
      parts.status === undefined
        ? `${parts.method} ${parts.target} SIP/2.0`
        : `SIP/2.0 ${parts.status} ${parts.reason}`;
    const vias = parts.joined ? [parts.vias.join(', ')] : parts.vias;
    return Buffer.from(
      [
        start,
        ...vias.map((value) => `${parts.viaName}: ${value}`),
        `${parts.fromName}: ${parts.from};tag=${fromTag}`,
        `To: ${parts.to}${toTag === undefined ? '' : `;tag=${toTag}`}`,
        ...parts.contacts.map((value) => `${parts.contactName} : ${value};q=0.5`),
        `Call-ID: ${parts.callId}`,
        `CSeq: ${parts.cseq} ${parts.method}`,
        'Max-Forwards: 70',
        `Content-Length: ${parts.body.length}`,
        '',
        parts.body,
      ].join('\r\n'),
      'latin1',
    );
  });

test('messages of everyday shape are read alike', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      const ours = ourReading(bytes);
      assert.equal(ours.get('refused'), undefined);
      assert.deepEqual(differences(ours, otherReading(bytes)), []);
    }),
    { numRuns: 300, seed: 4475 },
  );
});
