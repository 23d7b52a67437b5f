/**
 * Holds the configuration in force and judges newer ones: whole documents from the configuration
 * server and from other peers, and single Kinds. RFC 6940 §6.5.4.2, §11.1; readings.
 */
import type { KindId, NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Verifier } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { KindParameters, OverlayConfig } from '../ports/overlay-config.ts';
import type { Trace } from '../ports/trace.ts';
import type { Xml } from '../ports/xml.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { parseKindBlock } from './kind-update.ts';
import type { ParsedKindBlock } from './kind-update.ts';
import { parseOverlayDocument, unsupportedRequirement } from './parse.ts';
import type { ParsedConfiguration, SupportedFeatures } from './parse.ts';
import { isNewerSequence } from './sequence.ts';
import { kindSigner, verifyConfiguration, verifyKinds } from './sign.ts';
import type { VerifiedConfiguration } from './sign.ts';

/** Why an update is refused: an error code of RFC 6940 §14.9 and a line for the log. */
export interface UpdateRefusal {
  readonly code: number;
  readonly text: string;
}

export type ConfigurationOffer =
  | { readonly type: 'config'; readonly document: Uint8Array }
  | { readonly type: 'kind'; readonly kindBlocks: readonly Uint8Array[] };

type Done = (outcome: Outcome<void, UpdateRefusal>) => void;

/** What has to outlive the process. */
export interface KeptConfiguration {
  readonly document: Uint8Array;
  /** Kinds that came alone and are not in the document. */
  readonly kindBlocks: readonly Uint8Array[];
}

/** What an accepted change asks of the node beyond reading the new values. RFC 6940 §11.1. */
export type Consequence =
  /** The node cannot meet the new configuration: it leaves for good. `reason` names the requirement. */
  | { readonly type: 'exit'; readonly reason: string }
  /** The node must leave and enter again to work with the new values. */
  | { readonly type: 'rejoin'; readonly reason: string };

export interface ConfigurationKeeper {
  current(): OverlayConfig;
  /**
   * A whole document; taken over when it is newer and signed by a node that the configuration in
   * force lists. `fromServer`: it came from the authenticated configuration server; then, once the
   * configuration in force has expired, its own list of signers counts, because key changes may have
   * been missed (RFC 6940 §6.5.4.2). `done` is called later, once.
   */
  offer(document: Uint8Array, done: Done, options?: { readonly fromServer?: boolean }): void;
  /** The same for a ConfigUpdate of either type. */
  onConfigUpdate(update: ConfigurationOffer, done: Done): void;
  /** True after the expiration of the configuration in force: no new join then. */
  isExpired(): boolean;
  /** Called with each configuration that came into force. */
  onChange(listener: (config: OverlayConfig, consequence: Consequence | undefined) => void): void;
}

export interface ConfigurationKeeperDependencies {
  readonly initial: ParsedConfiguration;
  /** As saved before. */
  readonly kindBlocks?: readonly Uint8Array[];
  readonly xml: Xml;
  readonly verifier: Verifier;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly supported: SupportedFeatures;
  /** Makes a change durable before it comes into force. */
  readonly save: (kept: KeptConfiguration) => void;
}

interface KnownKind extends ParsedKindBlock {
  readonly signer: NodeId | undefined;
}

export function createConfigurationKeeper(
  deps: ConfigurationKeeperDependencies,
): ConfigurationKeeper {
  const { xml, verifier, clock, trace } = deps;
  const listeners: Parameters<ConfigurationKeeper['onChange']>[0][] = [];
  let signers = allowedSigners(deps.initial, verifier);
  let base = withKindsOf(deps.initial.config, signers);
  /** Kinds that came alone. */
  let learned = readLearned(deps.kindBlocks ?? []);
  let current = merged();

  /** What was saved has been checked before; what no longer reads, or is no longer allowed, goes. */
  function readLearned(blocks: readonly Uint8Array[]): Map<KindId, KnownKind> {
    const found = new Map<KindId, KnownKind>();
    for (const block of blocks.slice(0, limits.overlayConfig.kinds)) {
      const parsed = parseKindBlock(block, xml, base.document);
      if (!parsed.ok) continue;
      found.set(parsed.value.parameters.kind, {
        ...parsed.value,
        signer: kindSigner(parsed.value.signature, verifier),
      });
    }
    return stillAllowed(found);
  }

  function stillAllowed(kinds: ReadonlyMap<KindId, KnownKind>): Map<KindId, KnownKind> {
    const inDocument = new Set(base.requiredKinds.map(({ kind }) => kind));
    const allowed = [...kinds].filter(([kind, { signer }]) => {
      return !inDocument.has(kind) && signer !== undefined && base.kindSigners.includes(signer);
    });
    return new Map(allowed);
  }

  function merged(): OverlayConfig {
    if (learned.size === 0) return base;
    const further: KindParameters[] = [...learned.values()].map(({ parameters }) => parameters);
    return { ...base, requiredKinds: [...base.requiredKinds, ...further] };
  }

  function save(): void {
    const blocks = [...learned.values()].map(({ parameters }) => parameters.block);
    const kindBlocks = blocks.filter((block) => block !== undefined);
    deps.save({ document: base.document, kindBlocks });
  }

  function takeOver(verified: VerifiedConfiguration): void {
    const before = current;
    base = verified.config;
    signers = new Map(verified.kindSigners);
    learned = stillAllowed(learned);
    current = merged();
    save();
    trace.log('info', 'configuration-updated', {
      sequence: current.sequence,
      discardedKinds: verified.discardedKinds,
    });
    tell(consequenceOf(before, current, deps.supported));
  }

  function tell(consequence: Consequence | undefined): void {
    if (consequence !== undefined) {
      trace.log('warn', 'configuration-consequence', { ...consequence });
    }
    for (const listener of listeners) listener(current, consequence);
  }

  function answerLater(done: Done, outcome: Outcome<void, UpdateRefusal>): void {
    if (!outcome.ok) trace.log('warn', 'configuration-refused', { reason: outcome.error.text });
    clock.after('configuration-judged', 0, () => {
      done(outcome);
    });
  }

  function refused(code: number, text: string): Outcome<never, UpdateRefusal> {
    return failure({ code, text });
  }

  function isExpired(): boolean {
    return base.expirationMs !== undefined && clock.wallMs() >= base.expirationMs;
  }

  function offer(document: Uint8Array, done: Done, fromServer: boolean): void {
    const parsed = parseOverlayDocument(document, xml, verifier, base.overlayName);
    if (!parsed.ok) {
      answerLater(done, refused(errorCodes.invalidMessage, parsed.error));
      return;
    }
    const { config } = parsed.value;
    if (!isNewerSequence(config.sequence, base.sequence)) {
      const text = `sequence ${config.sequence} is not newer than ${base.sequence}`;
      answerLater(done, refused(errorCodes.configTooOld, text));
      return;
    }
    const nowMs = clock.wallMs();
    const authority = fromServer && isExpired() ? config : base;
    const early = verifyConfiguration(parsed.value, { verifier, authority, nowMs }, (verdict) => {
      if (!verdict.ok) {
        answerLater(done, refused(errorCodes.forbidden, verdict.error));
        return;
      }
      // Another copy may have been faster.
      if (isNewerSequence(config.sequence, base.sequence)) takeOver(verdict.value);
      answerLater(done, success(undefined));
    });
    if (!early.ok) answerLater(done, refused(errorCodes.forbidden, early.error));
  }

  function offerKinds(blocks: readonly Uint8Array[], done: Done): void {
    if (blocks.length > limits.overlayConfig.kinds) {
      answerLater(done, refused(errorCodes.invalidMessage, 'too many kind-blocks'));
      return;
    }
    const offered: ParsedKindBlock[] = [];
    for (const block of blocks) {
      const parsed = parseKindBlock(block, xml, base.document);
      if (!parsed.ok) {
        answerLater(done, refused(errorCodes.invalidMessage, parsed.error));
        return;
      }
      offered.push(parsed.value);
    }
    const context = { verifier, authority: base, nowMs: clock.wallMs() };
    const signatures = offered.map(({ signature }) => signature);
    const early = verifyKinds(signatures, context, (verdict) => {
      answerLater(done, verdict.ok ? learn(offered, verdict.value) : forbidden(verdict.error));
    });
    if (!early.ok) answerLater(done, forbidden(early.error));
  }

  function forbidden(text: string): Outcome<never, UpdateRefusal> {
    return refused(errorCodes.forbidden, text);
  }

  /** Takes Kinds over whose signatures are good. The document goes before what comes alone. */
  function learn(
    offered: readonly ParsedKindBlock[],
    offeredBy: ReadonlyMap<KindId, NodeId>,
  ): Outcome<void, UpdateRefusal> {
    const next = new Map(learned);
    for (const { parameters, signature } of offered) {
      const { kind } = parameters;
      const signer = offeredBy.get(kind);
      const knownBy = signers.get(kind) ?? learned.get(kind)?.signer;
      if (signer === undefined || (knownBy !== undefined && knownBy !== signer)) {
        return forbidden(`Kind ${kind} is known under another signer`);
      }
      if (signers.has(kind)) continue;
      next.set(kind, { parameters, signature, signer });
    }
    if (base.requiredKinds.length + next.size > limits.overlayConfig.kinds) {
      return forbidden('too many Kinds');
    }
    const allowed = stillAllowed(next);
    if (allowed.size !== next.size) return forbidden('the signer may no longer sign');
    learned = next;
    current = merged();
    save();
    tell(undefined);
    return success(undefined);
  }

  return {
    current: () => current,
    isExpired,
    offer(document, done, { fromServer = false } = {}) {
      offer(document, done, fromServer);
    },
    onConfigUpdate(update, done) {
      if (update.type === 'config') offer(update.document, done, false);
      else offerKinds(update.kindBlocks, done);
    },
    onChange(listener) {
      listeners.push(listener);
    },
  };
}

/** Who signed each Kind of the document, as far as the document lets the signer. */
function allowedSigners(parsed: ParsedConfiguration, verifier: Verifier): Map<KindId, NodeId> {
  const found = new Map<KindId, NodeId>();
  for (const signature of parsed.kindSignatures) {
    const signer = kindSigner(signature, verifier);
    if (signer !== undefined && parsed.config.kindSigners.includes(signer)) {
      found.set(signature.kind, signer);
    }
  }
  return found;
}

function withKindsOf(config: OverlayConfig, signers: ReadonlyMap<KindId, NodeId>): OverlayConfig {
  if (signers.size === config.requiredKinds.length) return config;
  const requiredKinds = config.requiredKinds.filter(({ kind }) => signers.has(kind));
  return { ...config, requiredKinds };
}

/** What a node that worked with `before` has to do to work with `after`. */
export function consequenceOf(
  before: OverlayConfig,
  after: OverlayConfig,
  supported: SupportedFeatures,
): Consequence | undefined {
  const reason = unsupportedRequirement(after, supported);
  if (reason !== undefined) return { type: 'exit', reason };
  const essential = (config: OverlayConfig): Readonly<Record<string, unknown>> => ({
    'topology-plugin': config.topologyPlugin,
    'node-id-length': config.nodeIdLength,
    'no-ice': config.noIce,
    'shared-secret': config.sharedSecret,
    'overlay-link-protocol': config.overlayLinkProtocols.join(' '),
  });
  const old = essential(before);
  const changed = Object.entries(essential(after)).find(([name, value]) => old[name] !== value);
  return changed && { type: 'rejoin', reason: `${changed[0]} has changed` };
}
