/** Judges newer configuration documents, from the authority and from other peers alike. RFC 6940 §6.5.4, §11.1. */
import { failure, success, type Outcome } from '../../base/outcome.ts';
import { isNewerSequence } from '../../overlay-config/sequence.ts';
import type { ParsedConfiguration } from '../../overlay-config/parse.ts';
import { verifyConfiguration } from '../../overlay-config/sign.ts';
import type { ConfigUpdateOffer } from '../../overlay/peer-api.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Verifier } from '../../ports/certificates.ts';
import type { OverlayConfig } from '../../ports/overlay-config.ts';
import type { Trace } from '../../ports/trace.ts';
import { errorCodes } from '../../wire/reload/errors.ts';
import { parseDocument, saveDocument } from './membership.ts';

interface Refusal {
  readonly code: number;
  readonly text: string;
}

export interface ConfigurationKeeper {
  current(): OverlayConfig;
  /** Takes the document over when it is newer and properly signed; then it is on disk and in force. */
  offer(document: Uint8Array, done: (outcome: Outcome<void, Refusal>) => void): void;
  /** The same for a ConfigUpdate. */
  onConfigUpdate(update: ConfigUpdateOffer, done: (outcome: Outcome<void, Refusal>) => void): void;
  /** Called with each document that came into force. */
  onChange(listener: (config: OverlayConfig) => void): void;
}

export function createConfigurationKeeper(options: {
  readonly dir: string;
  readonly initial: ParsedConfiguration;
  readonly verifier: Verifier;
  readonly clock: Clock;
  readonly trace: Trace;
}): ConfigurationKeeper {
  const { dir, verifier, clock, trace } = options;
  let current = options.initial.config;
  const listeners: ((config: OverlayConfig) => void)[] = [];

  function offer(document: Uint8Array, done: (outcome: Outcome<void, Refusal>) => void): void {
    const answer = (outcome: Outcome<void, Refusal>): void => {
      clock.after('configuration-judged', 0, () => done(outcome));
    };
    const refuse = (code: number, text: string): void => {
      trace.log('warn', 'configuration-refused', { reason: text });
      answer(failure({ code, text }));
    };
    const parsed = parseDocument(document, verifier, current.overlayName);
    if (typeof parsed === 'string') {
      refuse(errorCodes.invalidMessage, parsed);
      return;
    }
    if (!isNewerSequence(parsed.config.sequence, current.sequence)) {
      const text = `sequence ${parsed.config.sequence} is not newer than ${current.sequence}`;
      answer(failure({ code: errorCodes.configTooOld, text }));
      return;
    }
    const context = { verifier, authority: current, nowMs: clock.wallMs() };
    const early = verifyConfiguration(parsed, context, (verdict) => {
      if (!verdict.ok) {
        refuse(errorCodes.forbidden, verdict.error);
        return;
      }
      if (!isNewerSequence(parsed.config.sequence, current.sequence)) {
        answer(success(undefined));
        return;
      }
      saveDocument(dir, document);
      current = parsed.config;
      trace.log('info', 'configuration-updated', { sequence: current.sequence });
      for (const listener of listeners) listener(current);
      answer(success(undefined));
    });
    if (!early.ok) refuse(errorCodes.forbidden, early.error);
  }

  return {
    current: () => current,
    offer,
    onConfigUpdate(update, done) {
      if (update.type === 'config') {
        offer(update.document, done);
        return;
      }
      const text = 'kind updates come with the whole configuration in this overlay';
      clock.after('configuration-judged', 0, () =>
        done(failure({ code: errorCodes.forbidden, text })),
      );
    },
    onChange(listener) {
      listeners.push(listener);
    },
  };
}
