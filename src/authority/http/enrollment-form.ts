/** The multipart/form-data body of a certificate request (RFC 6940 §11.3, RFC 2388), bounded. */
import type { IncomingMessage } from 'node:http';
import busboy from 'busboy';
import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { latin1Encode, utf8Decode } from '../../base/text.ts';

export interface EnrollmentForm {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly nodeids: string | undefined;
  /** DER of a PKCS#10 request. */
  readonly csr: Uint8Array | undefined;
}

/** Reads the form to its end. The error is one line for the client. */
export function readEnrollmentForm(request: IncomingMessage): Promise<Outcome<EnrollmentForm>> {
  const parts = new Map<string, Uint8Array>();
  const { formPartBytes, formParts } = limits.authorityHttp;
  let parser: busboy.Busboy;
  try {
    parser = busboy({
      headers: request.headers,
      // Keeps every byte of parts that name no character set.
      defCharset: 'latin1',
      limits: {
        fieldNameSize: 100,
        fieldSize: formPartBytes,
        fields: formParts,
        fileSize: formPartBytes,
        files: formParts,
        parts: formParts,
        headerPairs: 16,
      },
    });
  } catch {
    return Promise.resolve(failure('the body must be multipart/form-data'));
  }
  return new Promise((resolve) => {
    let refusal: string | undefined;
    const keep = (name: string, value: Uint8Array, truncated: boolean): void => {
      if (truncated) refusal ??= `the part ${name.slice(0, 20)} is too large`;
      else if (parts.has(name)) refusal ??= `the part ${name.slice(0, 20)} appears twice`;
      else parts.set(name, value);
    };
    const finish = (outcome: Outcome<EnrollmentForm>): void => {
      request.unpipe(parser);
      request.resume();
      resolve(outcome);
    };
    parser.on('field', (name, value, { valueTruncated }) => {
      keep(name, partBytes(value), valueTruncated);
    });
    parser.on('file', (name, stream) => {
      const chunks: Uint8Array[] = [];
      stream.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      stream.on('close', () => {
        keep(name, Buffer.concat(chunks), stream.truncated === true);
      });
    });
    const tooMany = (): void => {
      refusal ??= 'the form has too many parts';
    };
    parser.on('partsLimit', tooMany);
    parser.on('fieldsLimit', tooMany);
    parser.on('filesLimit', tooMany);
    parser.on('error', () => {
      finish(failure('the form is malformed'));
    });
    parser.on('close', () => {
      finish(refusal === undefined ? formOf(parts) : failure(refusal));
    });
    request.on('close', () => {
      if (!request.complete) finish(failure('the request ended early'));
    });
    let received = 0;
    request.on('data', (chunk: Uint8Array) => {
      received += chunk.length;
      if (received > limits.authorityHttp.requestBytes) request.destroy();
    });
    request.pipe(parser);
  });
}

/** A part with a character set of its own arrives as text that may not be latin1. */
function partBytes(value: string): Uint8Array {
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) > 0xff) return Buffer.from(value, 'utf8');
  }
  return latin1Encode(value);
}

function formOf(parts: ReadonlyMap<string, Uint8Array>): Outcome<EnrollmentForm> {
  const text = (name: string): string | undefined => {
    const bytes = parts.get(name);
    return bytes && (utf8Decode(bytes) ?? undefined);
  };
  for (const name of ['username', 'password', 'nodeids']) {
    if (parts.has(name) && text(name) === undefined) return failure(`${name} must be UTF-8`);
  }
  return success({
    username: text('username'),
    password: text('password'),
    nodeids: text('nodeids'),
    csr: parts.get('csr'),
  });
}
