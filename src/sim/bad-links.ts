/**
 * What cheating peers do to the messages that pass them: they cut answers short, send messages
 * again, and answer with what they saw in answers of earlier times, under their own signature.
 */
import { concatBytes } from '../base/bytes.ts';
import type { ResourceId } from '../base/ids.ts';
import type { Identity } from '../ports/certificates.ts';
import type { SecureConnection } from '../ports/connection.ts';
import { messagePayload } from '../trust/trust.ts';
import { certHashIdentity } from '../trust/signer-identity.ts';
import { attempt, encodeToBytes, tryDecode } from '../wire/codec.ts';
import { decodePayload, encodeContents, type Payload } from '../wire/reload/contents.ts';
import {
  dataFrameHeaderLength,
  decodeFrame,
  encodeDataFrame,
  frameTypes,
} from '../wire/reload/framing.ts';
import { decodeHeader, type ForwardingHeader } from '../wire/reload/header.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { securityBlock, signerIdentity } from '../wire/reload/security.ts';
import { fetchReq } from '../wire/reload/storage.ts';
import type { SimulatedHost } from './host.ts';
import type { Tamper } from './peer.ts';

/** Position of the total length in a message. RFC 6940 §6.3.2. */
const lengthOffset = 16;
const cutBytes = 40;
const replayDelayMs = 1500;
const replayOneIn = 4;
const remembered = 2000;

interface Seen {
  readonly sequence: number;
  readonly head: Uint8Array;
  readonly header: ForwardingHeader;
  readonly payload: Payload;
}

/** The message in a data frame; nothing in acknowledgements, fragments and what cannot be read. */
function look(frame: Uint8Array): Seen | undefined {
  if (frame[0] !== frameTypes.data) return undefined;
  const seen = attempt(() => {
    const decoded = decodeFrame(frame);
    if (decoded.type !== 'data') return undefined;
    const { header, headerLength } = decodeHeader(decoded.message);
    const payload = decodePayload(decoded.message.subarray(headerLength));
    const head = decoded.message.slice(0, headerLength);
    return { sequence: decoded.sequence, head, header, payload };
  });
  return seen.ok ? seen.value : undefined;
}

function frameOf({ sequence, head }: Seen, body: Uint8Array): Uint8Array {
  const own = head.slice();
  new DataView(own.buffer).setUint32(lengthOffset, own.length + body.length);
  return encodeDataFrame(sequence, own, body);
}

/** Every answer to a Fetch that passes loses its end. */
export function cutAnswers(isActive: () => boolean): Tamper {
  return (connection) =>
    sending(connection, (frame, send) => {
      const seen = isActive() ? look(frame) : undefined;
      if (seen?.payload.contents.messageCode !== messageCodes.fetchAns) send(frame);
      else send(frameOf(seen, frame.subarray(dataFrameHeaderLength + seen.head.length, -cutBytes)));
    });
}

/** Sends messages again after a while, and old answers in place of new ones. */
export function replayAnswers(
  host: SimulatedHost,
  identity: Identity,
  isActive: () => boolean,
): Tamper {
  /** The resource of each Fetch seen, and the first answer seen for it. */
  const asked = new Map<bigint, ResourceId>();
  const answers = new Map<ResourceId, Payload>();

  function learn({ header, payload }: Seen): Payload | undefined {
    const { messageCode, messageBody } = payload.contents;
    if (messageCode === messageCodes.fetchReq) {
      const request = tryDecode(fetchReq, messageBody);
      if (request.ok) {
        const [oldest] = asked.keys();
        if (asked.size >= remembered && oldest !== undefined) asked.delete(oldest);
        asked.set(header.transactionId, request.value.resource);
      }
    }
    if (messageCode !== messageCodes.fetchAns) return undefined;
    const resource = asked.get(header.transactionId);
    if (resource === undefined) return undefined;
    const old = answers.get(resource);
    if (old === undefined && answers.size < remembered) answers.set(resource, copyOf(payload));
    return old;
  }

  function answerWith(old: Payload, seen: Seen, send: (frame: Uint8Array) => void): void {
    const contents = encodeContents(messageCodes.fetchAns, old.contents.messageBody);
    const { overlay: overlayHash, transactionId } = seen.header;
    const named = certHashIdentity(identity.certificate);
    const payload = messagePayload({ overlayHash, transactionId, contents });
    const input = concatBytes([payload, encodeToBytes(signerIdentity, named)]);
    identity.sign(input, (signatureValue) => {
      const own = { type: 'x509', certificate: identity.certificate.der } as const;
      const block = encodeToBytes(securityBlock, {
        certificates: [own, ...old.security.certificates],
        signature: { ...identity.scheme, identity: named, signatureValue },
      });
      send(frameOf(seen, concatBytes([contents, block])));
    });
  }

  return (connection) => ({
    ...sending(connection, (frame, send) => {
      const seen = look(frame);
      const old = seen === undefined ? undefined : learn(seen);
      if (!isActive() || seen === undefined) {
        send(frame);
        return;
      }
      if (old === undefined) send(frame);
      else answerWith(old, seen, send);
      if (host.random.u32() % replayOneIn === 0) {
        const again = frame.slice();
        host.later(replayDelayMs, () => send(again));
      }
    }),
    // What the peer answers itself it has been asked by others.
    setHandler(handler) {
      connection.setHandler({
        ...handler,
        data(bytes) {
          const seen = look(bytes);
          if (seen !== undefined) learn(seen);
          handler.data(bytes);
        },
      });
    },
  });
}

function copyOf(payload: Payload): Payload {
  const body = encodeContents(payload.contents.messageCode, payload.contents.messageBody);
  return decodePayload(concatBytes([body, encodeToBytes(securityBlock, payload.security)]));
}

function sending(
  connection: SecureConnection,
  transform: (frame: Uint8Array, send: (frame: Uint8Array) => void) => void,
): SecureConnection {
  const { role, local, remote, peerChain, datagramBytes } = connection;
  return {
    role,
    local,
    remote,
    peerChain,
    datagramBytes,
    get bufferedBytes() {
      return connection.bufferedBytes;
    },
    setHandler: (handler) => connection.setHandler(handler),
    close: (reason) => connection.close(reason),
    send: (bytes) => transform(bytes, (frame) => connection.send(frame)),
  };
}
