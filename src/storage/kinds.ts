/** The Kinds a peer stores. RFC 6940 §7.2, §7.3, §7.4.5. */
import { UsageError } from '../base/assert.ts';
import type { KindId, NodeId, ResourceId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate } from '../ports/certificates.ts';
import type { AccessControl, DataModel, KindParameters } from '../ports/overlay-config.ts';
import type { StoredDataValue } from '../wire/reload/storage.ts';

/** Registered Kind-IDs. RFC 6940 §14.6, RFC 7904 §9, RFC 7374 §9. */
export const kindIds = {
  sipRegistration: 0x1,
  turnService: 0x2,
  certificateByNode: 0x3,
  certificateByUser: 0x10,
  redir: 0x104,
} as const;

/** Kind-IDs that stand for no Kind: the invalid one and the reserved ones. RFC 6940 §14.6. */
export const reservedKindIds: readonly KindId[] = [0, 0x7fff_ffff, 0xffff_fffe];

/** What a Kind-specific check looks at; the signature and the access policy have been checked. */
export interface ValueCheckContext {
  readonly resource: ResourceId;
  readonly value: StoredDataValue;
  readonly signer: Certificate;
  readonly signerNodeId: NodeId | undefined;
}

/** A Kind's rule beyond its access policy; the error is text for an Error_Forbidden. */
export type ValueCheck = (context: ValueCheckContext) => Outcome<void>;

export interface KindDefinition {
  readonly kind: KindId;
  readonly name: string;
  readonly dataModel: DataModel;
  readonly accessControl: AccessControl;
  /** Values at one Resource-ID, removed ones included until they expire. */
  readonly maxCount: number;
  /** Bytes of one value. */
  readonly maxSizeBytes: number;
  /** The greatest i of NODE-MULTIPLE. */
  readonly maxNodeMultiple?: number | undefined;
  /** False: Find does not tell where values are (§7.4.4.2). */
  readonly findable?: boolean;
  readonly validate?: ValueCheck | undefined;
  /**
   * A cheap look at the user name of the signer before any signature is checked; the error is text for
   * an Error_Forbidden (RFC 7904 §8.1).
   */
  readonly acceptsUser?: ((userName: string) => Outcome<void>) | undefined;
}

export interface KindRegistry {
  get(kind: KindId): KindDefinition | undefined;
  /** By registered or configured name. */
  byName(name: string): KindDefinition | undefined;
  /** Adds a usage's Kind. Throws UsageError when its definition is not consistent or it is known already. */
  register(definition: KindDefinition): void;
  /**
   * Takes the parameters of the configuration document, which go before those of usages; a usage's
   * check stays in force. Returns why Kinds were left out.
   */
  configure(kinds: readonly KindParameters[]): readonly string[];
}

export function createKindRegistry(): KindRegistry {
  const registered = new Map<KindId, KindDefinition>();
  let configured = new Map<KindId, KindDefinition>();

  function get(kind: KindId): KindDefinition | undefined {
    return configured.get(kind) ?? registered.get(kind);
  }

  function merge(parameters: KindParameters): KindDefinition {
    const usage = registered.get(parameters.kind);
    return {
      ...parameters,
      name: parameters.name ?? usage?.name ?? `0x${parameters.kind.toString(16)}`,
      findable: usage?.findable ?? true,
      validate: usage?.validate,
      acceptsUser: usage?.acceptsUser,
    };
  }

  let parameters: readonly KindParameters[] = [];

  function rebuild(): readonly string[] {
    const problems: string[] = [];
    const next = new Map<KindId, KindDefinition>();
    for (const one of parameters) {
      const definition = merge(one);
      const consistent = checkDefinition(definition);
      if (consistent.ok) next.set(one.kind, definition);
      else problems.push(`${definition.name}: ${consistent.error}`);
    }
    configured = next;
    return problems;
  }

  return {
    get,
    byName(name) {
      for (const table of [configured, registered]) {
        for (const definition of table.values()) if (definition.name === name) return definition;
      }
      return undefined;
    },
    register(definition) {
      const consistent = checkDefinition(definition);
      if (!consistent.ok) throw new UsageError(`Kind ${definition.name}: ${consistent.error}`);
      if (registered.has(definition.kind)) throw new UsageError(`${definition.name} is known`);
      if (registered.size >= limits.storage.kinds) throw new UsageError('too many Kinds');
      registered.set(definition.kind, definition);
      rebuild();
    },
    configure(kinds) {
      parameters = kinds.slice(0, limits.storage.kinds);
      return rebuild();
    },
  };
}

/** Whether model, policy and bounds of a Kind go together. RFC 6940 §7.3.3, §7.3.4. */
export function checkDefinition(definition: KindDefinition): Outcome<void> {
  const { dataModel, accessControl, maxCount, maxSizeBytes, maxNodeMultiple } = definition;
  if (reservedKindIds.includes(definition.kind)) return failure('the Kind-ID is reserved');
  const keyed = accessControl === 'USER-NODE-MATCH' || accessControl === 'NODE-ID-MATCH';
  if (keyed && dataModel !== 'DICTIONARY') return failure(`${accessControl} needs a DICTIONARY`);
  if (
    accessControl === 'NODE-MULTIPLE' &&
    !(maxNodeMultiple !== undefined && maxNodeMultiple > 0)
  ) {
    return failure('NODE-MULTIPLE needs max-node-multiple');
  }
  if (accessControl === 'NODE-ID-MATCH' && definition.validate === undefined) {
    return failure('NODE-ID-MATCH is only known together with its usage');
  }
  if (maxCount < 1 || maxSizeBytes < 0) return failure('max-count or max-size out of range');
  return success(undefined);
}
