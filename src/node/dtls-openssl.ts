/** The functions of OpenSSL that DTLS takes, called directly: Node itself offers TLS only. */
import koffi from 'koffi';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';

/** Address of a C object; `null` and 0 are NULL. */
export type Pointer = bigint | number | null;

/** Named as in OpenSSL's manual. Lengths are bytes. */
export interface OpenSsl {
  DTLS_method(): Pointer;
  SSL_CTX_new(method: Pointer): Pointer;
  SSL_CTX_free(context: Pointer): void;
  SSL_CTX_ctrl(context: Pointer, command: number, argument: number, pointer: Pointer): number;
  SSL_CTX_set_options(context: Pointer, options: bigint): bigint;
  SSL_CTX_set_cipher_list(context: Pointer, ciphers: string): number;
  SSL_CTX_use_certificate(context: Pointer, certificate: Pointer): number;
  SSL_CTX_use_PrivateKey(context: Pointer, key: Pointer): number;
  SSL_CTX_set_verify(context: Pointer, mode: number, callback: Pointer): void;
  SSL_CTX_set_cert_verify_callback(context: Pointer, callback: Pointer, argument: Pointer): void;
  SSL_CTX_set_cookie_generate_cb(context: Pointer, callback: Pointer): void;
  SSL_CTX_set_cookie_verify_cb(context: Pointer, callback: Pointer): void;
  SSL_CTX_set_keylog_callback(context: Pointer, callback: Pointer): void;
  SSL_new(context: Pointer): Pointer;
  SSL_free(ssl: Pointer): void;
  SSL_set_bio(ssl: Pointer, read: Pointer, write: Pointer): void;
  SSL_set_accept_state(ssl: Pointer): void;
  SSL_set_connect_state(ssl: Pointer): void;
  SSL_ctrl(ssl: Pointer, command: number, argument: number, pointer: Uint8Array | null): number;
  SSL_do_handshake(ssl: Pointer): number;
  SSL_read(ssl: Pointer, target: Uint8Array, length: number): number;
  SSL_write(ssl: Pointer, bytes: Uint8Array, length: number): number;
  SSL_get_error(ssl: Pointer, result: number): number;
  SSL_shutdown(ssl: Pointer): number;
  SSL_get1_peer_certificate(ssl: Pointer): Pointer;
  SSL_get_peer_cert_chain(ssl: Pointer): Pointer;
  DTLSv1_listen(ssl: Pointer, address: Pointer): number;
  DTLS_set_timer_cb(ssl: Pointer, callback: Pointer): void;
  BIO_s_mem(): Pointer;
  BIO_new(type: Pointer): Pointer;
  BIO_ctrl(bio: Pointer, command: number, argument: number, pointer: Pointer): number;
  BIO_read(bio: Pointer, target: Uint8Array, length: number): number;
  BIO_write(bio: Pointer, bytes: Uint8Array, length: number): number;
  BIO_ADDR_new(): Pointer;
  BIO_ADDR_free(address: Pointer): void;
  BIO_free(bio: Pointer): number;
  d2i_X509_bio(source: Pointer, target: Pointer): Pointer;
  i2d_X509_bio(target: Pointer, certificate: Pointer): number;
  X509_free(certificate: Pointer): void;
  d2i_PrivateKey_bio(source: Pointer, target: Pointer): Pointer;
  EVP_PKEY_free(key: Pointer): void;
  OPENSSL_sk_num(stack: Pointer): number;
  OPENSSL_sk_value(stack: Pointer, index: number): Pointer;
  ERR_clear_error(): void;
  ERR_peek_error(): bigint | number;
  ERR_reason_error_string(error: bigint | number): string | null;
  OpenSSL_version(what: number): string;
}

const prototypes: readonly string[] = [
  'void *DTLS_method()',
  'void *SSL_CTX_new(void *method)',
  'void SSL_CTX_free(void *context)',
  'long SSL_CTX_ctrl(void *context, int command, long argument, void *pointer)',
  'uint64_t SSL_CTX_set_options(void *context, uint64_t options)',
  'int SSL_CTX_set_cipher_list(void *context, const char *ciphers)',
  'int SSL_CTX_use_certificate(void *context, void *certificate)',
  'int SSL_CTX_use_PrivateKey(void *context, void *key)',
  'void SSL_CTX_set_verify(void *context, int mode, void *callback)',
  'void SSL_CTX_set_cert_verify_callback(void *context, void *callback, void *argument)',
  'void SSL_CTX_set_cookie_generate_cb(void *context, void *callback)',
  'void SSL_CTX_set_cookie_verify_cb(void *context, void *callback)',
  'void SSL_CTX_set_keylog_callback(void *context, void *callback)',
  'void *SSL_new(void *context)',
  'void SSL_free(void *ssl)',
  'void SSL_set_bio(void *ssl, void *read, void *write)',
  'void SSL_set_accept_state(void *ssl)',
  'void SSL_set_connect_state(void *ssl)',
  'long SSL_ctrl(void *ssl, int command, long argument, _Inout_ uint8_t *pointer)',
  'int SSL_do_handshake(void *ssl)',
  'int SSL_read(void *ssl, _Out_ uint8_t *target, int length)',
  'int SSL_write(void *ssl, const uint8_t *bytes, int length)',
  'int SSL_get_error(void *ssl, int result)',
  'int SSL_shutdown(void *ssl)',
  'void *SSL_get1_peer_certificate(void *ssl)',
  'void *SSL_get_peer_cert_chain(void *ssl)',
  'int DTLSv1_listen(void *ssl, void *address)',
  'void DTLS_set_timer_cb(void *ssl, void *callback)',
  'void *BIO_s_mem()',
  'void *BIO_new(void *type)',
  'long BIO_ctrl(void *bio, int command, long argument, void *pointer)',
  'int BIO_read(void *bio, _Out_ uint8_t *target, int length)',
  'int BIO_write(void *bio, const uint8_t *bytes, int length)',
  'void *BIO_ADDR_new()',
  'void BIO_ADDR_free(void *address)',
  'int BIO_free(void *bio)',
  'void *d2i_X509_bio(void *source, void *target)',
  'int i2d_X509_bio(void *target, void *certificate)',
  'void X509_free(void *certificate)',
  'void *d2i_PrivateKey_bio(void *source, void *target)',
  'void EVP_PKEY_free(void *key)',
  'int OPENSSL_sk_num(void *stack)',
  'void *OPENSSL_sk_value(void *stack, int index)',
  'void ERR_clear_error()',
  'unsigned long ERR_peek_error()',
  'const char *ERR_reason_error_string(unsigned long error)',
  'const char *OpenSSL_version(int what)',
];

/** What this process itself holds first: then DTLS and TLS are of one version. */
const libraries: readonly (readonly (string | null)[])[] = [
  [null],
  ['libssl.so.3', 'libcrypto.so.3'],
  ['libssl.3.dylib', 'libcrypto.3.dylib'],
];

let loaded: Outcome<OpenSsl> | undefined;

/** Finds the library once for the process; the error says what is missing. */
export function loadOpenSsl(): Outcome<OpenSsl> {
  loaded ??= search();
  return loaded;
}

function search(): Outcome<OpenSsl> {
  const problems: string[] = [];
  for (const names of libraries) {
    const bound = bind(names);
    if (bound.ok) return bound;
    problems.push(bound.error);
  }
  return failure(`DTLS needs OpenSSL 3, inside Node or as libssl.so.3: ${problems.join('; ')}`);
}

function bind(names: readonly (string | null)[]): Outcome<OpenSsl> {
  try {
    const opened = names.map((name) => koffi.load(name));
    const functions: Record<string, unknown> = {};
    for (const prototype of prototypes) {
      const name = /(\w+)\(/.exec(prototype)?.[1] ?? '';
      functions[name] = firstWith(opened, prototype);
    }
    return success(functions as unknown as OpenSsl);
  } catch (error) {
    return failure((error as Error).message);
  }
}

function firstWith(opened: readonly ReturnType<typeof koffi.load>[], prototype: string): unknown {
  let problem: unknown;
  for (const library of opened) {
    try {
      return library.func(prototype);
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}

/** Callbacks that OpenSSL keeps; each stays valid until it is released. */
export interface Callbacks {
  /** `prototype` as koffi writes a C function type. */
  add(prototype: string, call: (...values: never[]) => unknown): Pointer;
  release(): void;
}

export function createCallbacks(): Callbacks {
  const held: bigint[] = [];
  return {
    add(prototype, call) {
      const type = typeOf(prototype);
      const pointer = koffi.register(call, type);
      held.push(pointer);
      return pointer;
    },
    release() {
      for (const pointer of held.splice(0)) koffi.unregister(pointer);
    },
  };
}

const types = new Map<string, ReturnType<typeof koffi.pointer>>();

function typeOf(prototype: string): ReturnType<typeof koffi.pointer> {
  let type = types.get(prototype);
  if (type === undefined) {
    type = koffi.pointer(koffi.proto(prototype));
    types.set(prototype, type);
  }
  return type;
}

/** Copies bytes out of C memory. */
export function bytesAt(pointer: Pointer, length: number): Uint8Array {
  return Uint8Array.from(koffi.decode(pointer as never, 'uint8_t', length) as Iterable<number>);
}

/** Copies bytes into C memory. */
export function putBytes(pointer: Pointer, bytes: Uint8Array): void {
  koffi.encode(pointer, koffi.array('uint8_t', bytes.length), [...bytes]);
}

export function putU32(pointer: Pointer, value: number): void {
  koffi.encode(pointer, 'uint32_t', value);
}

/** A C string as text. */
export function textAt(pointer: Pointer): string {
  return koffi.decode(pointer, 'char', -1) as string;
}
