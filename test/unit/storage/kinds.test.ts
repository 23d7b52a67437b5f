/** Kinds of usages and of the configuration document together. RFC 6940 §7.3, §11.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/base/assert.ts';
import { success } from '../../../src/base/outcome.ts';
import { createKindRegistry, type KindDefinition } from '../../../src/storage/kinds.ts';

const usage: KindDefinition = {
  kind: 0xf000_0001,
  name: 'NOTES',
  dataModel: 'SINGLE',
  accessControl: 'USER-MATCH',
  maxCount: 1,
  maxSizeBytes: 100,
  findable: false,
  validate: () => success(undefined),
};
const parameters = {
  kind: usage.kind,
  name: undefined,
  dataModel: 'ARRAY',
  accessControl: 'USER-MATCH',
  maxCount: 7,
  maxSizeBytes: 50,
  maxNodeMultiple: undefined,
} as const;

test('the document sets the bounds, the usage the name and the check, whichever comes first', () => {
  for (const documentFirst of [true, false]) {
    const kinds = createKindRegistry();
    if (documentFirst) assert.deepEqual(kinds.configure([parameters]), []);
    kinds.register(usage);
    if (!documentFirst) assert.deepEqual(kinds.configure([parameters]), []);
    const { name, dataModel, maxCount, maxSizeBytes, findable, validate } =
      kinds.get(usage.kind) ?? assert.fail('it is known');
    assert.deepEqual(
      [name, dataModel, maxCount, maxSizeBytes, findable],
      ['NOTES', 'ARRAY', 7, 50, false],
    );
    assert.equal(validate, usage.validate);
    assert.equal(kinds.byName('NOTES'), kinds.get(usage.kind));
  }
});

test('a Kind of the document alone is named by its number and may be found', () => {
  const kinds = createKindRegistry();
  kinds.configure([parameters]);
  const kind = kinds.get(usage.kind);
  assert.deepEqual([kind?.name, kind?.findable], ['0xf0000001', true]);
  kinds.configure([]);
  assert.equal(kinds.get(usage.kind), undefined);
  assert.equal(kinds.byName('0xf0000001'), undefined);
});

test('what a document says that does not go together is left out and told', () => {
  const kinds = createKindRegistry();
  const broken = { ...parameters, accessControl: 'USER-NODE-MATCH' } as const;
  const good = { ...parameters, kind: 0xf000_0002 };
  assert.deepEqual(kinds.configure([broken, good]), [
    '0xf0000001: USER-NODE-MATCH needs a DICTIONARY',
  ]);
  assert.equal(kinds.get(broken.kind), undefined);
  assert.ok(kinds.get(good.kind));
});

test('a usage may name a Kind once, and only one that goes together', () => {
  const kinds = createKindRegistry();
  kinds.register(usage);
  assert.throws(() => kinds.register(usage), UsageError);
  const refused = [
    { ...usage, kind: 2, maxCount: 0 },
    { ...usage, kind: 2, maxSizeBytes: -1 },
    { ...usage, kind: 2, accessControl: 'NODE-MULTIPLE' as const },
    { ...usage, kind: 2, accessControl: 'NODE-MULTIPLE' as const, maxNodeMultiple: 0 },
  ];
  for (const definition of refused) {
    assert.throws(() => kinds.register(definition), UsageError);
    assert.equal(kinds.get(2), undefined);
  }
  kinds.register({ ...usage, kind: 2, accessControl: 'NODE-MULTIPLE', maxNodeMultiple: 1 });
  assert.ok(kinds.get(2));
});
