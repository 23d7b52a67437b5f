/** A bare link end for tests: sends hand-made messages to a peer and records what comes back. */
import { concatBytes, emptyBytes } from '../../../../src/base/bytes.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import { createLink, type Link } from '../../../../src/link/link.ts';
import type { Identity } from '../../../../src/ports/certificates.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { encodeToBytes, tryDecode } from '../../../../src/wire/codec.ts';
import {
  decodePayload,
  encodeContents,
  type MessageExtension,
  type Payload,
} from '../../../../src/wire/reload/contents.ts';
import { errorResponse } from '../../../../src/wire/reload/errors.ts';
import {
  decodeHeader,
  encodeHeader,
  overlayHash,
  unfragmented,
  type ForwardingHeader,
} from '../../../../src/wire/reload/header.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { messagePayload } from '../../../../src/trust/trust.ts';
import { certHashIdentity } from '../../../../src/trust/signer-identity.ts';
import { securityBlock, signerIdentity } from '../../../../src/wire/reload/security.ts';
import { createIdentity, overlayName } from './fake-keys.ts';
import type { FakeHost } from './fake-network.ts';
import { linkPort, testConfig, type TestPeer, type World } from './world.ts';

export interface Received {
  readonly header: ForwardingHeader;
  readonly payload: Payload;
  readonly bytes: Uint8Array;
}

export interface MessageOptions {
  readonly header?: Partial<ForwardingHeader>;
  readonly code?: number;
  readonly body?: Uint8Array;
  readonly extensions?: readonly MessageExtension[];
  readonly identity?: Identity;
  /** Flip a bit of the signature. */
  readonly forge?: boolean;
  /** SignerIdentityType other than the fitting one. */
  readonly identityType?: number;
}

export interface RawPeer {
  readonly nodeId: NodeId;
  readonly identity: Identity;
  readonly host: FakeHost;
  readonly link: Link;
  readonly received: Received[];
  readonly closed: string[];
  /** The bytes of a signed message (by default a Ping to the peer linked with). */
  message(options?: MessageOptions): Uint8Array;
  /** Sends a message and lets half a second pass; yields what came meanwhile. */
  exchange(options?: MessageOptions): Received[];
}

let nextTransaction = 1n;

/** Links with `peer` as TLS client. */
export function createRawPeer(
  world: World,
  peer: TestPeer,
  seed: string,
  nodeIds: readonly NodeId[] = [world.nodeId(seed)],
): RawPeer {
  const { clock } = world;
  const identity = createIdentity(clock, nodeIds, `raw-${seed}`);
  const nodeId = nodeIds[0] as NodeId;
  const host: FakeHost = {
    address: `10.1.0.${seed.length}`,
    chain: [identity.certificate],
    frozen: false,
    dead: false,
  };
  const received: Received[] = [];
  const closed: string[] = [];
  let link: Link | undefined;
  const target = { address: peer.host.address, port: linkPort };
  world.network.dialer(host).dial(target, 1000, (outcome) => {
    if (!outcome.ok) throw new Error(outcome.error);
    link = createLink({
      clock,
      trace: silentTrace,
      connection: outcome.value,
      nodeId: peer.nodeId,
      maxMessageBytes: () => 1 << 20,
      events: {
        message(bytes) {
          const { header, headerLength } = decodeHeader(bytes);
          received.push({ header, payload: decodePayload(bytes.subarray(headerLength)), bytes });
        },
        oversized: () => undefined,
        suspect: () => undefined,
        closed: (reason) => closed.push(reason),
      },
    });
  });
  clock.advance(100);
  if (link === undefined) throw new Error('no link');
  const established = link;
  received.length = 0;

  function message(options: MessageOptions = {}): Uint8Array {
    const header: ForwardingHeader = {
      overlay: overlayHash(overlayName),
      configurationSequence: testConfig.sequence,
      ttl: 100,
      fragment: unfragmented,
      transactionId: nextTransaction++,
      maxResponseLength: 0,
      viaList: [],
      destinationList: [{ type: 'node', nodeId: peer.nodeId }],
      options: [],
      ...options.header,
    };
    const contents = encodeContents(
      options.code ?? messageCodes.pingReq,
      options.body ?? Uint8Array.of(0, 0),
      options.extensions ?? [],
    );
    const signing = options.identity ?? identity;
    const named = certHashIdentity(signing.certificate, signing.certificate.nodeIds[0]);
    const input = concatBytes([
      messagePayload({
        overlayHash: header.overlay,
        transactionId: header.transactionId,
        contents,
      }),
      encodeToBytes(signerIdentity, named),
    ]);
    let signatureValue: Uint8Array = emptyBytes;
    signing.sign(input, (signature) => {
      signatureValue = signature;
    });
    clock.advance(0);
    if (options.forge === true) signatureValue[0] = (signatureValue[0] ?? 0) ^ 1;
    const block = encodeToBytes(securityBlock, {
      certificates: [{ type: 'x509', certificate: signing.certificate.der }],
      signature: { ...signing.scheme, identity: named, signatureValue },
    });
    // SignerIdentity: type, length, and 34 bytes of hash; then the signature behind its length.
    const typeAt = block.length - 2 - signatureValue.length - 37;
    if (options.identityType !== undefined) block[typeAt] = options.identityType;
    const tail = concatBytes([contents, block]);
    return concatBytes([encodeHeader(header, tail.length), tail]);
  }

  return {
    nodeId,
    identity,
    host,
    link: established,
    received,
    closed,
    message,
    exchange(options = {}) {
      const before = received.length;
      established.send(message(options));
      clock.advance(500);
      return received.slice(before);
    },
  };
}

/** error_code of an error response; `undefined` for anything else. */
export function errorOf(received: Received | undefined): number | undefined {
  if (received?.payload.contents.messageCode !== messageCodes.error) return undefined;
  const decoded = tryDecode(errorResponse, received.payload.contents.messageBody);
  return decoded.ok ? decoded.value.errorCode : undefined;
}
