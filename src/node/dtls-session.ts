/** One DTLS session on OpenSSL's memory buffers. RFC 6347. */
import { limits } from '../base/limits.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';
import type { DtlsHandler, DtlsSession } from '../ports/dtls.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { lastError } from './dtls-context.ts';
import type { OpenSsl, Pointer } from './dtls-openssl.ts';

const command = { setMtu: 17, timeLeft: 73, handleTimeout: 74, emptyRead: 130, pending: 10 };
const error = { wantRead: 2, zeroReturn: 6 };
const recordHeaderBytes = 13;
/** Header, nonce and tag of AES-GCM; ChaCha20-Poly1305 takes less. */
const recordOverheadBytes = recordHeaderBytes + 8 + 16;
const largestRecordBytes = 16_384 + 512;

/** Largest argument of `send`. */
export const dtlsMaxBytes = limits.node.dtlsMtuBytes - recordOverheadBytes;

/** A connected pair of buffers around an SSL object. */
export interface Machine {
  readonly ssl: Pointer;
  /** What OpenSSL reads, and what it has written. */
  readonly input: Pointer;
  readonly output: Pointer;
}

export function createMachine(openSsl: OpenSsl, context: Pointer, timer: Pointer): Machine {
  const ssl = openSsl.SSL_new(context);
  const input = openSsl.BIO_new(openSsl.BIO_s_mem());
  const output = openSsl.BIO_new(openSsl.BIO_s_mem());
  // An empty buffer means "nothing yet", not the end.
  openSsl.BIO_ctrl(input, command.emptyRead, -1, null);
  openSsl.SSL_set_bio(ssl, input, output);
  openSsl.SSL_ctrl(ssl, command.setMtu, limits.node.dtlsMtuBytes, null);
  openSsl.DTLS_set_timer_cb(ssl, timer);
  return { ssl, input, output };
}

/** Filled by OpenSSL and copied from at once; one for the process. */
const scratch = new Uint8Array(64 * 1024);
const timeLeft = new Uint8Array(16);

/** Whole datagrams out of what OpenSSL has written: its records, as many as fit together. */
export function drain(
  openSsl: OpenSsl,
  { output }: Machine,
  send: (datagram: Uint8Array) => void,
): void {
  for (;;) {
    const length = openSsl.BIO_read(output, scratch, scratch.length);
    if (length <= 0) return;
    let start = 0;
    let end = 0;
    while (end + recordHeaderBytes <= length) {
      const record = recordHeaderBytes + (scratch[end + 11] ?? 0) * 256 + (scratch[end + 12] ?? 0);
      if (end > start && end + record - start > limits.node.dtlsMtuBytes) {
        send(scratch.slice(start, end));
        start = end;
      }
      end += record;
    }
    send(scratch.slice(start, Math.min(end, length)));
  }
}

export interface SessionOptions {
  readonly openSsl: OpenSsl;
  readonly machine: Machine;
  readonly verifier: Verifier;
  readonly handshakeTimeoutMs: number;
  readonly handler: () => DtlsHandler;
  /** The handshake is complete. */
  readonly established: () => void;
  /** Once, when the session is freed. */
  readonly freed: () => void;
}

export interface HostSession extends DtlsSession {
  /** Goes on with the handshake. */
  step(): void;
}

export function createSession(options: SessionOptions): HostSession {
  const { openSsl, machine } = options;
  const { ssl } = machine;
  let freed = false;
  let connected = false;
  let retransmission: NodeJS.Timeout | undefined;
  let deadline: NodeJS.Timeout | undefined = setTimeout(() => {
    end('no complete DTLS handshake in time');
  }, options.handshakeTimeoutMs);

  function output(): void {
    drain(openSsl, machine, (datagram) => {
      options.handler().output(datagram);
    });
  }

  function free(): void {
    freed = true;
    clearTimeout(retransmission);
    clearTimeout(deadline);
    openSsl.SSL_free(ssl);
    options.freed();
  }

  function end(reason: string): void {
    if (freed) return;
    free();
    options.handler().closed(reason);
  }

  function step(): void {
    if (freed || connected) return;
    openSsl.ERR_clear_error();
    const result = openSsl.SSL_do_handshake(ssl);
    const problem = result === 1 ? undefined : problemOf(result);
    output();
    if (problem !== undefined) end(`DTLS handshake: ${problem}`);
    else if (result === 1) complete();
    else awaitAnswer();
  }

  /** `undefined`: nothing wrong, more is needed. */
  function problemOf(result: number): string | undefined {
    const code = openSsl.SSL_get_error(ssl, result);
    const text = lastError(openSsl);
    if (code === error.wantRead) return undefined;
    return code === error.zeroReturn ? 'closed by the far end' : text;
  }

  function complete(): void {
    connected = true;
    clearTimeout(deadline);
    clearTimeout(retransmission);
    deadline = undefined;
    const chain = peerChain(openSsl, ssl, options.verifier);
    if (!chain.ok) {
      shutDown();
      end(chain.error);
      return;
    }
    options.established();
    options.handler().connected(chain.value);
  }

  /** Lost flights are repeated until the far end answers. */
  function awaitAnswer(): void {
    clearTimeout(retransmission);
    if (openSsl.SSL_ctrl(ssl, command.timeLeft, 0, timeLeft) !== 1) return;
    const view = new DataView(timeLeft.buffer);
    const ms = Number(view.getBigInt64(0, true)) * 1000 + Number(view.getBigInt64(8, true)) / 1000;
    retransmission = setTimeout(
      () => {
        if (freed || connected) return;
        openSsl.ERR_clear_error();
        const handled = openSsl.SSL_ctrl(ssl, command.handleTimeout, 0, null);
        openSsl.ERR_clear_error();
        output();
        if (handled < 0) end('no answer to the DTLS handshake');
        else awaitAnswer();
      },
      Math.max(1, Math.ceil(ms)),
    );
  }

  function read(): void {
    for (;;) {
      openSsl.ERR_clear_error();
      const length = openSsl.SSL_read(ssl, scratch, largestRecordBytes);
      if (length <= 0) {
        const problem = problemOf(length);
        // The far end may repeat its last flight because ours was lost.
        output();
        if (problem !== undefined) end(problem);
        return;
      }
      options.handler().data(scratch.slice(0, length));
      if (isFreed()) return;
    }
  }

  /** As a function: the handler may have closed the session. */
  function isFreed(): boolean {
    return freed;
  }

  function shutDown(): void {
    openSsl.ERR_clear_error();
    openSsl.SSL_shutdown(ssl);
    openSsl.ERR_clear_error();
    output();
  }

  return {
    maxBytes: dtlsMaxBytes,
    step,
    receive(datagram) {
      if (freed || datagram.length === 0) return;
      openSsl.BIO_write(machine.input, datagram, datagram.length);
      if (!connected) step();
      if (connected && !isFreed()) read();
    },
    send(bytes) {
      if (freed || !connected || bytes.length === 0 || bytes.length > dtlsMaxBytes) return;
      openSsl.ERR_clear_error();
      const written = openSsl.SSL_write(ssl, bytes, bytes.length);
      const problem = written > 0 ? undefined : problemOf(written);
      output();
      if (problem !== undefined) setImmediate(end, problem);
    },
    close() {
      if (freed) return;
      if (connected) shutDown();
      free();
    },
  };
}

/** The certificates that the far end showed, leaf first. */
function peerChain(
  openSsl: OpenSsl,
  ssl: Pointer,
  verifier: Verifier,
): Outcome<readonly Certificate[]> {
  const leaf = openSsl.SSL_get1_peer_certificate(ssl);
  if (leaf === null) return failure('no certificate shown');
  const parsed = parse(openSsl, leaf, verifier);
  openSsl.X509_free(leaf);
  if (!parsed.ok) return parsed;
  const chain = [parsed.value];
  // The stack belongs to the session; a client's begins with the leaf, a server's does not.
  const stack = openSsl.SSL_get_peer_cert_chain(ssl);
  const count = stack === null ? 0 : openSsl.OPENSSL_sk_num(stack);
  for (let i = 0; i < count && chain.length < limits.node.peerChainCertificates; i++) {
    const next = parse(openSsl, openSsl.OPENSSL_sk_value(stack, i), verifier);
    if (!next.ok) return next;
    if (next.value.fingerprint !== parsed.value.fingerprint) chain.push(next.value);
  }
  return success(chain);
}

function parse(openSsl: OpenSsl, certificate: Pointer, verifier: Verifier): Outcome<Certificate> {
  const target = openSsl.BIO_new(openSsl.BIO_s_mem());
  try {
    openSsl.i2d_X509_bio(target, certificate);
    const length = openSsl.BIO_ctrl(target, command.pending, 0, null);
    if (length > limits.node.certificateBytes) return failure('certificate too large');
    openSsl.BIO_read(target, scratch, scratch.length);
    const outcome = verifier.parseCertificate(scratch.slice(0, length));
    return outcome.ok ? outcome : failure(`certificate refused: ${outcome.error}`);
  } finally {
    openSsl.BIO_free(target);
  }
}
