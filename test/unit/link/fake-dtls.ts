/** DTLS without cryptography: a hello each way, then data; sessions know each other's certificate. */
import type { Certificate } from '../../../src/ports/certificates.ts';
import type { DtlsHandler, DtlsHost, DtlsListener, DtlsSession } from '../../../src/ports/dtls.ts';

const hello = 22;
const data = 23;
const alert = 21;

export interface FakeDtls extends DtlsHost {
  /** Roles of the sessions opened so far. */
  readonly roles: ('client' | 'server')[];
  readonly sessions: number;
}

export interface FakeDtlsOptions {
  readonly chain?: readonly Certificate[];
  readonly maxBytes?: number;
  readonly maxSessions?: number;
}

/** What is behind each hello; a hello carries the number of its certificate. */
const shown: (readonly Certificate[])[] = [];

export function createFakeDtls(options: FakeDtlsOptions = {}): FakeDtls {
  const number = shown.push(options.chain ?? []) - 1;
  const roles: ('client' | 'server')[] = [];
  const { maxBytes = 1163 } = options;
  let sessions = 0;

  function session(role: 'client' | 'server', handler: () => DtlsHandler): DtlsSession {
    let state: 'new' | 'connected' | 'closed' = 'new';
    sessions++;
    return {
      maxBytes,
      receive(datagram) {
        if (state === 'closed') return;
        const [type, from = 0] = datagram;
        if (type === alert) {
          state = 'closed';
          sessions--;
          handler().closed('closed by the far end');
        } else if (type === hello && state === 'new') {
          state = 'connected';
          if (role === 'server') handler().output(Uint8Array.of(hello, number));
          handler().connected(shown[from] ?? []);
        } else if (type === data && state === 'connected') handler().data(datagram.slice(1));
      },
      send(bytes) {
        if (bytes.length > maxBytes) throw new Error('datagram too long');
        if (state === 'connected') handler().output(Uint8Array.from([data, ...bytes]));
      },
      close() {
        if (state === 'closed') return;
        if (state === 'connected') handler().output(Uint8Array.of(alert));
        state = 'closed';
        sessions--;
      },
    };
  }

  return {
    roles,
    get sessions() {
      return sessions;
    },
    open(role, handler) {
      if (sessions >= (options.maxSessions ?? Infinity)) return undefined;
      roles.push(role);
      const opened = session(role, () => handler);
      if (role === 'client') queueMicrotask(() => handler.output(Uint8Array.of(hello, number)));
      return opened;
    },
    listen(listener): DtlsListener {
      return {
        receive(datagram, from) {
          if (datagram[0] !== hello) return;
          const holder: { handler?: DtlsHandler } = {};
          const opened = session('server', () => holder.handler as DtlsHandler);
          const handler = listener.accepted(from, opened);
          if (handler === undefined) return;
          holder.handler = handler;
          roles.push('server');
          opened.receive(datagram);
        },
        close: () => undefined,
      };
    },
  };
}
