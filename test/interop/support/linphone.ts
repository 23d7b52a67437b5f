/** A headless linphonec driven by its standard input. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { sleep, until } from './wait.ts';

export interface LinphoneOptions {
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  /** Host and port of the box; with `tls` a name that the certificate holds. */
  readonly proxy: string;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** Own SIP port; the next one is taken too. */
  readonly port: number;
  readonly rtpPort: number;
  readonly answers?: boolean;
  /** With `tls`: the box is verified against this certificate. */
  readonly rootFile?: string;
  /** Lines for /etc/hosts, seen by this phone alone. */
  readonly hosts?: string;
}

export interface Linphone {
  /** What it printed, and its log. */
  output(): string;
  log(): string;
  command(line: string): void;
  /** Waits for the pattern in what it printed after the last `forget`. */
  says(pattern: RegExp, timeoutMs?: number): Promise<void>;
  forget(): void;
  registered(timeoutMs?: number): Promise<boolean>;
  /** RTP packets of the calls that are over. */
  rtp(): { readonly sent: number; readonly received: number };
  quit(): Promise<void>;
}

export const linphoneSound = '/usr/share/sounds/linphone/hello8000.wav';

function configuration(options: LinphoneOptions): string {
  const { user, password, domain, proxy, transport, port, rtpPort, rootFile } = options;
  const h = createHash('md5').update(`${user}@${domain}:${port}`).digest('hex');
  const uuid = `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-8${h.slice(17, 20)}-${h.slice(20)}`;
  return `[sip]
sip_port=${port}
sip_tcp_port=${port}
sip_tls_port=${port + 1}
bind_address=127.0.0.1
use_ipv6=0
guess_hostname=0
auto_net_state_mon=0
contact=sip:${user}@127.0.0.1:${port}
default_proxy=0
register_only_when_network_is_up=0
verify_server_certs=${rootFile === undefined ? 0 : 1}
verify_server_cn=${rootFile === undefined ? 0 : 1}
${rootFile === undefined ? '' : `root_ca=${rootFile}\n`}ping_with_options=0
media_encryption=none
keepalive_period=30000
[net]
mtu=1300
dns_srv_enabled=0
[rtp]
audio_rtp_port=${rtpPort}
[sound]
use_files=1
[video]
enabled=0
capture=0
display=0
[misc]
uuid=${uuid}
version_check_url_root=
[proxy_0]
reg_proxy=<sip:${proxy};transport=${transport}>
reg_route=<sip:${proxy};lr;transport=${transport}>
reg_identity=sip:${user}@${domain}
reg_expires=60
reg_sendregister=1
publish=0
[auth_info_0]
username=${user}
userid=${user}
passwd=${password}
realm=${domain}
domain=${domain}
`;
}

/** Starts the phone; it registers by itself. */
export function startLinphone(options: LinphoneOptions): Linphone {
  const folder = temporaryFolder(`linphone-${options.user}`);
  // Without this folder: "Unable to open linphone database".
  mkdirSync(join(folder, '.local/share/linphone'), { recursive: true });
  mkdirSync(join(folder, '.config/linphone'), { recursive: true });
  const file = join(folder, 'linphonerc');
  writeFileSync(file, configuration(options));
  const logFile = join(folder, 'log');
  const program = `exec stdbuf -oL linphonec -S ${options.answers === true ? '-a ' : ''}-c ${file} -d 6 -l ${logFile}`;
  let command = ['sh', '-c', program];
  if (options.hosts !== undefined) {
    const hosts = join(folder, 'hosts');
    writeFileSync(hosts, options.hosts);
    command = ['unshare', '-m', 'sh', '-c', `mount --bind ${hosts} /etc/hosts && ${program}`];
  }
  const child = spawn(command[0] ?? 'sh', command.slice(1), {
    cwd: folder,
    env: { ...process.env, HOME: folder },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let seen = 0;
  let exited = false;
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')));
  child.stdin.on('error', () => (exited = true));
  child.on('exit', () => (exited = true));

  const phone: Linphone = {
    output: () => output,
    log: () => (existsSync(logFile) ? readFileSync(logFile, 'latin1') : ''),
    command(line) {
      if (!exited) child.stdin.write(`${line}\n`);
    },
    async says(pattern, timeoutMs = 8000) {
      await until(
        `${options.user}: ${String(pattern)}`,
        () => pattern.test(output.slice(seen)),
        timeoutMs,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${output.slice(-2000)}`);
      });
    },
    forget: () => (seen = output.length),
    async registered(timeoutMs = 8000) {
      const done =
        /moving from state \[LinphoneRegistrationProgress\] to \[LinphoneRegistrationOk\]/;
      return await until('registered', () => done.test(phone.log()), timeoutMs).then(
        () => true,
        () => false,
      );
    },
    rtp() {
      const count = (direction: string): number => {
        const found = phone
          .log()
          .matchAll(new RegExp(`ortp-message-${direction} +(\\d+) packets`, 'g'));
        return [...found].reduce((sum, match) => sum + Number(match[1]), 0);
      };
      return { sent: count('sent'), received: count('received') };
    },
    async quit() {
      phone.command('unregister');
      await until(
        'unregistered',
        () => exited || /to \[LinphoneRegistrationCleared\]/.test(phone.log()),
        3000,
      ).catch(() => undefined);
      phone.command('quit');
      const end = performance.now() + 3000;
      while (!exited && performance.now() < end) await sleep(50);
      if (!exited) child.kill('SIGKILL');
    },
  };
  // Nothing is sent without a file to play.
  phone.command('soundcard use files');
  phone.command(`play ${linphoneSound}`);
  return phone;
}
