/** A box whose phones come by way of a drachtio server, alone in its overlay, with two users. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Box, startBox } from '../../src/cli/box/box.ts';
import { settingsFiles } from '../../src/cli/data-dir.ts';
import { initSelfSigned } from '../../src/cli/self-signed-overlay.ts';
import { loadSettings } from '../../src/node/settings.ts';
import { type EdgePhone, digest } from './edge-phone.ts';
import { type Place, type SipLines, header, headersOf, param } from './sip-lines.ts';
import { temporaryFolder } from './temporary-folder.ts';

export const edgeDomain = 'edge.example';

export interface EdgeBox {
  readonly box: Box;
  /** Where the server sends the requests of phones. */
  readonly core: Place;
  /** A listener of the box's own, beside the server. */
  readonly lan: Place;
  /** What the box says of the server. */
  state(): { readonly connected: boolean; readonly version: string; readonly problem?: string };
  /** A figure by name and the label it has, if any; NaN when there is none. */
  figure(name: string, label?: string): Promise<number>;
  /** Everything that was logged so far. */
  readonly logFile: string;
}

export interface EdgeServer {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  /** UDP address of the hop, `address:port`. */
  readonly hop: string;
}

async function freePort(kind: 'tcp' | 'udp' = 'tcp'): Promise<number> {
  if (kind === 'udp') {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    socket.close();
    return port;
  }
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

export async function startEdgeBox(server: EdgeServer): Promise<EdgeBox> {
  const dir = temporaryFolder('chordial-edge');
  const place = async (): Promise<Place> => ({
    transport: 'udp',
    host: '127.0.0.1',
    port: await freePort('udp'),
  });
  const [core, lan, adminPort] = [await place(), await place(), await freePort()];
  const logFile = join(dir, 'box.log');
  const secretFile = join(dir, 'drachtio.secret');
  writeFileSync(secretFile, `${server.secret}\n`);
  const listener = { name: 'lan', transport: 'udp', address: lan.host, port: lan.port };
  writeFileSync(join(dir, 'chordial.json'), JSON.stringify({ sip: { listeners: [listener] } }));
  const loaded = loadSettings(
    settingsFiles(dir, []),
    {},
    {
      domain: edgeDomain,
      'link.address': '127.0.0.1',
      'link.port': String(await freePort()),
      'link.sipPort': String(await freePort()),
      'link.sipsPort': String(await freePort()),
      'authority.enabled': 'false',
      'admin.port': String(adminPort),
      'log.file': logFile,
      'sip.edge': 'drachtio',
      'sip.drachtio.host': server.host,
      'sip.drachtio.port': String(server.port),
      'sip.drachtio.secretFile': secretFile,
      'sip.drachtio.hop': server.hop,
      'sip.drachtio.listen': `${core.host}:${String(core.port)}`,
    },
  );
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.error);
  const settings = loaded.value;
  const bootstrap = [{ address: '127.0.0.1', port: settings.link.port }];
  await initSelfSigned({ dir, settings, digest: 'sha256', bootstrap });
  const box = await startBox(settings, dir);
  for (const name of ['alice', 'bob']) {
    const added = await box.adapter?.users?.addUser(name, passwordOf(name));
    assert.ok(added?.ok === true, JSON.stringify(added));
  }
  return {
    box,
    core,
    lan,
    logFile,
    state: () => (box.status() as { drachtio: ReturnType<EdgeBox['state']> }).drachtio,
    async figure(name, label) {
      const answer = await fetch(`http://127.0.0.1:${String(adminPort)}/metrics`);
      const labels = label === undefined ? '' : `\\{[^}]*${label}[^}]*\\}`;
      const line = new RegExp(`^\\w*${name}${labels} (\\d+)`, 'm').exec(await answer.text());
      return Number(line?.[1]);
    },
  };
}

export function passwordOf(name: string): string {
  return `${name}-password`;
}

/** Sends an INVITE with credentials; returns it as sent. */
export async function invite(caller: EdgePhone, callee: string): Promise<SipLines> {
  const uri = `sip:${callee}@${edgeDomain}`;
  const callId = `call-${String(Math.random()).slice(2)}`;
  const first = caller.request('INVITE', uri, { callId });
  caller.send(first);
  const challenge = await caller.next('SIP/2.0 407');
  const who = { name: caller.name, password: passwordOf(caller.name), method: 'INVITE', uri };
  const credentials = digest(header(challenge, 'Proxy-Authenticate') ?? '', who);
  const sent = caller.request('INVITE', uri, {
    callId,
    cseq: 2,
    headers: [
      ['Proxy-Authorization', credentials],
      ['Supported', '100rel, timer'],
    ],
  });
  caller.send(sent);
  return sent;
}

/** A call that is answered, changed by the caller and ended by the callee. */
export async function wholeCall(caller: EdgePhone, callee: EdgePhone): Promise<void> {
  const sent = await invite(caller, callee.name);
  const incoming = await callee.next('INVITE');
  assert.equal(incoming.start, `INVITE ${callee.contact} SIP/2.0`);
  assert.ok(!/100rel/.test(header(incoming, 'Supported') ?? ''), 'no reliable provisionals');
  callee.respond(incoming, '180 Ringing');
  await caller.next('SIP/2.0 180');
  callee.respond(incoming, '200 OK');
  const answer = await caller.next('SIP/2.0 200');
  const routes = headersOf(answer, 'Record-Route').reverse();
  assert.equal(headersOf(answer, 'Via').length, 1);
  assert.ok(routes.length >= 3);
  const dialog = {
    to: header(answer, 'To') ?? '',
    callId: header(sent, 'Call-ID') ?? '',
    routes,
  };
  const target = /<(.*)>/.exec(header(answer, 'Contact') ?? '')?.[1] ?? '';
  caller.send(caller.request('ACK', target, { ...dialog, cseq: 2 }));
  const ack = await callee.next('ACK');
  assert.equal(header(ack, 'CSeq'), '2 ACK');

  caller.send(caller.request('INVITE', target, { ...dialog, cseq: 3 }));
  const again = await callee.next('INVITE');
  callee.respond(again, '200 OK');
  await caller.next('SIP/2.0 200');
  caller.send(caller.request('ACK', target, { ...dialog, cseq: 3 }));
  await callee.next('ACK');

  // The other side hangs up, by the routes that it was given.
  const back = callee.request('BYE', caller.contact, {
    callId: dialog.callId,
    fromTag: callee.name,
    to: header(incoming, 'From') ?? '',
    routes: headersOf(incoming, 'Record-Route'),
  });
  callee.send(back);
  const bye = await caller.next('BYE');
  caller.respond(bye, '200 OK');
  await callee.next('SIP/2.0 200');
}

/** A call that the caller gives up while it rings. */
export async function cancelledCall(caller: EdgePhone, callee: EdgePhone): Promise<void> {
  const sent = await invite(caller, callee.name);
  const incoming = await callee.next('INVITE');
  callee.respond(incoming, '180 Ringing');
  await caller.next('SIP/2.0 180');
  const cancel = caller.request('CANCEL', `sip:${callee.name}@${edgeDomain}`, {
    branch: param(header(sent, 'Via'), 'branch') ?? '',
    callId: header(sent, 'Call-ID') ?? '',
    cseq: 2,
  });
  caller.send(cancel);
  await caller.next('SIP/2.0 200');
  await caller.next('SIP/2.0 487');
  const stopped = await callee.next('CANCEL');
  assert.equal(param(header(stopped, 'Via'), 'branch'), param(header(incoming, 'Via'), 'branch'));
  callee.respond(stopped, '200 OK');
  callee.respond(incoming, '487 Request Terminated');
  await callee.next('ACK');
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('what was waited for did not happen');
}
