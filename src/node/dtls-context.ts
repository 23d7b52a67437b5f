/** What all DTLS sessions of one identity share: certificate, key, ciphers and rules. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { TransportAddress } from '../ports/connection.ts';
import { bytesAt, putBytes, putU32, textAt } from './dtls-openssl.ts';
import type { Callbacks, OpenSsl, Pointer } from './dtls-openssl.ts';
import type { KeyLog, TlsIdentity } from './tls.ts';

/** Values of OpenSSL 3's public headers. */
const option = { noTicket: 1n << 14n, noQueryMtu: 1n << 12n };
const noRenegotiation = 1n << 30n;
const command = { mode: 33, sessionCacheMode: 44, extraChain: 89, minimumVersion: 123 };
const noAutoChain = 8;
const dtls12 = 0xfefd;
const verifyPeer = 1 | 2;

/** As on TLS: forward secrecy and authenticated encryption throughout. */
const ciphers = 'ECDHE+AESGCM:ECDHE+CHACHA20';

/** First wait for an answer; it doubles, up to the second figure. RFC 6347 §4.2.4.1. */
const firstTimeoutUs = 250_000;
const longestTimeoutUs = 4_000_000;

/** The callbacks of all contexts of one host. */
export interface ContextCallbacks {
  readonly timer: Pointer;
  readonly acceptAnyCertificate: Pointer;
  readonly makeCookie: Pointer;
  readonly checkCookie: Pointer;
  readonly keyLog: Pointer;
}

/** `asking`: the address whose cookie is being made or checked. */
export function contextCallbacks(
  callbacks: Callbacks,
  asking: () => TransportAddress | undefined,
  keyLog: KeyLog | undefined,
): ContextCallbacks {
  const jar = createCookieJar();
  return {
    timer: callbacks.add('unsigned int DtlsTimer(void *ssl, unsigned int us)', (_, us: number) =>
      us === 0 ? firstTimeoutUs : Math.min(us * 2, longestTimeoutUs),
    ),
    // The key of the certificate is proved by the handshake; whom it names is for the core.
    acceptAnyCertificate: callbacks.add('int DtlsVerify(void *store, void *argument)', () => 1),
    makeCookie: callbacks.add(
      'int DtlsMakeCookie(void *ssl, void *cookie, void *length)',
      (_, cookie: Pointer, length: Pointer) => {
        const from = asking();
        if (from === undefined) return 0;
        putBytes(cookie, jar.make(from));
        putU32(length, cookieBytes);
        return 1;
      },
    ),
    checkCookie: callbacks.add(
      'int DtlsCheckCookie(void *ssl, void *cookie, unsigned int length)',
      (_, cookie: Pointer, length: number) => {
        const from = asking();
        if (from === undefined || length !== cookieBytes) return 0;
        return jar.check(from, bytesAt(cookie, length)) ? 1 : 0;
      },
    ),
    keyLog:
      keyLog === undefined
        ? null
        : callbacks.add('void DtlsKeyLog(void *ssl, void *line)', (_, line: Pointer) => {
            keyLog.write(Buffer.from(`${textAt(line)}\n`));
          }),
  };
}

/** A context to be freed with SSL_CTX_free; sessions that exist keep it alive. */
export function createContext(
  openSsl: OpenSsl,
  identity: TlsIdentity,
  callbacks: ContextCallbacks,
): Outcome<Pointer> {
  const context = openSsl.SSL_CTX_new(openSsl.DTLS_method());
  openSsl.SSL_CTX_ctrl(context, command.minimumVersion, dtls12, null);
  openSsl.SSL_CTX_ctrl(context, command.mode, noAutoChain, null);
  openSsl.SSL_CTX_ctrl(context, command.sessionCacheMode, 0, null);
  openSsl.SSL_CTX_set_options(context, option.noTicket | option.noQueryMtu | noRenegotiation);
  openSsl.SSL_CTX_set_verify(context, verifyPeer, null);
  openSsl.SSL_CTX_set_cert_verify_callback(context, callbacks.acceptAnyCertificate, null);
  openSsl.SSL_CTX_set_cookie_generate_cb(context, callbacks.makeCookie);
  openSsl.SSL_CTX_set_cookie_verify_cb(context, callbacks.checkCookie);
  if (callbacks.keyLog !== null) {
    openSsl.SSL_CTX_set_keylog_callback(context, callbacks.keyLog);
  }
  const usable =
    openSsl.SSL_CTX_set_cipher_list(context, ciphers) === 1 && show(openSsl, context, identity);
  if (usable) return success(context);
  openSsl.SSL_CTX_free(context);
  return failure(`the certificate and key cannot be used for DTLS: ${lastError(openSsl)}`);
}

function show(openSsl: OpenSsl, context: Pointer, identity: TlsIdentity): boolean {
  const [leaf, ...others] = identity.chain;
  if (leaf === undefined) return false;
  const shown = withBytes(openSsl, leaf.der, (source) => {
    const certificate = openSsl.d2i_X509_bio(source, null);
    const used = certificate !== null && openSsl.SSL_CTX_use_certificate(context, certificate);
    openSsl.X509_free(certificate);
    return used === 1;
  });
  const chained = others.every(({ der }) =>
    withBytes(openSsl, der, (source) => {
      const certificate = openSsl.d2i_X509_bio(source, null);
      if (certificate === null) return false;
      const added = openSsl.SSL_CTX_ctrl(context, command.extraChain, 1, certificate);
      openSsl.X509_free(certificate);
      return added === 1;
    }),
  );
  const der = identity.privateKey.export({ type: 'pkcs8', format: 'der' });
  const keyed = withBytes(openSsl, der, (source) => {
    const key = openSsl.d2i_PrivateKey_bio(source, null);
    const used = key !== null && openSsl.SSL_CTX_use_PrivateKey(context, key);
    openSsl.EVP_PKEY_free(key);
    return used === 1;
  });
  return shown && chained && keyed;
}

function withBytes(
  openSsl: OpenSsl,
  bytes: Uint8Array,
  use: (source: Pointer) => boolean,
): boolean {
  const source = openSsl.BIO_new(openSsl.BIO_s_mem());
  try {
    openSsl.BIO_write(source, bytes, bytes.length);
    return use(source);
  } finally {
    openSsl.BIO_free(source);
  }
}

/**
 * OpenSSL's word for what went wrong. Takes it off the queue, which this thread shares with Node's
 * own cryptography: what stays there shows up as an error of somebody else.
 */
export function lastError(openSsl: OpenSsl): string {
  const text = openSsl.ERR_reason_error_string(openSsl.ERR_peek_error()) ?? 'unknown error';
  openSsl.ERR_clear_error();
  return text;
}

const cookieBytes = 16;
const cookieKeyMs = 60_000;

interface CookieJar {
  make(from: TransportAddress): Uint8Array;
  check(from: TransportAddress, cookie: Uint8Array): boolean;
}

/** Cookies prove an address for one to two minutes and need no memory of who asked. */
function createCookieJar(): CookieJar {
  let key = randomBytes(32);
  let previous = key;
  let sinceMs = performance.now();

  function rotate(): void {
    const now = performance.now();
    if (now - sinceMs < cookieKeyMs) return;
    previous = now - sinceMs < 2 * cookieKeyMs ? key : randomBytes(32);
    key = randomBytes(32);
    sinceMs = now;
  }

  function cookie(secret: Uint8Array, { address, port }: TransportAddress): Uint8Array {
    const mac = createHmac('sha256', secret)
      .update(`${address} ${String(port)}`)
      .digest();
    return mac.subarray(0, cookieBytes);
  }

  return {
    make(from) {
      rotate();
      return cookie(key, from);
    },
    check(from, given) {
      rotate();
      return (
        timingSafeEqual(cookie(key, from), given) || timingSafeEqual(cookie(previous, from), given)
      );
    },
  };
}
