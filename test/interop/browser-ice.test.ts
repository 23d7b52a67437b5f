/** ICE with the agent of Chromium, in both roles. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { IceParameters } from '../../src/link/ice/types.ts';
import { ipAddressPortOf } from '../../src/wire/reload/ip-address-port.ts';
import type { IceCandidate } from '../../src/wire/reload/ice-candidate.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startLiveAgent, type LiveAgent } from './support/ice-agents.ts';
import { without } from './support/tools.ts';
import { until } from './support/wait.ts';

const address = '127.0.0.1';
/** Of no certificate: DTLS begins once ICE has concluded, and is not our subject here. */
const fingerprint = Array.from({ length: 32 }, () => 'AB').join(':');

declare global {
  var connection: RTCPeerConnection;
}

/** The little of the browser's API that the page uses. */
interface RTCPeerConnection {
  readonly iceConnectionState: string;
  readonly iceGatheringState: string;
  readonly localDescription: { readonly sdp: string };
  createDataChannel(name: string): void;
  createOffer(): Promise<unknown>;
  createAnswer(): Promise<unknown>;
  setLocalDescription(description: unknown): Promise<void>;
  setRemoteDescription(description: unknown): Promise<void>;
  close(): void;
}

describe('ICE with a browser', { skip: without('chromium') }, () => {
  let browser: Browser;
  let page: Page;
  const agents: LiveAgent[] = [];
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>ICE</title>');
  });

  before(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      env: { ...process.env, TMPDIR: temporaryFolder('browser-ice') },
      args: [
        ...['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
        ...['--disable-component-update', '--disable-sync'],
        ...['--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns'],
        // Only pages with a microphone learn all addresses.
        ...['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
      ],
    });
    page = await browser.newPage();
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    await page.evaluate(async () => {
      const { mediaDevices } = globalThis.navigator as unknown as {
        mediaDevices: { getUserMedia(wanted: object): Promise<unknown> };
      };
      await mediaDevices.getUserMedia({ audio: true });
    });
  });
  after(async () => {
    for (const { agent } of agents) agent.close('done');
    await browser.close();
    server.close();
  });

  function start(): LiveAgent {
    const ours = startLiveAgent([address]);
    agents.push(ours);
    return ours;
  }

  async function gathered(): Promise<string> {
    await until(
      'candidates of the browser',
      async () => await page.evaluate(() => globalThis.connection.iceGatheringState === 'complete'),
    );
    return await page.evaluate(() => globalThis.connection.localDescription.sdp);
  }

  async function concluded(ours: LiveAgent): Promise<void> {
    const path = await ours.connected;
    assert.equal(path.remote.address, address);
    await until(
      'the browser concludes',
      async () =>
        await page.evaluate(() =>
          ['connected', 'completed'].includes(globalThis.connection.iceConnectionState),
        ),
    );
  }

  test('we are controlled by the browser, which is the first to send DTLS', async () => {
    const ours = start();
    const parameters = await ours.gather();
    await page.evaluate(async () => {
      const Connection = Reflect.get(
        globalThis,
        'RTCPeerConnection',
      ) as new () => RTCPeerConnection;
      globalThis.connection = new Connection();
      globalThis.connection.createDataChannel('data');
      const offer = await globalThis.connection.createOffer();
      await globalThis.connection.setLocalDescription(offer);
    });
    const offer = await gathered();
    ours.agent.start(fromSdp(offer), 'controlled');
    await page.evaluate(
      async (sdp) => await globalThis.connection.setRemoteDescription({ type: 'answer', sdp }),
      toSdp(parameters, 'passive'),
    );
    await concluded(ours);
    await until('a ClientHello', () => ours.data.some(([first]) => first === 22));
    await page.evaluate(() => globalThis.connection.close());
  });

  test('we control the browser', async () => {
    const ours = start();
    const parameters = await ours.gather();
    await page.evaluate(
      async (sdp) => {
        const Connection = Reflect.get(
          globalThis,
          'RTCPeerConnection',
        ) as new () => RTCPeerConnection;
        globalThis.connection = new Connection();
        await globalThis.connection.setRemoteDescription({ type: 'offer', sdp });
        const answer = await globalThis.connection.createAnswer();
        await globalThis.connection.setLocalDescription(answer);
      },
      toSdp(parameters, 'actpass'),
    );
    ours.agent.start(fromSdp(await gathered()), 'controlling');
    await concluded(ours);
    await until('a ClientHello', () => ours.data.some(([first]) => first === 22));
    await page.evaluate(() => globalThis.connection.close());
  });
});

/** An offer or answer of one data channel. RFC 8839, RFC 8841. */
function toSdp(parameters: IceParameters, setup: string): string {
  const candidates = parameters.candidates.map(({ foundation, priority, addrPort, type }) => {
    assert.ok(addrPort.type !== 'unknown');
    const { address: ip, port } = addrPort;
    return `a=candidate:${foundation} 1 udp ${priority} ${ip} ${port} typ ${type}`;
  });
  const lines = [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0'],
    ...['m=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=mid:0'],
    `a=ice-ufrag:${parameters.ufrag}`,
    `a=ice-pwd:${parameters.password}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    `a=setup:${setup}`,
    'a=sctp-port:5000',
    ...candidates,
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function fromSdp(sdp: string): IceParameters {
  const value = (name: string): string => new RegExp(`^a=${name}:(\\S+)`, 'm').exec(sdp)?.[1] ?? '';
  const candidates: IceCandidate[] = [];
  for (const match of sdp.matchAll(/^a=candidate:(\S+) 1 udp (\d+) (\S+) (\d+) typ host/gim)) {
    const [, foundation = '', priority, ip = '', port] = match;
    candidates.push({
      type: 'host',
      addrPort: ipAddressPortOf(ip, Number(port)),
      overlayLink: 'DTLS-UDP-SR',
      foundation,
      priority: Number(priority),
      extensions: [],
    });
  }
  assert.ok(candidates.length > 0, sdp);
  return { ufrag: value('ice-ufrag'), password: value('ice-pwd'), candidates };
}
