import { UsageError } from '../../base/assert.ts';
import { makeEditor } from './editor.ts';
import { headerIds, longHeaderName } from './header-names.ts';
import { checkText, makeKnownRow, makeRow } from './rows.ts';
import type { Row } from './rows.ts';
import { hasUriUnsafe, isToken } from './scan.ts';
import { reasonPhrase } from './reasons.ts';
import type { HeaderName, SipRequest, SipResponse } from './types.ts';
import { MessageView, asRequest, asResponse, noFields, textOfBody } from './view.ts';

export { parseMessage } from './parse.ts';
export { reasonPhrase } from './reasons.ts';
export type {
  CSeq,
  ErrorReply,
  HeaderName,
  MessageEditor,
  SipMessage,
  SipMessageBase,
  SipParseError,
  SipRequest,
  SipResponse,
} from './types.ts';

export interface ResponseOptions {
  /** Added to To when the request has no tag there (never to a 100). */
  readonly toTag?: string | undefined;
  readonly headers?: readonly (readonly [HeaderName, string])[];
  /** Goes with `contentType`. */
  readonly body?: Uint8Array;
  readonly contentType?: string;
}

/**
 * A response with Via, From, To, Call-ID and CSeq of the request (RFC 3261 §8.2.6), Timestamp on a
 * 100, Record-Route on the 101..299 that may form a dialog (RFC 3261 §12.1.1).
 */
export function createResponse(
  request: SipRequest,
  status: number,
  reason?: string,
  options?: ResponseOptions,
): SipResponse {
  const phrase = reason ?? reasonPhrase(status);
  if (reason !== undefined) checkText(reason);
  if (!Number.isInteger(status) || status < 100 || status > 699) throw new UsageError('bad status');
  const source = (request as unknown as MessageView).content;
  const fields = { ...(request as unknown as MessageView).fields, uri: undefined };
  const keepsRoute = status > 100 && status < 300 && formsDialog(request.method);
  const rows: Row[] = [];
  for (const row of source.rows) {
    switch (row.id) {
      case headerIds.to: {
        const tag = options?.toTag;
        if (tag === undefined || status === 100 || request.to.tag !== undefined) rows.push(row);
        else {
          rows.push(knownRow(headerIds.to, `${row.value};tag=${tag}`));
          fields.to = undefined;
        }
        break;
      }
      case headerIds.via:
      case headerIds.from:
      case headerIds.callId:
      case headerIds.cseq:
        rows.push(row);
        break;
      case headerIds.recordRoute:
        if (keepsRoute) rows.push(row);
        break;
      case headerIds.timestamp:
        if (status === 100) rows.push(row);
        break;
      default:
        break;
    }
  }
  for (const [name, value] of options?.headers ?? []) rows.push(makeRow(name, value));
  const bodyText = pushBody(rows, options?.contentType, options?.body);
  return asResponse(
    new MessageView(
      {
        kind: 'response',
        method: '',
        uri: '',
        status,
        reason: phrase,
        rows,
        bodyText,
        body: options?.body,
        bytes: undefined,
      },
      fields,
      makeEditor,
    ),
  );
}

function formsDialog(method: string): boolean {
  return method === 'INVITE' || method === 'SUBSCRIBE' || method === 'REFER' || method === 'NOTIFY';
}

function knownRow(id: number, value: string): Row {
  return makeKnownRow(id, longHeaderName(id), value);
}

const emptyLength = knownRow(headerIds.contentLength, '0');

/** Adds Content-Type and Content-Length; the body as text. */
function pushBody(
  rows: Row[],
  contentType: string | undefined,
  body: Uint8Array | undefined,
): string {
  if (body === undefined || body.length === 0) {
    rows.push(emptyLength);
    return '';
  }
  if (contentType !== undefined) rows.push(knownRow(headerIds.contentType, contentType));
  rows.push(knownRow(headerIds.contentLength, String(body.length)));
  return textOfBody(body);
}

export interface RequestParts {
  readonly method: string;
  readonly uri: string;
  /** Whole header values, tags included. */
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  /** Sequence number; the method is appended. */
  readonly cseq: number;
  /** Absent for a request handed to the transaction layer, which adds its own. */
  readonly via?: string;
  readonly route?: readonly string[];
  /** 70 when absent. */
  readonly maxForwards?: number;
  readonly headers?: readonly (readonly [HeaderName, string])[];
  readonly body?: Uint8Array;
  readonly contentType?: string;
}

/**
 * A new request. Without `via` reading its `via` throws {@link UsageError} until the transaction
 * layer has added one.
 */
export function createRequest(parts: RequestParts): SipRequest {
  const { method, uri } = parts;
  if (!isToken(method)) throw new UsageError('bad method');
  if (uri === '' || hasUriUnsafe(uri, 0, uri.length)) throw new UsageError('bad Request-URI');
  const rows: Row[] = [];
  if (parts.via !== undefined) rows.push(knownRow(headerIds.via, parts.via));
  for (const route of parts.route ?? []) rows.push(makeRow('Route', route));
  rows.push(
    knownRow(headerIds.maxForwards, String(parts.maxForwards ?? 70)),
    knownRow(headerIds.from, parts.from),
    knownRow(headerIds.to, parts.to),
    knownRow(headerIds.callId, parts.callId),
    knownRow(headerIds.cseq, `${String(parts.cseq)} ${method}`),
  );
  for (const [name, value] of parts.headers ?? []) rows.push(makeRow(name, value));
  const bodyText = pushBody(rows, parts.contentType, parts.body);
  return asRequest(
    new MessageView(
      {
        kind: 'request',
        method,
        uri,
        status: 0,
        reason: '',
        rows,
        bodyText,
        body: parts.body,
        bytes: undefined,
      },
      noFields(),
      makeEditor,
    ),
  );
}
