/** JsSIP phones in a headless Chromium page. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export interface BrowserPhones {
  /** Starts a phone; the status of its registration: 200, a refusal, or 0 when there was no answer. */
  register(name: string, account: BrowserAccount): Promise<number>;
  unregister(name: string): Promise<boolean>;
  /** `established`, or the cause of the failure. */
  call(name: string, target: string): Promise<string>;
  /** From of the call that came last, once it is established. */
  incoming(name: string): Promise<string>;
  /** RTP packets received and sent in the call of the phone. */
  rtp(name: string): Promise<{ readonly received: number; readonly sent: number }>;
  /** Waits until the call is over; its cause. */
  ended(name: string): Promise<string>;
  hangUp(name: string): Promise<void>;
  /** Digits, each by INFO; true when all were accepted. */
  sendDigits(name: string, digits: string): Promise<boolean>;
  /** Digits that came. */
  digits(name: string): Promise<string>;
  /** Sends a MESSAGE; true when it was accepted. */
  message(name: string, target: string, text: string): Promise<boolean>;
  /** Bodies of the MESSAGEs that came. */
  messages(name: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface BrowserAccount {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly domain: string;
}

/** What the page script puts on `window`. */
interface PagePhones {
  readonly register: (name: string, account: BrowserAccount) => Promise<number>;
  readonly unregister: (name: string) => Promise<boolean>;
  readonly call: (name: string, target: string) => Promise<string>;
  readonly incoming: (name: string) => Promise<string>;
  readonly rtp: (name: string) => Promise<{ received: number; sent: number }>;
  readonly ended: (name: string) => Promise<string>;
  readonly hangUp: (name: string) => void;
  readonly sendDigits: (name: string, digits: string) => Promise<boolean>;
  readonly digits: (name: string) => string;
  readonly message: (name: string, target: string, text: string) => Promise<boolean>;
  readonly messages: (name: string) => readonly string[];
}

declare global {
  var phones: PagePhones;
}

/** The page comes from localhost, which browsers trust with a microphone. */
export async function startBrowserPhones(options: {
  /** Media over loopback, for a machine that has no other address. */
  readonly loopback: boolean;
}): Promise<BrowserPhones> {
  const folder = temporaryFolder('browser');
  const bundle = await build({
    entryPoints: [join(import.meta.dirname, 'browser-page.js')],
    bundle: true,
    write: false,
    logLevel: 'error',
  });
  const script = bundle.outputFiles[0]?.text ?? '';
  const server = createServer((request, response) => {
    if (request.url === '/page.js') {
      response.setHeader('content-type', 'text/javascript').end(script);
    } else {
      response
        .setHeader('content-type', 'text/html')
        .end('<!doctype html><title>phones</title><script src=/page.js></script>');
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    env: { ...process.env, TMPDIR: folder },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      ...(options.loopback ? ['--allow-loopback-in-peer-connection'] : []),
      '--disable-features=WebRtcHideLocalIpsWithMdns',
      '--ignore-certificate-errors',
    ],
  });
  const page: Page = await browser.newPage();
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
  return {
    register: async (name, account) =>
      await page.evaluate(([n, a]) => globalThis.phones.register(n, a), [name, account] as const),
    unregister: async (name) => await page.evaluate((n) => globalThis.phones.unregister(n), name),
    call: async (name, target) =>
      await page.evaluate(([n, t]) => globalThis.phones.call(n, t), [name, target] as const),
    incoming: async (name) => await page.evaluate((n) => globalThis.phones.incoming(n), name),
    rtp: async (name) => await page.evaluate((n) => globalThis.phones.rtp(n), name),
    ended: async (name) => await page.evaluate((n) => globalThis.phones.ended(n), name),
    hangUp: async (name) => {
      await page.evaluate((n) => {
        globalThis.phones.hangUp(n);
      }, name);
    },
    sendDigits: async (name, digits) =>
      await page.evaluate(([n, d]) => globalThis.phones.sendDigits(n, d), [name, digits] as const),
    digits: async (name) => await page.evaluate((n) => globalThis.phones.digits(n), name),
    message: async (name, target, text) =>
      await page.evaluate(([n, t, body]) => globalThis.phones.message(n, t, body), [
        name,
        target,
        text,
      ] as const),
    messages: async (name) => await page.evaluate((n) => globalThis.phones.messages(n), name),
    async close() {
      await browser.close();
      server.close();
    },
  };
}
