/** Links over UDP: DTLS with ICE or without, as the configuration of the overlay has it. RFC 6940 §6.6. */
import { isIPv6 } from 'node:net';
import type { Clock } from '../../ports/clock.ts';
import type { Dialer, SecureConnection, TransportAddress } from '../../ports/connection.ts';
import type { OverlayConfig } from '../../ports/overlay-config.ts';
import type { Random } from '../../ports/random.ts';
import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import { createDtlsDialer } from '../../link/dtls-dialer.ts';
import { openDtlsPort, type DtlsPort } from '../../link/dtls-port.ts';
import {
  createIceConnector,
  type IceConnector,
  type IceConnectorDependencies,
} from '../../link/ice-connector.ts';
import { createIceAgent } from '../../link/ice/agent.ts';
import type { IceServers, TurnServer } from '../../link/ice/types.ts';
import { createDatagramOpener } from '../../node/datagram.ts';
import { createDtlsHost, type DtlsOptions } from '../../node/dtls.ts';
import type { Settings } from '../../node/settings.ts';
import { noIceLinkTypes, usesIce, type NoIceLinkType } from '../../overlay/link-types.ts';
import { CommandError } from '../command.ts';
import { hostPort, portRange, turnServers } from './ice-settings.ts';
import { isSpecific, machineAddresses } from './own-addresses.ts';

export interface DatagramLinks {
  /** Where the overlay uses ICE. */
  readonly ice: IceConnector | undefined;
  /** Where others see this box, as far as ICE has found out lately. */
  reflexive(): readonly string[];
  /** Opens a port for links or an application; throws CommandError when it cannot. */
  listen(port: number, what: string, accepted: (c: SecureConnection) => void): Promise<void>;
  /** By DTLS, and by `streams` where that is asked for or DTLS finds nobody. */
  dialer(streams: Dialer): Dialer;
  close(): void;
}

export interface DatagramLinksOptions extends Omit<DtlsOptions, 'handshakeTimeoutMs'> {
  readonly settings: Settings;
  readonly config: OverlayConfig;
  readonly clock: Clock;
  readonly random: Random;
  /** Linked peers that tell where this box is seen. */
  readonly stunPeers: () => readonly TransportAddress[];
  /** TURN servers beside those of the settings. */
  readonly turnServers: () => readonly TurnServer[];
  /** Addresses that are this box itself. */
  readonly isOwn: (address: TransportAddress) => boolean;
}

const handshakeTimeoutMs = 8000;

/** The link types without ICE that a box can do. */
export const possibleLinkTypes: readonly NoIceLinkType[] = [
  'TLS-TCP-FH-NO-ICE',
  'DTLS-UDP-SR-NO-ICE',
];

/** True where the overlay has links over UDP. */
export function usesDatagrams(config: OverlayConfig): boolean {
  return (
    usesIce(config) || noIceLinkTypes(config, possibleLinkTypes).includes('DTLS-UDP-SR-NO-ICE')
  );
}

/** Throws CommandError with what is missing on this machine. */
export function createDatagramLinks(options: DatagramLinksOptions): DatagramLinks {
  const { settings, config, clock, random, trace } = options;
  const { link } = settings;
  const made = createDtlsHost({ ...options, handshakeTimeoutMs });
  if (!made.ok) throw new CommandError(made.error);
  const dtls = made.value;
  const sockets = createDatagramOpener({ trace, ports: portRange(link.icePorts) });
  const turn = turnServers(link.turnServers);
  const configured = link.stunServers.map((entry) => hostPort('link.stunServers', entry));
  const ports: DtlsPort[] = [];
  const reflexive = new Set<string>();
  trace.gauge('dtls_sessions', () => dtls.size);

  /** Bootstrap nodes make the initial list; then it is those that this box is linked with. §6.5.1.4 */
  function servers(): IceServers {
    const peers = options.stunPeers();
    const known = peers.length > 0 ? peers : config.bootstrapNodes;
    const stun = [...configured, ...known].filter((server) => !options.isOwn(server));
    return { stun, turn: [...turn, ...options.turnServers()] };
  }

  function noticing(dependencies: IceConnectorDependencies): IceConnector {
    const connector = createIceConnector(dependencies);
    return {
      prepare: (side, done) =>
        connector.prepare(side, (outcome) => {
          const candidates = outcome.ok ? outcome.value.parameters.candidates : [];
          for (const { addrPort, type } of candidates) {
            if (type === 'srflx' && addrPort.type !== 'unknown') notice(addrPort.address);
          }
          done(outcome);
        }),
    };
  }

  function notice(address: string): void {
    reflexive.delete(address);
    reflexive.add(address);
    const [oldest] = reflexive;
    if (reflexive.size > limits.ice.reflexiveAddresses && oldest !== undefined) {
      reflexive.delete(oldest);
    }
  }

  const dialer = createDtlsDialer({
    clock,
    sockets: createDatagramOpener({ trace }),
    dtls,
    localAddress: (target) =>
      isSpecific(link.address) ? link.address : isIPv6(target) ? '::' : '0.0.0.0',
  });

  return {
    reflexive: () => [...reflexive],
    ice: usesIce(config)
      ? noticing({
          clock,
          random,
          trace,
          sockets,
          dtls,
          createAgent: createIceAgent,
          addresses: () => iceAddresses(link.address),
          servers,
        })
      : undefined,
    async listen(port, what, accepted) {
      const opened = await new Promise<Outcome<DtlsPort>>((resolve) => {
        openDtlsPort(
          {
            clock,
            trace,
            sockets: createDatagramOpener({ trace }),
            dtls,
            at: { address: link.address, port },
            answersStun: usesIce(config),
            accepted,
          },
          resolve,
        );
      });
      if (!opened.ok) throw new CommandError(`${what}: ${opened.error}`);
      ports.push(opened.value);
    },
    dialer: (streams) => ({
      dial(target, timeoutMs, done) {
        if (target.linkType === 'DTLS-UDP-SR-NO-ICE') return dialer.dial(target, timeoutMs, done);
        if (target.linkType === 'TLS-TCP-FH-NO-ICE') return streams.dial(target, timeoutMs, done);
        const [first, second] = usesIce(config) ? [dialer, streams] : [streams, dialer];
        return oneAfterTheOther(first, second).dial(target, timeoutMs, done);
      },
    }),
    close() {
      for (const port of ports) port.close();
      dtls.close();
    },
  };
}

/** A-34 (d): a bootstrap node is tried by both kinds of links, on the same port number. */
function oneAfterTheOther(first: Dialer, second: Dialer): Dialer {
  return {
    dial(target, timeoutMs, done) {
      let abandoned = false;
      let abandon = first.dial(target, timeoutMs, (outcome) => {
        if (outcome.ok || abandoned) done(outcome);
        else abandon = second.dial(target, timeoutMs, done);
      });
      return () => {
        abandoned = true;
        abandon();
      };
    },
  };
}

/** Loopback addresses are of use where there are no others, and where the operator names one. */
function iceAddresses(listening: string): readonly string[] {
  if (isSpecific(listening)) return [listening];
  const all = machineAddresses();
  const outward = all.filter((address) => address !== '::1' && !address.startsWith('127.'));
  return outward.length > 0 ? outward : all;
}
