/**
 * Connections by ICE and DTLS: candidates out, candidates in, then a handshake on the path that
 * works. Overlay link type DTLS-UDP-SR. RFC 6940 §6.5.1.3 to §6.5.1.14, §6.6.4.
 */
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecureConnection } from '../ports/connection.ts';
import type { DatagramOpener } from '../ports/datagram.ts';
import type { DtlsHost } from '../ports/dtls.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import { connectDtls, type DtlsConnecting } from './dtls-connection.ts';
import { createIcePacer } from './ice/pacer.ts';
import type { IceAgentFactory, IceParameters, IcePath, IceServers } from './ice/types.ts';

/** The sender of the Attach request is the offerer: controlling in ICE, server in DTLS (§6.5.1.9, §6.5.1.13). */
export type IceSide = 'offerer' | 'answerer';

export interface IceConnector {
  /** Gathers candidates; `done` is called later, once, unless the returned function gave it up. */
  prepare(side: IceSide, done: (outcome: Outcome<PreparedPath>) => void): () => void;
}

/** Our candidates, ready for the far end's. */
export interface PreparedPath {
  readonly parameters: IceParameters;
  /** Once. `done` is called later, once, unless {@link abandon} came first. */
  connect(remote: IceParameters, done: (outcome: Outcome<IceConnection>) => void): void;
  /** Frees everything; nothing happens once the connection is there. Idempotent. */
  abandon(): void;
}

export interface IceConnection {
  readonly connection: SecureConnection;
  readonly path: IcePath;
}

export interface IceConnectorDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly sockets: DatagramOpener;
  readonly dtls: DtlsHost;
  readonly createAgent: IceAgentFactory;
  /** Own addresses, best first; read for every connection. */
  readonly addresses: () => readonly string[];
  readonly servers: () => IceServers;
}

export function createIceConnector(dependencies: IceConnectorDependencies): IceConnector {
  const { clock, random, trace, sockets, dtls } = dependencies;
  const pacer = createIcePacer(clock);

  function prepare(side: IceSide, done: (outcome: Outcome<PreparedPath>) => void): () => void {
    let connecting: DtlsConnecting | undefined;
    let waiting: ((outcome: Outcome<IceConnection>) => void) | undefined;
    let settled = false;

    function settle(outcome: Outcome<IceConnection>): void {
      if (settled) {
        if (outcome.ok) outcome.value.connection.close('no longer needed');
        return;
      }
      settled = true;
      waiting?.(outcome);
    }

    const agent = dependencies.createAgent({
      clock,
      random,
      trace,
      sockets,
      pacer,
      addresses: dependencies.addresses(),
      servers: dependencies.servers(),
      events: {
        connected(path) {
          if (settled) {
            agent.close('no longer needed');
            return;
          }
          connecting = connectDtls(dtls, {
            clock,
            role: side === 'offerer' ? 'server' : 'client',
            path: {
              local: path.local,
              remote: path.remote,
              stunRttMs: path.rttMs,
              send: (datagram) => agent.send(datagram),
              close: (reason) => agent.close(reason),
            },
            done(outcome) {
              settle(outcome.ok ? success({ connection: outcome.value, path }) : outcome);
            },
          });
        },
        failed: (reason) => settle(failure(`ICE: ${reason}`)),
        datagram: (bytes) => connecting?.receive(bytes),
        closed: (reason) => connecting?.lost(reason),
      },
    });

    function abandon(): void {
      if (settled) return;
      settled = true;
      agent.close('abandoned');
    }

    agent.gather((gathered) => {
      if (settled) return;
      if (!gathered.ok) {
        settled = true;
        done(gathered);
        return;
      }
      done(
        success({
          parameters: gathered.value,
          connect(remote, connected) {
            if (settled) return;
            waiting = connected;
            agent.start(remote, side === 'offerer' ? 'controlling' : 'controlled');
          },
          abandon,
        }),
      );
    });
    return abandon;
  }

  return { prepare };
}
