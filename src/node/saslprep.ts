/**
 * SASLprep (RFC 4013) for account names and passwords, so that one that looks the same on two
 * keyboards is the same bytes. RFC 6940 §11.3. Characters newer than Unicode 3.2 pass, as in queries
 * of RFC 3454.
 */
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';

/** The prepared form. The error says which rule the text breaks, never the text. */
export function saslPrep(text: string): Outcome<string> {
  // Nearly all names and passwords; printable ASCII stays as it is.
  if (/^[ -~]*$/.test(text)) return success(text);
  const mapped = text.replace(otherSpaces, ' ').replace(nothing, '');
  const prepared = mapped.normalize('NFKC');
  if (prohibited.test(prepared)) return failure('holds a character that cannot be typed or seen');
  if (rightToLeft.test(prepared)) {
    const [first, last] = [...prepared.matchAll(/^.|.$/gsu)].map(([character]) => character);
    const ends = [first, last ?? first].every((one) => rightToLeft.test(one ?? ''));
    const hasOther = Array.from(prepared).some(
      (one) => /\p{L}/u.test(one) && !rightToLeft.test(one),
    );
    if (!ends || hasOther) return failure('mixes writing directions');
  }
  return success(prepared);
}

/** RFC 3454 table C.1.2. */
const otherSpaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;

/** Table B.1: mapped to nothing. One character is a mark that joins to the one before it. */
const nothing =
  /\u00ad|\u034f|\u1806|\u180b|\u180c|\u180d|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;

/** Tables C.1.2, C.2.1, C.2.2, C.3 to C.9. */
const prohibited = new RegExp(
  [
    '[\\u00a0\\u1680\\u2000-\\u200b\\u202f\\u205f\\u3000]',
    '\\p{Cc}',
    '[\\u06dd\\u070f\\u180e\\u200c\\u200d\\u2028\\u2029\\u2060-\\u2063\\u206a-\\u206f\\ufeff]',
    '[\\ufff9-\\ufffd\\u{1d173}-\\u{1d17a}]',
    '\\p{Co}',
    '\\p{Noncharacter_Code_Point}',
    '\\p{Cs}',
    '[\\u2ff0-\\u2ffb]',
    '[\\u0340\\u0341\\u200e\\u200f\\u202a-\\u202e]',
    '[\\u{e0001}\\u{e0020}-\\u{e007f}]',
  ].join('|'),
  'u',
);

/** Table D.1, by script. */
const rightToLeft = new RegExp(
  '[[\\p{Script=Hebrew}\\p{Script=Arabic}\\p{Script=Syriac}\\p{Script=Thaana}]&&[\\p{L}\\p{Po}]]',
  'v',
);
