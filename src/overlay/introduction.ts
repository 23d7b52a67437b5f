/**
 * Whose connection it is where a shared secret takes the place of certificates (RFC 6940 §13.4,
 * both ends begin with a signed Ping to the wildcard Node-ID, whose padding is what only the
 * two ends of this very connection know, so that no other member can pass one on.
 */
import { bytesEqual, concatBytes } from '../base/bytes.ts';
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { createDeframer } from '../link/deframer.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { ConnectionHandler, Dialer, SecureConnection } from '../ports/connection.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import { randomU64, type Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';
import { attempt, encodeToBytes, tryDecode } from '../wire/codec.ts';
import { decodePayload, encodeContents } from '../wire/reload/contents.ts';
import { encodeDataFrame } from '../wire/reload/framing.ts';
import { decodeHeader, encodeHeader, unfragmented } from '../wire/reload/header.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { pingReq } from '../wire/reload/ping.ts';
import { discard } from './candidates.ts';
import type { MessageSecurity } from './message-security.ts';

export interface Introducer {
  /**
   * Yields the connection with the far end's certificates as its chain, or the reason why it was
   * closed; one that has shown certificates already is yielded as it is. `done` is called later for
   * a connection that has not, once.
   */
  introduce(
    connection: SecureConnection,
    done: (outcome: Outcome<SecureConnection>) => void,
  ): () => void;
  /** The dialer, with every connection introduced. */
  introducing(dialer: Dialer): Dialer;
}

export interface IntroducerDependencies {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly config: () => OverlayConfig;
  readonly overlayHash: () => number;
  readonly security: Pick<MessageSecurity, 'sign' | 'verify'>;
}

export function createIntroducer(dependencies: IntroducerDependencies): Introducer {
  const { clock, config, security } = dependencies;
  const refused = dependencies.trace.counter('overlay_introductions_refused_total');
  let open = 0;

  function introduce(
    connection: SecureConnection,
    done: (outcome: Outcome<SecureConnection>) => void,
  ): () => void {
    if (connection.sharedSecret !== true) {
      done(success(connection));
      return () => undefined;
    }
    const { binding } = connection;
    if (binding === undefined || open >= limits.overlay.introductions) {
      refused.add();
      discard(connection, 'no introduction possible');
      clock.after('introduction-refused', 0, () => done(failure('no introduction possible')));
      return () => undefined;
    }
    open++;
    const held = holdBack(clock, connection);
    let settled = false;
    const settle = (outcome: Outcome<readonly Certificate[]>): void => {
      if (settled) return;
      settled = true;
      open--;
      timeout.cancel();
      if (outcome.ok) {
        done(success(held.proven(outcome.value)));
        return;
      }
      refused.add();
      connection.close(outcome.error);
      done(outcome);
    };
    const timeout = clock.after('introduction', limits.overlay.introductionMs, () => {
      settle(failure('no introduction came'));
    });
    held.begin({
      message: (bytes) => judge(bytes, binding, settle),
      failed: (reason) => settle(failure(reason)),
    });
    sayWhoWeAre(connection, binding, () => settled);
    return () => settle(failure('abandoned'));
  }

  function sayWhoWeAre(
    connection: SecureConnection,
    binding: Uint8Array,
    isOver: () => boolean,
  ): void {
    const { identity } = dependencies;
    const nodeId = identity.certificate.nodeIds[0] as NodeId;
    const contents = encodeContents(
      messageCodes.pingReq,
      encodeToBytes(pingReq, { padding: binding }),
    );
    const overlay = dependencies.overlayHash();
    const transactionId = randomU64(dependencies.random);
    const message = { overlay, transactionId, contents, identity, nodeId, certificates: [] };
    security.sign(message, (securityBlock) => {
      if (isOver()) return;
      const body = concatBytes([contents, securityBlock]);
      const wildcard = 'f'.repeat(nodeId.length) as NodeId;
      const header = {
        overlay,
        configurationSequence: config().sequence,
        ttl: config().initialTtl,
        fragment: unfragmented,
        transactionId,
        maxResponseLength: 0,
        viaList: [],
        destinationList: [{ type: 'node', nodeId: wildcard } as const],
        options: [],
      };
      connection.send(encodeDataFrame(0, encodeHeader(header, body.length), body));
    });
  }

  /** The first message of the far end: the Ping described above, or the end. */
  function judge(
    bytes: Uint8Array,
    binding: Uint8Array,
    settle: (outcome: Outcome<readonly Certificate[]>) => void,
  ): void {
    const read = attempt(() => {
      const { header, headerLength } = decodeHeader(bytes);
      return { header, payload: decodePayload(bytes.subarray(headerLength)) };
    });
    if (!read.ok) {
      settle(failure('malformed introduction'));
      return;
    }
    const { header, payload } = read.value;
    const { messageCode, messageBody } = payload.contents;
    const ping = tryDecode(pingReq, messageBody);
    const isOfHere =
      header.overlay === dependencies.overlayHash() &&
      messageCode === messageCodes.pingReq &&
      ping.ok &&
      bytesEqual(ping.value.padding, binding);
    if (!isOfHere) {
      settle(failure('not an introduction on this connection'));
      return;
    }
    const { transactionId } = header;
    security.verify({ overlay: header.overlay, transactionId, payload }, (verified) => {
      if (!verified.ok) {
        settle(verified);
        return;
      }
      const { signer, certificates } = verified.value;
      const others = certificates.filter(
        (one) => one.fingerprint !== signer.certificate.fingerprint,
      );
      settle(success([signer.certificate, ...others]));
    });
  }

  return {
    introduce,
    introducing: (dialer) => ({
      dial(target, timeoutMs, done) {
        let abandon = dialer.dial(target, timeoutMs, (outcome) => {
          if (outcome.ok) abandon = introduce(outcome.value, done);
          else done(outcome);
        });
        return () => abandon();
      },
    }),
  };
}

/** A connection whose first message is looked at before anybody takes it over, with all its bytes. */
function holdBack(
  clock: Clock,
  connection: SecureConnection,
): {
  begin(events: { message: (bytes: Uint8Array) => void; failed: (reason: string) => void }): void;
  proven(peerChain: readonly Certificate[]): SecureConnection;
} {
  const chunks: Uint8Array[] = [];
  let heldBytes = 0;
  let gone: string | undefined;
  let owner: ConnectionHandler | undefined;
  /** True once the owner has everything that was held. */
  let handedOver = false;

  function handOver(): void {
    handedOver = true;
    for (const chunk of chunks.splice(0)) owner?.data(chunk);
    if (gone !== undefined) owner?.closed(gone);
  }

  return {
    begin(events) {
      let isComplete = false;
      const deframer = createDeframer(() => limits.overlay.introductionBytes, {
        data(_sequence, message) {
          if (isComplete) return;
          isComplete = true;
          events.message(message);
        },
        ack: () => undefined,
        oversized: () => events.failed('introduction too long'),
        invalid: () => events.failed('no frame'),
      });
      connection.setHandler({
        data(bytes) {
          if (handedOver) {
            owner?.data(bytes);
            return;
          }
          heldBytes += bytes.length;
          if (heldBytes > 2 * limits.overlay.introductionBytes) {
            events.failed('too much before the introduction');
            connection.close('too much before the introduction');
            return;
          }
          chunks.push(bytes);
          if (!isComplete) deframer.push(bytes);
        },
        drained: () => owner?.drained?.(),
        closed(reason) {
          gone = reason;
          if (handedOver) owner?.closed(reason);
          else events.failed(reason);
        },
      });
    },
    proven: (peerChain) => ({
      role: connection.role,
      local: connection.local,
      remote: connection.remote,
      peerChain,
      sharedSecret: true,
      framesSent: 1,
      get bufferedBytes() {
        return connection.bufferedBytes;
      },
      setHandler(handler) {
        owner = handler;
        clock.after('introduced', 0, handOver);
      },
      send: (bytes) => connection.send(bytes),
      close: (reason) => connection.close(reason),
    }),
  };
}
