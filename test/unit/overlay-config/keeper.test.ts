import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../src/base/outcome.ts';
import { initialKinds } from '../../../src/overlay-config/build.ts';
import { consequenceOf, createConfigurationKeeper } from '../../../src/overlay-config/keeper.ts';
import type {
  ConfigurationKeeper,
  Consequence,
  KeptConfiguration,
  UpdateRefusal,
} from '../../../src/overlay-config/keeper.ts';
import type { KindParameters, OverlayConfig } from '../../../src/ports/overlay-config.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { nodeId, nowMs, secondId, signedDocument, signer } from './signing.ts';
import { bytesOf, config, parse, verifier, xml } from './support.ts';

const links = ['TLS-TCP-FH-NO-ICE'];
const authority = await signer([nodeId]);
const second = await signer([secondId]);
const privateKind: KindParameters = {
  kind: 0xf000_0001,
  name: undefined,
  dataModel: 'SINGLE',
  accessControl: 'USER-MATCH',
  maxCount: 1,
  maxSizeBytes: 9,
  maxNodeMultiple: undefined,
};

type Further = Parameters<typeof signedDocument>[1];
const both = { kindSigners: [nodeId, secondId] };

async function documentOf(
  sequence: number,
  further: Further = {},
  by = authority,
  kinds: readonly KindParameters[] = initialKinds,
): Promise<string> {
  return signedDocument(
    by,
    { sequence, overlayLinkProtocols: links, noIce: true, ...further },
    kinds,
  );
}

/** The bytes of a kind-block signed by `by`. */
async function blockOf(kind: KindParameters, by = authority): Promise<Uint8Array> {
  const parsed = parse(await documentOf(1, both, by, [kind]));
  assert.ok(parsed.ok);
  const [found] = parsed.value.config.requiredKinds;
  assert.ok(found?.block);
  return found.block;
}

interface Kept {
  readonly keeper: ConfigurationKeeper;
  readonly saved: KeptConfiguration[];
  readonly changes: { config: OverlayConfig; consequence: Consequence | undefined }[];
  setNow(ms: number): void;
}

function keep(document: string, kindBlocks: readonly Uint8Array[] = []): Kept {
  const parsed = parse(document);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error);
  let atMs = nowMs;
  const saved: KeptConfiguration[] = [];
  const changes: Kept['changes'] = [];
  const keeper = createConfigurationKeeper({
    initial: parsed.value,
    kindBlocks,
    xml,
    verifier,
    clock: {
      monotonicMs: () => atMs,
      wallMs: () => atMs,
      after(_name, _delayMs, fire) {
        setImmediate(fire);
        return { cancel: () => undefined };
      },
    },
    trace: silentTrace,
    supported: { plugins: ['CHORD-RELOAD'], linkProtocols: links, ice: true },
    save: (kept) => saved.push(kept),
  });
  keeper.onChange((config, consequence) => changes.push({ config, consequence }));
  return {
    keeper,
    saved,
    changes,
    setNow(ms) {
      atMs = ms;
    },
  };
}

const answerOf = async (
  ask: (done: (outcome: Outcome<void, UpdateRefusal>) => void) => void,
): Promise<number | 'accepted'> => {
  const outcome = await new Promise<Outcome<void, UpdateRefusal>>(ask);
  return outcome.ok ? 'accepted' : outcome.error.code;
};
const offer = (
  { keeper }: Kept,
  text: string,
  options?: { fromServer: boolean },
): Promise<number | 'accepted'> =>
  answerOf((done) => {
    keeper.offer(bytesOf(text), done, options);
  });
const offerKinds = (
  { keeper }: Kept,
  ...kindBlocks: readonly Uint8Array[]
): Promise<number | 'accepted'> =>
  answerOf((done) => {
    keeper.onConfigUpdate({ type: 'kind', kindBlocks }, done);
  });

test('[R6940-6.5.4.2-01][R6940-11.1-52][R6940-11.1-57] a newer document comes into force and is saved byte for byte; an equal or older one changes nothing', async () => {
  const kept = keep(await documentOf(2));
  const next = await documentOf(3, { initialTtl: 7 });
  const update = { type: 'config' as const, document: bytesOf(next) };
  assert.equal(await answerOf((done) => kept.keeper.onConfigUpdate(update, done)), 'accepted');
  assert.equal(kept.keeper.current().initialTtl, 7);
  assert.deepEqual(kept.keeper.current().document, bytesOf(next));
  assert.deepEqual(kept.saved, [{ document: bytesOf(next), kindBlocks: [] }]);
  assert.deepEqual(
    kept.changes.map(({ config, consequence }) => [config.sequence, consequence]),
    [[3, undefined]],
  );
  for (const sequence of [3, 2, 1]) {
    const old = await documentOf(sequence, { initialTtl: 9 });
    assert.equal(await offer(kept, old), errorCodes.configTooOld);
  }
  assert.equal(kept.keeper.current().initialTtl, 7);
  assert.equal(kept.saved.length, 1);
});

test('[R6940-6.3.2.1-08] the sequence goes round: 0 follows 65534', async () => {
  const kept = keep(await documentOf(65_534));
  assert.equal(await offer(kept, await documentOf(65_000)), errorCodes.configTooOld);
  assert.equal(await offer(kept, await documentOf(0)), 'accepted');
  assert.equal(kept.keeper.current().sequence, 0);
  assert.equal(await offer(kept, await documentOf(65_534)), errorCodes.configTooOld);
});

test('[R6940-6.5.4.2-02][R6940-6.5.4.2-03][R6940-11.1-55][R6940-11.1-56] tampered, unsigned and foreign documents are refused with their code', async () => {
  const kept = keep(await documentOf(2, { sharedSecret: 'x' }));
  const next = await documentOf(3, { initialTtl: 7 });
  const tampered = next.replace('<initial-ttl>7', '<initial-ttl>8');
  assert.notEqual(tampered, next);
  assert.equal(await offer(kept, tampered), errorCodes.forbidden);
  const unsigned = next.replace(/<signature>.*<\/signature>/, '');
  assert.equal(await offer(kept, unsigned), errorCodes.forbidden);
  const own = { configurationSigners: [secondId], kindSigners: [secondId] };
  assert.equal(await offer(kept, await documentOf(3, own, second)), errorCodes.forbidden);
  assert.equal(await offer(kept, next.slice(0, -5)), errorCodes.invalidMessage);
  const other = next.replaceAll('lab.example', 'other.example');
  assert.equal(await offer(kept, other), errorCodes.invalidMessage);
  assert.deepEqual([kept.keeper.current().sequence, kept.saved.length], [2, 0]);
});

test('[R6940-11.1-55] a signer hands over to the next one', async () => {
  const kept = keep(await documentOf(2));
  const handover = await documentOf(3, { configurationSigners: [secondId] });
  assert.equal(await offer(kept, handover), 'accepted');
  assert.equal(await offer(kept, await documentOf(4)), errorCodes.forbidden);
  const own = { configurationSigners: [secondId], kindSigners: [secondId] };
  assert.equal(await offer(kept, await documentOf(4, own, second)), 'accepted');
});

test('[R6940-11.1-58][R6940-6.5.4.2-06] a configuration that cannot be met makes the node leave; one that changes the ground makes it join again', async () => {
  const consequence = async (further: Further): Promise<string> => {
    const kept = keep(await documentOf(2));
    assert.equal(await offer(kept, await documentOf(3, further)), 'accepted');
    const [change] = kept.changes;
    return change?.consequence === undefined
      ? 'none'
      : `${change.consequence.type}: ${change.consequence.reason}`;
  };
  assert.equal(await consequence({ maxMessageSize: 9000 }), 'none');
  assert.match(await consequence({ mandatoryExtensions: ['urn:x'] }), /^exit: mandatory-.* urn:x$/);
  assert.match(await consequence({ topologyPlugin: 'BAMBOO' }), /^exit: topology-plugin BAMBOO$/);
  assert.match(
    await consequence({ overlayLinkProtocols: ['UDP'] }),
    /^exit: overlay-link-protocol/,
  );
  assert.equal(await consequence({ sharedSecret: 'new' }), 'rejoin: shared-secret has changed');
  assert.match(await consequence({ noIce: false }), /^exit: an overlay-link-protocol for no-ice/);
  const tls = '<overlay-link-protocol>TLS</overlay-link-protocol>';
  const [before, after] = [config(`${tls}<no-ice>true</no-ice>`), config(tls)];
  const supported = { plugins: ['CHORD-RELOAD'], linkProtocols: ['TLS'], ice: true };
  assert.deepEqual(consequenceOf(before, after, supported), {
    type: 'rejoin',
    reason: 'no-ice has changed',
  });
});

test('[R6940-11.1-59] new parameters of a Kind override the earlier ones', async () => {
  const kept = keep(await documentOf(2));
  const [sip, ...others] = initialKinds;
  assert.ok(sip);
  const smaller = [{ ...sip, maxSizeBytes: 5 }, ...others];
  assert.equal(await offer(kept, await documentOf(3, {}, authority, smaller)), 'accepted');
  const found = kept.keeper.current().requiredKinds.find(({ kind }) => kind === sip.kind);
  assert.equal(found?.maxSizeBytes, 5);
});

test('[R6940-6.5.4.2-04][R6940-11.1-51] a Kind that comes alone is learned from a kind-signer only', async () => {
  const kept = keep(await documentOf(2));
  assert.equal(await offerKinds(kept, await blockOf(privateKind, second)), errorCodes.forbidden);
  const block = await blockOf(privateKind);
  const text = new TextDecoder().decode(block);
  const tampered = text.replace('<max-size>9', '<max-size>8');
  assert.equal(await offerKinds(kept, bytesOf(tampered)), errorCodes.forbidden);
  assert.equal(await offerKinds(kept, bytesOf('<kind/>')), errorCodes.invalidMessage);
  assert.equal(await offerKinds(kept), errorCodes.forbidden);
  assert.equal(kept.keeper.current().requiredKinds.length, initialKinds.length);
  assert.equal(await offerKinds(kept, block), 'accepted');
  assert.deepEqual(kept.keeper.current().requiredKinds.at(-1), { ...privateKind, block });
  assert.deepEqual(kept.saved.at(-1)?.kindBlocks, [block]);
  assert.equal(kept.changes.length, 1);
});

test('[R6940-6.5.4.2-05] a Kind known under another signer is not replaced', async () => {
  const kept = keep(await documentOf(2, both));
  const changed = { ...privateKind, maxSizeBytes: 10 };
  assert.equal(await offerKinds(kept, await blockOf(privateKind)), 'accepted');
  assert.equal(await offerKinds(kept, await blockOf(changed, second)), errorCodes.forbidden);
  assert.equal(kept.keeper.current().requiredKinds.at(-1)?.maxSizeBytes, 9);
  assert.equal(await offerKinds(kept, await blockOf(changed)), 'accepted');
  assert.equal(kept.keeper.current().requiredKinds.at(-1)?.maxSizeBytes, 10);
  const [sip] = initialKinds;
  assert.ok(sip);
  assert.equal(await offerKinds(kept, await blockOf(sip, second)), errorCodes.forbidden);
});

test('what stands in the document goes before a block that comes alone', async () => {
  const kept = keep(await documentOf(2));
  const [sip] = initialKinds;
  assert.ok(sip);
  const old = await blockOf({ ...sip, maxSizeBytes: 1 });
  assert.equal(await offerKinds(kept, old), 'accepted');
  assert.equal(kept.keeper.current().requiredKinds[0]?.maxSizeBytes, sip.maxSizeBytes);
});

test('[R6940-11.1-60] Kinds of a node that may no longer sign them are discarded', async () => {
  const first = await documentOf(2, both);
  const kept = keep(first);
  assert.equal(await offerKinds(kept, await blockOf(privateKind, second)), 'accepted');
  const known = (): readonly number[] => kept.keeper.current().requiredKinds.map((k) => k.kind);
  assert.ok(known().includes(privateKind.kind));
  assert.equal(await offer(kept, await documentOf(3, both)), 'accepted');
  assert.ok(known().includes(privateKind.kind), 'the signer is still listed');
  assert.equal(await offer(kept, await documentOf(4)), 'accepted');
  assert.ok(!known().includes(privateKind.kind));
  assert.deepEqual(kept.saved.at(-1)?.kindBlocks, []);
  assert.equal(await offer(kept, await documentOf(5, { kindSigners: [secondId] })), 'accepted');
  assert.deepEqual(known(), [], 'also those of the document');
});

test('what was saved is read again, without what is no longer allowed', async () => {
  const block = await blockOf(privateKind);
  const foreign = await blockOf({ ...privateKind, kind: 0xf000_0002 }, second);
  const kept = keep(await documentOf(2), [block, foreign, bytesOf('rubbish')]);
  const kinds = kept.keeper.current().requiredKinds.map(({ kind }) => kind);
  assert.deepEqual(kinds, [...initialKinds.map(({ kind }) => kind), privateKind.kind]);
  const unlisted = keep(await documentOf(2, { kindSigners: [secondId] }));
  assert.deepEqual(unlisted.keeper.current().requiredKinds, []);
});

test('after its expiration the configuration server may bring a document of new signers', async () => {
  const kept = keep(await documentOf(2, { expirationMs: nowMs + 1000 }));
  const own = { configurationSigners: [secondId], kindSigners: [secondId] };
  const next = await documentOf(3, own, second);
  assert.equal(kept.keeper.isExpired(), false);
  assert.equal(await offer(kept, next, { fromServer: true }), errorCodes.forbidden);
  kept.setNow(nowMs + 1000);
  assert.equal(kept.keeper.isExpired(), true);
  assert.equal(await offer(kept, next), errorCodes.forbidden);
  assert.equal(await offer(kept, next, { fromServer: true }), 'accepted');
  assert.equal(kept.keeper.isExpired(), false);
});
