import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSipDate } from '../../../../src/sip/registrar/sip-date.ts';

test('dates are written as RFC 3261 §20.17 says', () => {
  assert.equal(formatSipDate(0), 'Thu, 01 Jan 1970 00:00:00 GMT');
  assert.equal(formatSipDate(1_289_690_940_000), 'Sat, 13 Nov 2010 23:29:00 GMT');
  assert.equal(formatSipDate(1_709_164_799_999), 'Wed, 28 Feb 2024 23:59:59 GMT');
  assert.equal(formatSipDate(1_709_164_800_000), 'Thu, 29 Feb 2024 00:00:00 GMT');
});

test('every day of a hundred and fifty years equals that of the calendar of JavaScript', () => {
  for (let day = 0; day < 150 * 366; day++) {
    const wallMs = day * 86_400_000 + ((day * 7_919_000) % 86_400_000);
    assert.equal(formatSipDate(wallMs), new Date(wallMs).toUTCString());
  }
});
