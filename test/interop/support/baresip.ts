/** A headless baresip phone driven over its control socket. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { sleep, until } from './wait.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export interface PhoneOptions {
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  /** The box, `ip:port`. */
  readonly proxy: string;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** Own SIP port; the next one is taken too. RTP and control ports follow from it. */
  readonly port: number;
  readonly answer?: 'manual' | 'auto';
  /** Address of the phone itself; default 127.0.0.1. */
  readonly address?: string;
  /** Media as browsers want it: ICE, DTLS-SRTP, Opus. Its ICE leaves loopback out. */
  readonly webRtc?: boolean;
  /** Further parameters of the account, each with its semicolon. */
  readonly accountParameters?: string;
  /** Further application modules. */
  readonly applications?: readonly string[];
  /** Lines of its address book. */
  readonly contacts?: readonly string[];
  readonly expiresS?: number;
}

export interface PhoneEvent {
  readonly event?: boolean;
  readonly type?: string;
  readonly param?: string;
  readonly peeruri?: string;
  readonly peerdisplayname?: string;
  readonly response?: boolean;
  readonly ok?: boolean;
  readonly data?: string;
}

export interface Phone {
  readonly options: PhoneOptions;
  readonly events: readonly PhoneEvent[];
  log(): string;
  command(command: string, params?: string): void;
  /** Waits for an event of that type that came after the last `forget`. */
  event(type: string, timeoutMs?: number): Promise<PhoneEvent>;
  /** Events so far no longer satisfy `event`. */
  forget(): void;
  registered(timeoutMs?: number): Promise<void>;
  /** RTP packets received in the current call. */
  rtpReceived(): Promise<number>;
  /** Un-registers and ends. */
  quit(): Promise<void>;
  kill(): void;
}

const webRtcModules = ['opus.so', 'ice.so', 'srtp.so', 'dtls_srtp.so'];

const configTemplate = (
  folder: string,
  port: number,
  address: string,
  webRtc: boolean,
  modules: readonly string[],
  applications: readonly string[],
): string => `poll_method epoll
sip_listen ${address}:${port}
net_interface ${address}
call_local_timeout 60
call_max_calls 4
audio_player aubridge,sink-${port}
audio_source ausine,440
audio_alert aubridge,alert-${port}
ausrc_srate 48000
ausrc_channels 2
audio_txmode thread
audio_buffer 20-160
audio_level no
rtp_ports ${20_000 + (port - 7000) * 20}-${20_000 + (port - 7000) * 20 + 38}
rtcp_mux ${webRtc ? 'yes' : 'no'}
rtp_stats yes
rtp_timeout 15
jitter_buffer_delay 1-5
module_path /usr/lib/baresip/modules
${modules.map((name) => `module ${name}\n`).join('')}module g711.so
module ausine.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app contact.so
module_app debug_cmd.so
module_app menu.so
module_app ctrl_tcp.so
${applications.map((name) => `module_app ${name}\n`).join('')}ctrl_tcp_listen 127.0.0.1:${port + 10_000}
snd_path ${folder}
ringback_disabled yes
statmode_default off
`;

/** Starts the phone and connects to its control socket; it registers by itself. Ports 7000 to 7999. */
export async function startPhone(options: PhoneOptions): Promise<Phone> {
  const folder = temporaryFolder(`baresip-${options.user}`);
  mkdirSync(folder, { recursive: true });
  const { user, password, domain, proxy, transport, port } = options;
  const webRtc = options.webRtc ?? false;
  const modules = webRtc ? webRtcModules : [];
  const applications = options.applications ?? [];
  const address = options.address ?? '127.0.0.1';
  const parameters = `${webRtc ? ';mediaenc=dtls_srtp;medianat=ice' : ''}${options.accountParameters ?? ''}`;
  writeFileSync(
    join(folder, 'config'),
    configTemplate(folder, port, address, webRtc, modules, applications),
  );
  writeFileSync(
    join(folder, 'accounts'),
    `<sip:${user}@${domain}>;auth_user=${user};auth_pass=${password};outbound="sip:${proxy};transport=${transport}";regint=${options.expiresS ?? 60};answermode=${options.answer ?? 'manual'}${parameters}\n`,
  );
  writeFileSync(
    join(folder, 'contacts'),
    (options.contacts ?? []).map((line) => `${line}\n`).join(''),
  );
  const logFile = join(folder, 'log');
  const child = spawn(
    'sh',
    ['-c', `exec stdbuf -oL -eL baresip -v -s -f ${folder} >${logFile} 2>&1`],
    {
      cwd: folder,
      stdio: 'ignore',
    },
  );
  let exited = false;
  child.on('exit', () => (exited = true));
  const control = await connectControl(port + 10_000, () => exited);

  const events: PhoneEvent[] = [];
  let seen = 0;
  let pending = Buffer.alloc(0);
  control.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const colon = pending.indexOf(':');
      if (colon < 0) return;
      const length = Number(pending.subarray(0, colon).toString());
      if (pending.length < colon + length + 2) return;
      events.push(
        JSON.parse(pending.subarray(colon + 1, colon + 1 + length).toString()) as PhoneEvent,
      );
      pending = pending.subarray(colon + length + 2);
    }
  });
  control.on('error', () => control.destroy());

  const phone: Phone = {
    options,
    events,
    log: () => readFileSync(logFile, 'latin1'),
    command(command, params) {
      const json = JSON.stringify(params === undefined ? { command } : { command, params });
      control.write(`${Buffer.byteLength(json)}:${json},`);
    },
    async event(type, timeoutMs = 5000) {
      const found = (): PhoneEvent | undefined =>
        events.slice(seen).find((e) => e.event === true && e.type === type);
      await until(`${user}: ${type}`, () => found() !== undefined, timeoutMs);
      return found()!;
    },
    forget: () => (seen = events.length),
    async registered(timeoutMs = 5000) {
      await until(
        `${user} registered`,
        () => /\} 200 .*\[[0-9]+ binding/.test(phone.log()),
        timeoutMs,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${phone.log().slice(-3000)}`);
      });
    },
    async rtpReceived() {
      const from = events.length;
      const read = (): number | undefined => {
        for (const { data } of events.slice(from)) {
          const match = /rcvd=([0-9]+)/.exec(data ?? '');
          if (match !== null) return Number(match[1]);
        }
        return undefined;
      };
      // The phone has no figures before its audio runs; it is asked again until then.
      for (let attempt = 0; attempt < 20 && read() === undefined; attempt++) {
        phone.command('audio_debug');
        await sleep(100);
      }
      await until(`${user}: audio_debug`, () => read() !== undefined, 2000);
      return read()!;
    },
    async quit() {
      if (!exited) phone.command('quit');
      const end = performance.now() + 6000;
      while (!exited && performance.now() < end) await sleep(20);
      phone.kill();
    },
    kill() {
      control.destroy();
      if (!exited) child.kill('SIGKILL');
    },
  };
  return phone;
}

async function connectControl(port: number, gaveUp: () => boolean): Promise<Socket> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (gaveUp()) throw new Error(`baresip ended before its control port ${port} was open`);
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (open) return socket;
    await sleep(50);
  }
  throw new Error(`baresip's control port ${port} did not open`);
}

/** A complete call: dial, ring, answer, media both ways, hang up by the named side. */
export async function completeCall(
  caller: Phone,
  callee: Phone,
  callUri: string,
  hangUp: 'caller' | 'callee',
): Promise<PhoneEvent> {
  caller.forget();
  callee.forget();
  caller.command('dial', callUri);
  const incoming = await callee.event('CALL_INCOMING');
  await caller.event('CALL_RINGING');
  callee.command('accept');
  await caller.event('CALL_ESTABLISHED');
  await callee.event('CALL_ESTABLISHED');
  await mediaFlows(caller);
  await mediaFlows(callee);
  (hangUp === 'caller' ? caller : callee).command('hangup');
  await caller.event('CALL_CLOSED');
  await callee.event('CALL_CLOSED');
  return incoming;
}

/** RTP is arriving: the count grows between two looks. */
export async function mediaFlows(phone: Phone): Promise<void> {
  const first = await phone.rtpReceived();
  await until(
    `RTP at ${phone.options.user}`,
    async () => (await phone.rtpReceived()) > first,
    4000,
  );
}

/** Every SIP hop of the phone, `local -> remote` and back, from its trace. */
export function hops(phone: Phone): string[] {
  return [...phone.log().matchAll(/^(?:UDP|TCP|TLS) ([0-9.:]+) -> ([0-9.:]+)/gm)].map(
    (match) => `${match[1]} ${match[2]}`,
  );
}
