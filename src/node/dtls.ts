/**
 * DTLS 1.2 on OpenSSL, without sockets: sessions between proved addresses, and the side of a port
 * that strangers may address. RFC 6347, RFC 6940 §6.6.
 */
import { UsageError } from '../base/assert.ts';
import { limits } from '../base/limits.ts';
import { success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { TransportAddress } from '../ports/connection.ts';
import type { DtlsHandler, DtlsHost, DtlsListener, DtlsListenerHandler } from '../ports/dtls.ts';
import { createAdmission } from './admission.ts';
import { contextCallbacks, createContext } from './dtls-context.ts';
import { createCallbacks, loadOpenSsl } from './dtls-openssl.ts';
import type { Pointer } from './dtls-openssl.ts';
import { createMachine, createSession, drain } from './dtls-session.ts';
import type { HostSession, Machine } from './dtls-session.ts';
import type { TlsDependencies, TlsIdentity } from './tls.ts';

export interface DtlsOptions extends Pick<
  TlsDependencies,
  'verifier' | 'trace' | 'identity' | 'keyLog'
> {
  readonly handshakeTimeoutMs: number;
}

export interface ClosableDtlsHost extends DtlsHost {
  /** Sessions alive. */
  readonly size: number;
  /** Ends all sessions and listeners, and frees everything. */
  close(): void;
}

/** Fails with a sentence for the operator where OpenSSL is missing or refuses the certificate. */
export function createDtlsHost(options: DtlsOptions): Outcome<ClosableDtlsHost> {
  const found = loadOpenSsl();
  if (!found.ok) return found;
  const openSsl = found.value;
  const { trace, verifier } = options;
  const result = (role: string, name: string) => {
    return trace.counter('dtls_handshakes_total', { role, result: name });
  };
  const shed = result('server', 'refused-busy');
  const strange = trace.counter('dtls_datagrams_dropped_total', { reason: 'no-client-hello' });
  const sessions = new Set<HostSession>();
  const callbacks = createCallbacks();
  let asking: TransportAddress | undefined;
  const shared = contextCallbacks(callbacks, () => asking, options.keyLog);
  const listeners = new Set<DtlsListener>();
  let closed = false;

  let identity: TlsIdentity = options.identity();
  const first = createContext(openSsl, identity, shared);
  if (!first.ok) {
    callbacks.release();
    return first;
  }
  let context = first.value;

  /** The context of the identity that is current. */
  function current(): Pointer {
    const now = options.identity();
    if (now === identity) return context;
    const next = createContext(openSsl, now, shared);
    if (!next.ok) throw new UsageError(next.error);
    openSsl.SSL_CTX_free(context);
    identity = now;
    context = next.value;
    return context;
  }

  /** `machine` belongs to the session from here on. */
  function begin(
    role: 'client' | 'server',
    machine: Machine,
    handler: () => DtlsHandler,
    more: { established?: () => void; freed?: () => void } = {},
  ): HostSession {
    let established = false;
    const session = createSession({
      openSsl,
      machine,
      verifier,
      handshakeTimeoutMs: options.handshakeTimeoutMs,
      handler,
      established() {
        established = true;
        result(role, 'ok').add();
        more.established?.();
      },
      freed() {
        sessions.delete(session);
        if (!established) result(role, 'failed').add();
        more.freed?.();
      },
    });
    sessions.add(session);
    return session;
  }

  function listen(handler: DtlsListenerHandler): DtlsListener {
    const admission = createAdmission(limits.node.dtlsSessions);
    const address = openSsl.BIO_ADDR_new();
    let spare: { readonly machine: Machine; readonly context: Pointer } | undefined;
    let open = true;

    /** Answers first flights one after the other; becomes the session of a client with a good cookie. */
    function doorkeeper(): Machine {
      const now = current();
      if (spare?.context === now) return spare.machine;
      if (spare !== undefined) openSsl.SSL_free(spare.machine.ssl);
      const machine = createMachine(openSsl, now, shared.timer);
      openSsl.SSL_set_accept_state(machine.ssl);
      spare = { machine, context: now };
      return machine;
    }

    function accept(machine: Machine, from: TransportAddress): void {
      const admitted =
        sessions.size < limits.node.dtlsSessions
          ? admission.begin(from.address, performance.now())
          : undefined;
      if (admitted === undefined) {
        shed.add();
        openSsl.SSL_free(machine.ssl);
        return;
      }
      const holder: { handler: DtlsHandler } = { handler: ignoring };
      const session = begin('server', machine, () => holder.handler, {
        established: () => {
          admitted.established();
        },
        freed: () => {
          admitted.closed();
        },
      });
      const given = handler.accepted(from, session);
      if (given === undefined) {
        session.close();
        return;
      }
      holder.handler = given;
      // The handshake checks the cookie once more.
      asking = from;
      session.step();
      asking = undefined;
    }

    const listener: DtlsListener = {
      receive(datagram, from) {
        if (!open) return;
        if (!isClientHello(datagram)) {
          strange.add();
          return;
        }
        const machine = doorkeeper();
        asking = from;
        openSsl.ERR_clear_error();
        openSsl.BIO_write(machine.input, datagram, datagram.length);
        const verified = openSsl.DTLSv1_listen(machine.ssl, address);
        asking = undefined;
        openSsl.ERR_clear_error();
        if (verified > 0) {
          spare = undefined;
          accept(machine, from);
          return;
        }
        drain(openSsl, machine, (reply) => {
          handler.reply(reply, from);
        });
      },
      close() {
        if (!open) return;
        open = false;
        listeners.delete(listener);
        if (spare !== undefined) openSsl.SSL_free(spare.machine.ssl);
        openSsl.BIO_ADDR_free(address);
      },
    };
    listeners.add(listener);
    return listener;
  }

  return success({
    get size() {
      return sessions.size;
    },
    open(role, handler) {
      if (closed || sessions.size >= limits.node.dtlsSessions) {
        shed.add();
        return undefined;
      }
      const machine = createMachine(openSsl, current(), shared.timer);
      if (role === 'server') openSsl.SSL_set_accept_state(machine.ssl);
      else openSsl.SSL_set_connect_state(machine.ssl);
      const session = begin(role, machine, () => handler);
      if (role === 'client') {
        setImmediate(() => {
          session.step();
        });
      }
      return session;
    },
    listen,
    close() {
      if (closed) return;
      closed = true;
      for (const listener of [...listeners]) listener.close();
      for (const session of [...sessions]) session.close();
      openSsl.SSL_CTX_free(context);
      callbacks.release();
    },
  });
}

const ignoring: DtlsHandler = {
  output: () => undefined,
  connected: () => undefined,
  data: () => undefined,
  closed: () => undefined,
};

const handshakeRecord = 22;
const clientHello = 1;

/** The beginning of a first flight: record header, then a ClientHello in one piece. */
function isClientHello(datagram: Uint8Array): boolean {
  return (
    datagram.length > 25 &&
    datagram[0] === handshakeRecord &&
    datagram[1] === 0xfe &&
    datagram[13] === clientHello
  );
}
