/** What operators do to a box: wrong settings, taken ports, damaged files, signals, the admin port. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { truncateSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Script } from 'node:vm';
import { createSipLoad } from '../../bench/load/sip-client.ts';
import { at, chordial, newDirectory, startBox, type RunningBox } from './support/box.ts';
import { startLab, type Lab } from './support/lab.ts';
import { sleep, until } from './support/wait.ts';

const address = '127.0.0.31';

/** One line, no stack, within bounds of patience. */
function isSentence(stderr: string): void {
  const own = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  assert.equal(own.length, 1, stderr);
  assert.match(own[0]!, /^chordial: /);
}

describe('one box', () => {
  const dir = newDirectory();
  const boxes: RunningBox[] = [];

  before(async () => {
    const created = await chordial(['init', '--dir', dir, ...at(address)]);
    assert.equal(created.code, 0, created.stderr);
  });

  after(async () => {
    await Promise.all(boxes.map(async (box) => await box.stop('SIGKILL')));
  });

  describe('settings that are wrong', () => {
    for (const [file, text, expected] of [
      ['port.yaml', 'sip:\n  port: loud\n', [/sip\.port/, /loud/, /integer/]],
      ['port-text.yaml', 'sip:\n  port: 50x60\n', [/sip\.port/, /50x60/, /integer/]],
      ['level.yaml', 'log:\n  level: noisy\n', [/log\.level/, /noisy/, /debug/]],
      ['bool.json', '{"authority":{"enabled":"perhaps"}}', [/authority\.enabled/, /perhaps/]],
      ['group.yaml', 'sip: 5060\n', [/sip/, /5060/]],
      [
        'digest.yaml',
        'sip:\n  digest: [SHA-1]\n',
        [/sip\.digest/, /SHA-1/, /MD5, SHA-256 and SHA-512-256/],
      ],
      ['unknown.yaml', 'sip:\n  prot: 5060\n', [/unknown setting "sip\.prot"/]],
      ['broken.yaml', 'sip: [\n', [/broken\.yaml/]],
      ['broken.json', '{"sip":', [/broken\.json/]],
      ['list.yaml', '- 1\n- 2\n', [/key: value/]],
      ['big.yaml', 'sip:\n  port: 70000\n', [/sip\.port/, /70000/, /65535/]],
      ['listener.yaml', 'sip:\n  listeners: [{name: x}]\n', [/sip\.listeners/, /transport/]],
    ] as const) {
      test(file, async () => {
        const path = join(dir, '..', file);
        writeFileSync(path, text);
        const failed = await chordial(['start', '--dir', dir, '--config', path]);
        assert.equal(failed.code, 2, failed.stderr);
        isSentence(failed.stderr);
        assert.ok(failed.stderr.includes(path), failed.stderr);
        for (const pattern of expected) assert.match(failed.stderr, pattern);
      });
    }

    test('a settings file that does not exist', async () => {
      const failed = await chordial(['start', '--dir', dir, '--config', '/nowhere/at/all.yaml']);
      assert.equal(failed.code, 2);
      isSentence(failed.stderr);
      assert.match(failed.stderr, /\/nowhere\/at\/all\.yaml/);
    });

    test('a box that is no member', async () => {
      const failed = await chordial(['start', '--dir', newDirectory(), ...at(address)]);
      assert.equal(failed.code, 2);
      isSentence(failed.stderr);
      assert.match(failed.stderr, /chordial init.*chordial join/);
    });
  });

  describe('a port in use', () => {
    for (const [setting, transport, port] of [
      ['sip.port', 'udp', 5060],
      ['sip.port', 'tcp', 5060],
      ['sip.tlsPort', 'tcp', 5061],
      ['sip.wsPort', 'tcp', 5066],
      ['link.port', 'tcp', 6084],
      ['link.sipPort', 'tcp', 6085],
      ['link.sipsPort', 'tcp', 6086],
      ['admin.port', 'tcp', 8080],
      ['authority.port', 'tcp', 8443],
    ] as const) {
      test(`${setting} (${transport})`, async () => {
        const release = await occupy(transport, port);
        try {
          const failed = await chordial(['start', '--dir', dir]);
          assert.equal(failed.code, 1, failed.stderr);
          isSentence(failed.stderr);
          assert.ok(failed.stderr.includes(setting), failed.stderr);
          assert.ok(failed.stderr.includes(`${address}:${port}`), failed.stderr);
          assert.match(failed.stderr, /in use/);
          assert.ok(failed.ms < 8000);
        } finally {
          await release();
        }
      });
    }
  });

  describe('damage', () => {
    before(async () => {
      // Some life, so that there is something to lose.
      const box = startBox(['start', '--dir', dir]);
      boxes.push(box);
      await box.says('"serving"');
      const added = await chordial(['user', 'add', 'alice', '--password-stdin', '--dir', dir], {
        input: 'alicepw\n',
      });
      assert.equal(added.code, 0, added.stderr);
      const phone = await createSipLoad({
        address: '127.0.0.1',
        port: 0,
        boxAddress: address,
        boxPort: 5060,
        domain: 'lab.example',
      });
      await until(
        'alice registers',
        async () => (await phone.register('alice', 'alicepw', 'alice')) === 200,
      );
      phone.close();
      assert.equal((await box.stop()).code, 0);
    });

    const largest = (folder: string): string => {
      const files = readdirSync(folder).filter((name) => /\.(?:log|ldb)$/.test(name));
      const sizes = files.map((name) => ({ name, size: statSync(join(folder, name)).size }));
      return join(folder, sizes.sort((a, b) => b.size - a.size)[0]!.name);
    };
    const scramble = (file: string): void => {
      const bytes = readFileSync(file);
      for (let at = 20; at < Math.min(bytes.length, 400); at++) bytes[at] = bytes[at]! ^ 0x55;
      writeFileSync(file, bytes);
    };

    for (const [what, store, harm] of [
      ['overwritten records', 'store', (folder: string) => scramble(largest(folder))],
      ['a missing CURRENT', 'store', (folder: string) => rmSync(join(folder, 'CURRENT'))],
      [
        'an empty manifest',
        'store',
        (folder: string) => {
          const manifest = readdirSync(folder).find((name) => name.startsWith('MANIFEST'))!;
          truncateSync(join(folder, manifest), 0);
        },
      ],
      ['overwritten records', 'authority', (folder: string) => scramble(largest(folder))],
      ['a missing CURRENT', 'authority', (folder: string) => rmSync(join(folder, 'CURRENT'))],
    ] as const) {
      test(`${what} in ${store}: refuses to start and says what to do`, async () => {
        const copy = newDirectory();
        cpSync(dir, copy, { recursive: true });
        harm(join(copy, store));
        const failed = await chordial(['start', '--dir', copy]);
        assert.equal(failed.code, 1, failed.stderr);
        isSentence(failed.stderr);
        assert.ok(failed.stderr.includes(join(copy, store)), failed.stderr);
        assert.match(failed.stderr, /damaged/);
        assert.match(failed.stderr, /backup/);
        const advice = store === 'store' ? /move .* away/ : /init|new overlay/;
        assert.match(failed.stderr, advice);
      });
    }

    for (const [file, text] of [
      ['member/account.json', '{"url":1}'],
      ['member/node.key', 'no key'],
      ['member/node.der', 'no certificate'],
      ['member/overlay.relo', '<overlay/>'],
    ] as const) {
      test(`a damaged ${file} is named, with advice`, async () => {
        const copy = newDirectory();
        cpSync(dir, copy, { recursive: true });
        writeFileSync(join(copy, file), text);
        const failed = await chordial(['start', '--dir', copy]);
        assert.equal(failed.code, 1, failed.stderr);
        isSentence(failed.stderr);
        assert.ok(failed.stderr.includes(join(copy, file)), failed.stderr);
        assert.match(failed.stderr, /join again with a new token/);
      });
    }

    test('a moved-away store comes back by itself', async () => {
      const copy = newDirectory();
      cpSync(dir, copy, { recursive: true });
      rmSync(join(copy, 'store'), { recursive: true });
      const box = startBox(['start', '--dir', copy]);
      boxes.push(box);
      await box.says('"serving"');
      const phone = await createSipLoad({
        address: '127.0.0.1',
        port: 0,
        boxAddress: address,
        boxPort: 5060,
        domain: 'lab.example',
      });
      await until(
        'alice registers',
        async () => (await phone.register('alice', 'alicepw', 'alice')) === 200,
      );
      phone.close();
      assert.equal((await box.stop()).code, 0);
    });

    test('two boxes on one directory: the second says so', async () => {
      const box = startBox(['start', '--dir', dir]);
      boxes.push(box);
      await box.says('"serving"');
      const failed = await chordial(['start', '--dir', dir, ...at('127.0.0.32')]);
      assert.equal(failed.code, 1);
      isSentence(failed.stderr);
      assert.match(failed.stderr, /in use by another process/);
      assert.equal((await box.stop()).code, 0);
    });
  });

  describe('the admin port', () => {
    const base = `http://${address}:8080`;
    let box: RunningBox;
    let bearer: Record<string, string>;

    before(async () => {
      box = startBox(['start', '--dir', dir]);
      boxes.push(box);
      await box.says('"serving"');
      bearer = { authorization: `Bearer ${readFileSync(join(dir, 'admin.token'), 'utf8').trim()}` };
    });
    after(async () => {
      await box.stop();
    });

    test('/health, /api/status, /api/ring and the dashboard are open', async () => {
      const health = await fetch(`${base}/health`);
      assert.equal(health.status, 200);
      assert.deepEqual(await health.json(), { status: 'ok' });
      const status = (await (await fetch(`${base}/api/status`)).json()) as Record<string, unknown>;
      assert.deepEqual(status['roles'], ['authority', 'adapter']);
      assert.equal(typeof status['uptimeS'], 'number');
      assert.equal((await fetch(`${base}/api/ring`)).status, 200);
      const page = await fetch(`${base}/`);
      assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
      const script = /<script>([^]*)<\/script>/.exec(await page.text())?.[1];
      assert.ok(script !== undefined && new Script(script), 'the script of the page can be parsed');
    });

    test('/metrics is Prometheus text', async () => {
      const response = await fetch(`${base}/metrics`);
      assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
      const text = await response.text();
      const lines = text.trimEnd().split('\n');
      for (const line of lines) {
        assert.match(line, /^(?:#.*|chordial_\w+(?:\{[^}]*\})? [-+0-9.eNaInf]+)?$/);
      }
      assert.match(text, /^# TYPE chordial_sip_\w+ (?:counter|gauge)$/m);
      assert.match(text, /^chordial_process_cpu_seconds_total/m);
    });

    test('accounts and tokens need the bearer token', async () => {
      for (const [method, path] of [
        ['GET', '/api/users'],
        ['POST', '/api/users'],
        ['POST', '/api/users/alice/password'],
        ['POST', '/api/users/alice/disable'],
        ['POST', '/api/users/alice/enable'],
        ['DELETE', '/api/users/alice'],
        ['GET', '/api/tokens'],
        ['POST', '/api/tokens'],
        ['DELETE', '/api/tokens/0'],
      ] as const) {
        assert.equal((await fetch(base + path, { method })).status, 401, `${method} ${path}`);
        const wrong = { authorization: 'Bearer wrong' };
        assert.equal((await fetch(base + path, { method, headers: wrong })).status, 401);
      }
      const listed = await fetch(`${base}/api/users`, { headers: bearer });
      assert.equal(listed.status, 200);
      assert.ok(Array.isArray(await listed.json()));
    });

    test('wrong paths, methods, bodies and sizes are refused', async () => {
      assert.equal((await fetch(`${base}/nowhere`)).status, 404);
      assert.equal((await fetch(`${base}/health`, { method: 'POST' })).status, 405);
      assert.equal((await fetch(`${base}/api/users`, { method: 'PUT' })).status, 405);
      assert.equal((await fetch(`${base}/api/lookup`)).status, 400);
      const post = async (body: string): Promise<number> =>
        (await fetch(`${base}/api/users`, { method: 'POST', headers: bearer, body })).status;
      assert.equal(await post('not json'), 400);
      assert.equal(await post('[]'), 400);
      assert.equal(await post('{"name":1}'), 400);
      assert.equal(await post(`{"name":"${'x'.repeat(20_000)}"}`), 413);
      const chunked = new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.alloc(20_000, 0x20));
          controller.close();
        },
      });
      const streamed = await fetch(`${base}/api/users`, {
        method: 'POST',
        headers: bearer,
        body: chunked,
        duplex: 'half',
      });
      assert.equal(streamed.status, 413);
    });

    test('a page of another site cannot read or change anything', async () => {
      const response = await fetch(`${base}/api/status`, {
        headers: { origin: 'https://elsewhere.example' },
      });
      assert.equal(response.headers.get('access-control-allow-origin'), null);
    });
  });
});

describe('signals', () => {
  let lab: Lab;
  const sockets: Socket[] = [];

  before(async () => {
    lab = await startLab({ adapters: 3 });
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    for (const { pid } of lab.adapters) {
      if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    }
    await lab.stop();
  });

  test('SIGTERM with phones, silent connections and links: under two seconds, Leave sent, records stay', async () => {
    const phone = await createSipLoad({
      address: '127.0.0.1',
      port: 0,
      boxAddress: '127.0.0.13',
      boxPort: 5060,
      domain: lab.domain,
    });
    assert.equal(await phone.register('alice', 'alicepw', 'alice'), 200);
    phone.close();
    const lookups = async (k: number): Promise<number> => {
      const response = await lab.get(k, `/api/lookup?aor=alice@${lab.domain}`);
      return response.ok ? ((await response.json()) as { targets: [] }).targets.length : 0;
    };
    await until('alice is found', async () => (await lookups(1)) === 1);
    // A phone that says nothing, and a TLS handshake that never begins.
    for (const port of [5060, 5061, 5066]) {
      const socket = connect({ host: '127.0.0.13', port, allowHalfOpen: true });
      socket.on('error', () => undefined);
      sockets.push(socket);
      await new Promise((resolve) => socket.once('connect', resolve));
    }
    const { pid, nodeId } = lab.adapters.find((a) => a.adapter === 3)!;
    const started = performance.now();
    process.kill(pid, 'SIGTERM');
    await until('the process has ended', () => !isAlive(pid), 4000);
    assert.ok(performance.now() - started < 2000, `${performance.now() - started} ms`);
    assert.match(lab.log(3), /"event":"stopped"/);
    for (const k of [1, 2]) {
      assert.match(lab.log(k), new RegExp(`"node":"${nodeId}".*"event":"chord-peer-leaves"`));
    }
    for (const k of [1, 2]) await until('the record stays', async () => (await lookups(k)) === 1);
  });

  test('a second SIGTERM ends at once', async () => {
    const [first, second] = lab.adapters;
    process.kill(first!.pid, 'SIGSTOP');
    process.kill(second!.pid, 'SIGTERM');
    await until('it is stopping', () => lab.log(2).includes('"event":"stopping"'));
    await sleep(50);
    // Without its neighbor the first one still waits for an answer to its Leave.
    assert.ok(isAlive(second!.pid));
    process.kill(second!.pid, 'SIGTERM');
    await until('the process has ended', () => !isAlive(second!.pid), 300);
  });
});

function isAlive(pid: number): boolean {
  // The lab reaps its children late; a zombie has ended.
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !/\) Z /.test(readFileSync(stat, 'latin1'));
}

async function occupy(transport: 'udp' | 'tcp', port: number): Promise<() => Promise<void>> {
  if (transport === 'udp') {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(port, address, resolve));
    return async () => await new Promise((resolve) => socket.close(() => resolve()));
  }
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  return async () => await new Promise((resolve) => server.close(() => resolve()));
}
