/** Compares what tshark shows at places of its tree with values of ours. */
import { hexEncode } from '../../../src/base/text.ts';
import { decodeExact, type Codec } from '../../../src/wire/codec.ts';
import { select, type PdmlNode } from './tshark-pdml.ts';

/** How a shown value is read: `time` in milliseconds, `size` the bytes it spans, `raw` those bytes. */
type Form = 'number' | 'bytes' | 'text' | 'time' | 'size' | 'raw';

type Plain = number | bigint | boolean | string | Uint8Array;

export interface Rule<T> {
  /** A path for {@link select}; a leading dot of a name stands for `reload.`. */
  readonly path: string;
  readonly form: Form;
  /** The values at that path in the order of the message. */
  readonly ours: (value: T) => readonly Plain[];
  /** Set where tshark shows a wrong value and `ours` expects just that: what is right. */
  readonly mistake?: string;
}

type Getter<T> = Rule<T>['ours'];

export const number = <T>(path: string, ours: Getter<T>): Rule<T> => ({
  path,
  form: 'number',
  ours,
});
export const bytes = <T>(path: string, ours: Getter<T>): Rule<T> => ({ path, form: 'bytes', ours });
export const text = <T>(path: string, ours: Getter<T>): Rule<T> => ({ path, form: 'text', ours });
export const time = <T>(path: string, ours: Getter<T>): Rule<T> => ({ path, form: 'time', ours });
export const size = <T>(path: string, ours: Getter<T>): Rule<T> => ({ path, form: 'size', ours });
export const raw = <T>(path: string, ours: Getter<T>): Rule<T> => ({ path, form: 'raw', ours });

/** A rule that expects a wrong value. */
export const mistake = <T>(why: string, rule: Rule<T>): Rule<T> => ({ ...rule, mistake: why });

export interface Comparison {
  readonly values: number;
  readonly differences: readonly string[];
}

export function compare<T>(tree: PdmlNode, value: T, rules: readonly Rule<T>[]): Comparison {
  const differences: string[] = [];
  let values = 0;
  for (const { path, form, ours } of rules) {
    const nodes = select(tree, path.replaceAll(/(^| |>)\./g, '$1reload.'));
    const shown = nodes.flatMap((node) => shownAs(node, form));
    const expected = ours(value).map(plain);
    values += expected.length;
    if (shown.join() !== expected.join()) {
      differences.push(`${path}: tshark ${shown.join()}, we ${expected.join()}`);
    }
  }
  return { values, differences };
}

/** Compares one body with its tree. */
export type BodyRules = (tree: PdmlNode, body: Uint8Array) => Comparison;

/** The rules for one type of body, with the codec that makes our value. */
export function bodyRules<T>(codec: Codec<T>, rules: readonly Rule<T>[]): BodyRules {
  return (tree, body) => compare(tree, decodeExact(codec, body), rules);
}

/** Everything that says that tshark could not make sense of a packet. */
export function complaints(packet: PdmlNode): string[] {
  return packet.children.flatMap((node) => [
    ...(/^_ws\.(malformed|expert)|truncated|too_big|unknown/.test(node.name)
      ? [`${node.name} ${node.show ?? ''}`]
      : []),
    ...complaints(node),
  ]);
}

function shownAs(node: PdmlNode, form: Form): string[] {
  if (form === 'size') return [String(node.size)];
  if (form === 'raw') return [node.value];
  if (node.show === undefined || node.show === '') return [];
  if (form === 'number') return [BigInt(node.show).toString()];
  if (form === 'bytes') return [node.show.replaceAll(':', '')];
  if (form === 'time') return [String(Date.parse(node.show.replace(/(\.\d{3})\d*/, '$1')))];
  return [node.show];
}

function plain(value: Plain): string {
  if (value instanceof Uint8Array) return hexEncode(value);
  return String(typeof value === 'boolean' ? Number(value) : value);
}
