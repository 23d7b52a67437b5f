/** Boxes whose links run over UDP: DTLS with ICE, and without. Phones call each other across them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { completeCall, startPhone, type Phone } from './support/baresip.ts';
import { startLab, type Lab } from './support/lab.ts';
import { runSipp } from './support/sipp.ts';
import { without } from './support/tools.ts';
import { rows, startCapture, type Capture } from './support/tshark.ts';

interface Datagram {
  readonly from: string;
  readonly to: string;
  readonly isStun: boolean;
  readonly isDtls: boolean;
  /** Of a Binding request: control, controlled, nomination, integrity. */
  readonly attributes: readonly number[];
}

const attribute = { controlled: 0x8029, controlling: 0x802a, messageIntegrity: 0x0008 };

for (const links of ['dtls-ice', 'dtls', 'tls+dtls'] as const) {
  describe(
    `a lab of three with links ${links}`,
    { skip: without('baresip', 'sipp', 'tshark') },
    () => {
      let lab: Lab;
      let capture: Capture;
      const folder = temporaryFolder('chordial-links');
      const files = { capture: join(folder, 'lab.pcapng'), keylog: join(folder, 'keys.log') };
      const phones: Phone[] = [];

      before(async () => {
        capture = await startCapture(files.capture, 'udp and not port 5060 or tcp port 6084');
        lab = await startLab({ adapters: 3, links, keylog: files.keylog });
      });
      after(async () => {
        for (const phone of phones) phone.kill();
        capture.kill();
        await lab.stop();
      });

      async function phone(user: string, k: number, port: number): Promise<Phone> {
        const started = await startPhone({
          user,
          password: `${user}pw`,
          domain: lab.domain,
          proxy: `127.0.0.${10 + k}:5060`,
          transport: 'udp',
          port,
        });
        phones.push(started);
        await started.registered();
        return started;
      }

      test('alice calls bob at another box, and bob calls alice', async () => {
        const alice = await phone('alice', 1, 7000);
        const bob = await phone('bob', 2, 7004);
        const incoming = await completeCall(alice, bob, `sip:bob@${lab.domain}`, 'caller');
        assert.match(incoming.peeruri ?? '', /^sip:alice@lab\.example/);
        await completeCall(bob, alice, `sip:alice@${lab.domain}`, 'callee');
        await alice.quit();
        await bob.quit();
      });

      test('a hundred calls, forty a second, come through one connection', async () => {
        const register = await runSipp({
          scenario: 'register.xml',
          proxy: '127.0.0.13:5060',
          port: 6070,
          args: [
            ...['-s', 'dave', '-key', 'domain', lab.domain, '-au', 'dave', '-ap', 'davepw'],
            ...['-key', 'contact', 'sip:dave@127.0.0.1:6062', '-key', 'exp', '60'],
          ],
        });
        assert.equal(register.status, 0, register.output);
        const calls = ['-m', '100', '-r', '40'];
        const callee = runSipp({
          scenario: 'uas.xml',
          port: 6062,
          timeoutS: 40,
          args: ['-mi', '127.0.0.1', '-mp', '6100', '-rtp_echo', ...calls],
        });
        const caller = await runSipp({
          scenario: 'uac.xml',
          proxy: '127.0.0.11:5060',
          port: 6072,
          timeoutS: 40,
          args: [
            ...['-mi', '127.0.0.1', '-mp', '6300', '-s', 'dave', '-key', 'domain', lab.domain],
            ...['-key', 'user', 'carol', '-au', 'carol', '-ap', 'carolpw', ...calls],
          ],
        });
        assert.equal(caller.status, 0, caller.output);
        assert.equal((await callee).status, 0);
        const status = (await lab.status(1)) as { connections: { open: unknown[] } };
        assert.ok(status.connections.open.length <= 2);
      });

      if (links === 'dtls-ice') {
        test('checks come before DTLS, in the roles of Attach', async () => {
          await capture.finish();
          const datagrams = await datagramsOf(files.capture);
          const paths = pathsOf(datagrams).filter(([first]) => !isPort(first, 6084));
          assert.ok(paths.length >= 2, 'paths found by ICE');
          for (const path of paths) {
            const [first] = path;
            const requests = path.filter(({ attributes }) => attributes.length > 0);
            assert.ok(first?.isStun === true && requests.length > 0);
            for (const { attributes } of requests) {
              assert.ok(attributes.includes(attribute.messageIntegrity));
              const roles = [attribute.controlling, attribute.controlled];
              assert.equal(roles.filter((role) => attributes.includes(role)).length, 1);
            }
            const hello = path.find(({ isDtls }) => isDtls);
            const controlled = requests.find(({ attributes }) =>
              attributes.includes(attribute.controlled),
            );
            assert.ok(hello !== undefined);
            // The answerer of the Attach is controlled, and the client of DTLS.
            if (controlled !== undefined) assert.equal(hello.from, controlled.from);
          }
          // A data frame of §6.6.2 around a message that begins with the RELOAD token.
          const frames = (await plainFrames(files)).filter((hex) => /^80.{14}d2454c4f/.test(hex));
          assert.ok(frames.length > 10, `${frames.length} frames with RELOAD messages`);
        });
      }

      if (links === 'dtls') {
        test('neither checks nor keep-alives are sent', async () => {
          await capture.finish();
          const datagrams = await datagramsOf(files.capture);
          assert.ok(datagrams.filter(({ isDtls }) => isDtls).length > 50);
          assert.deepEqual(
            datagrams.filter(({ isStun }) => isStun),
            [],
          );
        });
      }

      if (links === 'tls+dtls') {
        test('where both are known the stream is taken', async () => {
          await capture.finish();
          // A bootstrap node that takes no streams yet may be reached by datagrams: the link that
          // an Attach made between the other two boxes is looked at, and the connections for SIP.
          const between = 'tcp.port == 6084 && ip.addr == 127.0.0.12 && ip.addr == 127.0.0.13';
          const tcp = await rows(['-r', files.capture, '-Y', between], ['frame.number']);
          assert.ok(tcp.length > 20, `${tcp.length} segments`);
          const datagrams = (await datagramsOf(files.capture)).filter(({ isDtls }) => isDtls);
          assert.deepEqual(
            datagrams.filter((datagram) => !isPort(datagram, 6084)),
            [],
          );
          const bootstrap = '127.0.0.11:';
          assert.deepEqual(
            datagrams.filter(({ from, to }) => !`${from} ${to}`.includes(bootstrap)),
            [],
          );
        });
      }
    },
  );
}

async function datagramsOf(capture: string): Promise<Datagram[]> {
  const found = await rows(
    ['-r', capture, '-Y', 'udp', '-d', 'udp.port==6084,dtls'],
    [
      ...['ip.src', 'udp.srcport', 'ip.dst', 'udp.dstport', 'frame.protocols'],
      ...['stun.type', 'stun.att.type'],
    ],
  );
  return found.map(([source, from, target, to, protocols = '', type, attributes = '']) => ({
    from: `${source ?? ''}:${from ?? ''}`,
    to: `${target ?? ''}:${to ?? ''}`,
    isStun: protocols.includes('stun'),
    isDtls: protocols.includes('dtls'),
    attributes: type === '0x0001' || type === '0x00000001' ? attributes.split(',').map(Number) : [],
  }));
}

/** The datagrams between two addresses, for all pairs of them that spoke DTLS. */
function pathsOf(datagrams: readonly Datagram[]): Datagram[][] {
  const paths = new Map<string, Datagram[]>();
  for (const datagram of datagrams) {
    const key = [datagram.from, datagram.to].sort().join(' ');
    paths.set(key, [...(paths.get(key) ?? []), datagram]);
  }
  return [...paths.values()].filter((path) => path.some(({ isDtls }) => isDtls));
}

function isPort(datagram: Datagram | undefined, port: number): boolean {
  const end = `:${String(port)}`;
  return datagram?.from.endsWith(end) === true || datagram?.to.endsWith(end) === true;
}

/** What tshark decrypts on the link port, as hexadecimal. */
async function plainFrames(files: { capture: string; keylog: string }): Promise<string[]> {
  const found = await rows(
    [
      ...['-r', files.capture, '-o', `tls.keylog_file:${files.keylog}`],
      ...['-d', 'udp.port==6084,dtls', '-d', 'dtls.port==6084,data', '-Y', 'dtls and data'],
    ],
    ['data.data'],
  );
  return found.flat();
}
