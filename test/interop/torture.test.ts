/** Every message of RFC 4475 and RFC 5118 against running boxes, over UDP and over TCP. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startLab, type Lab } from './support/lab.ts';
import { createTortureClient, type Fate, type TortureClient } from './support/torture-client.ts';

const domain = 'example.com';
const aliases = [
  'example.net',
  'example.org',
  'chair-dnrc.example.com',
  'services.example.com',
  'registrar.example.com',
  'host.example.net',
  '[2001:db8::10]',
  '[2001:db8::192.0.2.1]',
];
const callees = ['user', 'vivekg', 'kumiko', 'UserB', 'remote-target', 'user;par=u%40example.net'];

/** `copy`: reaches the callee. A number: answered so, reaching nobody. `nothing`: dropped. */
type Outcome = 'copy' | 'nothing' | number | readonly (number | 'copy')[];

interface Row {
  /** Absent: the row is shown by a unit test, here only that nothing breaks. */
  readonly id?: string;
  readonly message: string;
  readonly udp: Outcome;
  /** When it is another one than over UDP. */
  readonly tcp?: Outcome;
  /** Over TCP the end of the message is not known: the connection is closed. */
  readonly closes?: true;
}

const rows: readonly Row[] = [
  { id: 'S4475-3.1.1.1-01', message: 'rfc4475/wsinv', udp: 'copy' },
  { id: 'S4475-3.1.1.2-01', message: 'rfc4475/intmeth', udp: 404 },
  { id: 'S4475-3.1.1.3-01', message: 'rfc4475/esc01', udp: 404 },
  // No certificate can carry a name with NUL.
  { message: 'rfc4475/escnull', udp: 403 },
  { id: 'S4475-3.1.1.5-01', message: 'rfc4475/esc02', udp: [404, 405, 501] },
  { id: 'S4475-3.1.1.6-01', message: 'rfc4475/lwsdisp', udp: 'copy' },
  { id: 'S4475-3.1.1.7-01', message: 'rfc4475/longreq', udp: 'copy' },
  { id: 'S4475-3.1.1.8-01', message: 'rfc4475/dblreq', udp: 200 },
  { id: 'S4475-3.1.1.9-01', message: 'rfc4475/semiuri', udp: 'copy' },
  { id: 'S4475-3.1.1.10-01', message: 'rfc4475/transports', udp: 'copy' },
  { id: 'S4475-3.1.1.11-01', message: 'rfc4475/mpart01', udp: 'copy' },
  { id: 'S4475-3.1.1.12-01', message: 'rfc4475/unreason', udp: 'nothing' },
  { id: 'S4475-3.1.1.13-01', message: 'rfc4475/noreason', udp: 'nothing' },
  { id: 'S4475-3.1.2.1-01', message: 'rfc4475/badinv01', udp: 400 },
  { id: 'S4475-3.1.2.2-01', message: 'rfc4475/clerr', udp: 400, tcp: 'nothing' },
  { id: 'S4475-3.1.2.3-01', message: 'rfc4475/ncl', udp: 400, closes: true },
  { id: 'S4475-3.1.2.4-01', message: 'rfc4475/scalar02', udp: 400 },
  { id: 'S4475-3.1.2.5-01', message: 'rfc4475/scalarlg', udp: 'nothing' },
  { id: 'S4475-3.1.2.6-01', message: 'rfc4475/quotbal', udp: 400 },
  { id: 'S4475-3.1.2.7-01', message: 'rfc4475/ltgtruri', udp: 400 },
  { id: 'S4475-3.1.2.8-01', message: 'rfc4475/lwsruri', udp: 400 },
  { id: 'S4475-3.1.2.9-01', message: 'rfc4475/lwsstart', udp: 400 },
  { id: 'S4475-3.1.2.10-01', message: 'rfc4475/trws', udp: 400 },
  { id: 'S4475-3.1.2.11-01', message: 'rfc4475/escruri', udp: [400, 'copy'] },
  { id: 'S4475-3.1.2.12-01', message: 'rfc4475/baddate', udp: 'copy' },
  { id: 'S4475-3.1.2.13-01', message: 'rfc4475/regbadct', udp: 400 },
  { id: 'S4475-3.1.2.14-01', message: 'rfc4475/badaspec', udp: 400 },
  // Its header does not end: over TCP the rest is waited for.
  { id: 'S4475-3.1.2.15-01', message: 'rfc4475/baddn', udp: 400, tcp: 'nothing' },
  { id: 'S4475-3.1.2.16-01', message: 'rfc4475/badvers', udp: 505 },
  { id: 'S4475-3.1.2.17-01', message: 'rfc4475/mismatch01', udp: 400 },
  { id: 'S4475-3.1.2.18-01', message: 'rfc4475/mismatch02', udp: [400, 501] },
  { id: 'S4475-3.1.2.19-01', message: 'rfc4475/bigcode', udp: 'nothing' },
  { id: 'S4475-3.2.1-01', message: 'rfc4475/badbranch', udp: [400, 'copy'] },
  { id: 'S4475-3.3.1-01', message: 'rfc4475/insuf', udp: 400 },
  { id: 'S4475-3.3.2-01', message: 'rfc4475/unkscm', udp: 416 },
  { id: 'S4475-3.3.3-01', message: 'rfc4475/novelsc', udp: 416 },
  { id: 'S4475-3.3.4-01', message: 'rfc4475/unksm2', udp: 400 },
  { id: 'S4475-3.3.5-01', message: 'rfc4475/bext01', udp: 420 },
  { id: 'S4475-3.3.6-01', message: 'rfc4475/invut', udp: 'copy' },
  { id: 'S4475-3.3.8-01', message: 'rfc4475/multi01', udp: 400 },
  { id: 'S4475-3.3.9-01', message: 'rfc4475/mcl01', udp: 400, closes: true },
  { id: 'S4475-3.3.10-01', message: 'rfc4475/bcast', udp: 'nothing' },
  { id: 'S4475-3.3.11-01', message: 'rfc4475/zeromf', udp: [200, 483] },
  { id: 'S4475-3.3.12-01', message: 'rfc4475/cparam01', udp: 200 },
  { id: 'S4475-3.3.13-01', message: 'rfc4475/cparam02', udp: 200 },
  { id: 'S4475-3.3.14-01', message: 'rfc4475/regescrt', udp: 200 },
  { id: 'S4475-3.3.15-01', message: 'rfc4475/sdp01', udp: 'copy' },
  { id: 'S4475-3.4.1-01', message: 'rfc4475/inv2543', udp: 'copy' },
  { id: 'S5118-4.1-01', message: 'rfc5118/ipv6-good', udp: 200 },
  { id: 'S5118-4.2-01', message: 'rfc5118/ipv6-bad', udp: 400 },
  { id: 'S5118-4.3-01', message: 'rfc5118/port-ambiguous', udp: [403, 404, 421] },
  { id: 'S5118-4.4-01', message: 'rfc5118/port-unambiguous', udp: [200, 404, 421] },
  { id: 'S5118-4.5-01', message: 'rfc5118/via-received-param-with-delim', udp: [404, 405, 481] },
  { id: 'S5118-4.5-02', message: 'rfc5118/via-received-param-no-delim', udp: 200 },
  { id: 'S5118-4.6-01', message: 'rfc5118/ipv6-in-sdp', udp: 'copy' },
  { id: 'S5118-4.7-01', message: 'rfc5118/mult-ip-in-header', udp: 'copy' },
  { id: 'S5118-4.8-01', message: 'rfc5118/mult-ip-in-sdp', udp: 'copy' },
  { id: 'S5118-4.9-01', message: 'rfc5118/ipv4-mapped-ipv6', udp: 'copy' },
  { id: 'S5118-4.10-01', message: 'rfc5118/ipv6-bug-abnf-3-colons', udp: 'copy' },
  { id: 'S5118-4.10-02', message: 'rfc5118/ipv6-correct-abnf-2-colons', udp: 'copy' },
];

/**
 * Many of them share a branch; here each gets a transaction of its own. A Route to a host of the
 * example's own network (mpart01, wsinv) is left out: nobody relays for strangers.
 */
function load(message: string): Buffer {
  const text = readFileSync(new URL(`../vectors/${message}.dat`, import.meta.url), 'latin1');
  const own = message.replace('/', '');
  return Buffer.from(
    text
      .replace(/(branch=z9hG4bK[^\s;,]+)/, `$1${own}`)
      .replace(/^Route *: *<sip:127\.0\.0\.1:5080>\r\n/m, '')
      .replace(/^route\s*:\r\n <sip:services\.example\.com;.*\r\n/im, ''),
    'latin1',
  );
}

function bodyOf(message: Buffer): Buffer {
  const at = message.indexOf('\r\n\r\n');
  return at < 0 ? Buffer.alloc(0) : message.subarray(at + 4);
}

function outcomeOf(fate: Fate): 'copy' | 'nothing' | number {
  if (fate.copies.length > 0) return 'copy';
  return fate.answers[0] ?? 'nothing';
}

describe('torture messages', () => {
  let lab: Lab;
  const clients: Partial<Record<'udp' | 'tcp', TortureClient>> = {};
  before(async () => {
    const config = join(temporaryFolder('torture'), 'lab.json');
    writeFileSync(config, JSON.stringify({ sip: { authenticate: false, aliases } }));
    lab = await startLab({ adapters: 2, domain, config });
    for (const [transport, k] of [
      ['udp', 1],
      ['tcp', 2],
    ] as const) {
      const client = await createTortureClient({
        transport,
        box: `127.0.0.${10 + k}`,
        address: `127.0.0.${70 + k}`,
        calleeAddress: `127.0.0.${80 + k}`,
        domain,
      });
      clients[transport] = client;
      for (const user of callees) await client.serve(user);
    }
  });
  after(async () => {
    clients.udp?.close();
    clients.tcp?.close();
    await lab.stop();
  });

  for (const transport of ['udp', 'tcp'] as const) {
    for (const row of rows) {
      const expected = (transport === 'tcp' ? row.tcp : undefined) ?? row.udp;
      const cited = row.id === undefined ? '' : `[${row.id}] `;
      test(`${cited}${row.message} over ${transport}`, async () => {
        const client = clients[transport];
        assert.ok(client !== undefined);
        const message = load(row.message);
        const fate = await client.send(message, expected === 'nothing' ? 250 : 2000);
        const allowed = Array.isArray(expected) ? expected : [expected];
        assert.ok(
          allowed.includes(outcomeOf(fate)),
          `${String(outcomeOf(fate))}, expected ${allowed.join(' or ')}\n${fate.rawAnswers.join('')}`,
        );
        // Without Content-Length a body cannot be told from what follows on a connection.
        if (transport === 'udp' || /^(content-length|l) *:/im.test(message.toString('latin1'))) {
          for (const copy of fate.copies) assert.deepEqual(bodyOf(copy), bodyOf(message));
        }
        if (row.closes && transport === 'tcp') assert.ok(fate.closed, 'the connection is closed');
        assert.equal(await client.alive(), 200);
      });
    }
  }

  test('no box has ended or restarted', async () => {
    for (const { adapter, pid } of lab.adapters) {
      assert.ok('nodeId' in (await lab.status(adapter)));
      process.kill(pid, 0);
    }
  });
});
