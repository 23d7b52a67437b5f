import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlayOptions } from '../../../src/cli/box/overlay-role.ts';
import { loadSettings } from '../../../src/node/settings.ts';
import { limits } from '../../../src/base/limits.ts';

function optionsOf(flags: Record<string, string>): ReturnType<typeof overlayOptions> {
  const settings = loadSettings([], {}, flags);
  assert.ok(settings.ok, settings.ok ? '' : settings.error);
  return overlayOptions(settings.value);
}

test('the settings of the overlay reach the peer', () => {
  assert.deepEqual(optionsOf({}), {
    viaListMode: 'full',
    neighborRate: limits.overlay.neighborRate,
    fetchHolders: 'responsible',
  });
  const chosen = {
    'overlay.viaLists': 'opaque',
    'overlay.fragmentBytes': '1200',
    'overlay.neighborMessagesPerS': '50',
    'overlay.neighborBurst': '80',
    'overlay.fetchFrom': 'replicas',
  };
  assert.deepEqual(optionsOf(chosen), {
    viaListMode: 'opaque',
    fragmentBytes: 1200,
    neighborRate: { perSecond: 50, burst: 80 },
    fetchHolders: 'all',
  });
  assert.equal(optionsOf({ 'overlay.viaLists': 'slots' }).viaListMode, 'slots');
  assert.equal(optionsOf({ 'overlay.viaLists': 'state' }).viaListMode, 'state');
});

test('values that cannot work are refused by name', () => {
  assert.throws(() => optionsOf({ 'overlay.fragmentBytes': '299' }), /fragmentBytes/);
  assert.equal(optionsOf({ 'overlay.fragmentBytes': '300' }).fragmentBytes, 300);
  assert.throws(() => optionsOf({ 'overlay.neighborMessagesPerS': '0' }), /neighborMessagesPerS/);
  assert.throws(() => optionsOf({ 'overlay.neighborBurst': '0' }), /neighborBurst/);
  assert.ok(!loadSettings([], {}, { 'overlay.role': 'guest' }).ok);
  assert.ok(!loadSettings([], {}, { 'overlay.viaLists': 'none' }).ok);
});
