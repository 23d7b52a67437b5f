import { UsageError } from '../base/assert.ts';
import type { Codec, Infer } from './codec.ts';
import { located } from './error.ts';
import type { PrefixBytes } from './primitives.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** The fields of a structure in wire order. */
export type Shape = Readonly<Record<string, Codec<unknown>>>;

/** The value type of a {@link Shape}. */
export type Fields<S extends Shape> = { readonly [K in keyof S]: Infer<S[K]> };

/** Fields back to back, in the order of declaration. */
export function struct<const S extends Shape>(shape: S): Codec<Fields<S>> {
  const names = Object.keys(shape);
  const codecs = Object.values(shape);
  return {
    encode: (value, writer) => encodeFields(names, codecs, value, writer),
    decode: (reader) => decodeFields({}, names, codecs, reader) as Fields<S>,
  };
}

/** A number on the wire that must have one of the names; anything else is refused. */
export function enumOf<const N extends Readonly<Record<string, number>>>(
  number: Codec<number>,
  names: N,
): Codec<keyof N & string> {
  const nameOf = inverse(names);
  return {
    encode: (value, writer) => number.encode(names[value] as number, writer),
    decode(reader) {
      const name = nameOf.get(number.decode(reader));
      if (name === undefined) reader.fail('unknown-type');
      return name as keyof N & string;
    },
  };
}

/** A number on the wire; known ones have a name, unknown ones are kept as numbers. */
export function openEnum<const N extends Readonly<Record<string, number>>>(
  number: Codec<number>,
  names: N,
): Codec<(keyof N & string) | number> {
  const nameOf = inverse(names);
  return {
    encode(value, writer) {
      number.encode(typeof value === 'number' ? value : (names[value] as number), writer);
    },
    decode(reader) {
      const value = number.decode(reader);
      return (nameOf.get(value) as (keyof N & string) | undefined) ?? value;
    },
  };
}

/** One arm of a {@link select}: its tag on the wire and the fields that follow. */
export interface Arm<S extends Shape> {
  readonly tag: number;
  readonly fields: S;
}

/** An arm this implementation does not know, kept as received. */
export interface UnknownArm {
  readonly type: 'unknown';
  readonly tag: number;
  readonly raw: Uint8Array;
}

type Arms = Readonly<Record<string, Arm<Shape>>>;

/** The value type of a {@link select}: `type` is the arm's name, beside its fields. */
export type Selected<A extends Arms> = {
  [K in keyof A & string]: { readonly type: K } & Fields<A[K]['fields']>;
}[keyof A & string];

interface CompiledArm {
  readonly name: string;
  readonly tag: number;
  readonly names: readonly string[];
  readonly codecs: readonly Codec<unknown>[];
}

/** A tagged union without a length: an unknown tag is a parse error (RFC 6940 §6.3.1.1). */
export function select<const A extends Arms>(tag: Codec<number>, arms: A): Codec<Selected<A>> {
  const { byName, byTag } = compile(arms);
  return {
    encode(value, writer) {
      const arm = armOf(byName, value.type);
      tag.encode(arm.tag, writer);
      encodeFields(arm.names, arm.codecs, value, writer);
    },
    decode(reader) {
      const arm = byTag.get(tag.decode(reader));
      if (arm === undefined) return reader.fail('unknown-type');
      return decodeFields({ type: arm.name }, arm.names, arm.codecs, reader) as Selected<A>;
    },
  };
}

/** A tagged union whose arms stand behind a length; an unknown tag is a parse error all the same. */
export function sizedSelect<const A extends Arms>(
  tag: Codec<number>,
  lengthBytes: PrefixBytes,
  arms: A,
): Codec<Selected<A>> {
  const extensible = extensibleSelect(tag, lengthBytes, arms);
  return {
    encode: (value, writer) => extensible.encode(value, writer),
    decode(reader) {
      const value = extensible.decode(reader);
      if (value.type === 'unknown') reader.fail('unknown-type');
      return value as Selected<A>;
    },
  };
}

/** A tagged union whose arms stand behind a length, so that unknown ones can be kept as they came. */
export function extensibleSelect<const A extends Arms>(
  tag: Codec<number>,
  lengthBytes: PrefixBytes,
  arms: A,
): Codec<Selected<A> | UnknownArm> {
  const { byName, byTag } = compile(arms);
  return {
    encode(value, writer) {
      if (value.type === 'unknown') {
        const unknown = value as UnknownArm;
        tag.encode(unknown.tag, writer);
        writer.uint(lengthBytes, unknown.raw.length);
        writer.raw(unknown.raw);
        return;
      }
      const arm = armOf(byName, value.type);
      tag.encode(arm.tag, writer);
      const opened = writer.open(lengthBytes);
      encodeFields(arm.names, arm.codecs, value, writer);
      writer.close(opened, lengthBytes);
    },
    decode(reader) {
      const received = tag.decode(reader);
      const length = reader.uint(lengthBytes);
      const arm = byTag.get(received);
      if (arm === undefined) return { type: 'unknown', tag: received, raw: reader.take(length) };
      const outer = reader.enter(length);
      const value = decodeFields({ type: arm.name }, arm.names, arm.codecs, reader);
      reader.leave(outer);
      return value as Selected<A>;
    },
  };
}

function encodeFields(
  names: readonly string[],
  codecs: readonly Codec<unknown>[],
  value: unknown,
  writer: Writer,
): void {
  const fields = value as Readonly<Record<string, unknown>>;
  for (let i = 0; i < names.length; i++) {
    (codecs[i] as Codec<unknown>).encode(fields[names[i] as string], writer);
  }
}

function decodeFields(
  into: Record<string, unknown>,
  names: readonly string[],
  codecs: readonly Codec<unknown>[],
  reader: Reader,
): Record<string, unknown> {
  let name = '';
  try {
    for (let i = 0; i < names.length; i++) {
      name = names[i] as string;
      into[name] = (codecs[i] as Codec<unknown>).decode(reader);
    }
    return into;
  } catch (error) {
    throw located(error, name);
  }
}

function compile(arms: Arms): {
  byName: ReadonlyMap<string, CompiledArm>;
  byTag: ReadonlyMap<number, CompiledArm>;
} {
  const byName = new Map<string, CompiledArm>();
  const byTag = new Map<number, CompiledArm>();
  for (const [name, { tag, fields }] of Object.entries(arms)) {
    const arm = { name, tag, names: Object.keys(fields), codecs: Object.values(fields) };
    byName.set(name, arm);
    byTag.set(tag, arm);
  }
  return { byName, byTag };
}

function armOf(arms: ReadonlyMap<string, CompiledArm>, name: string): CompiledArm {
  const arm = arms.get(name);
  if (arm === undefined) throw new UsageError(`no arm ${name}`);
  return arm;
}

function inverse(names: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(names).map(([name, value]) => [value, name]));
}

/** The fields of both, back to back, in one flat value. */
export function joined<A extends object, B extends object>(
  first: Codec<A>,
  second: Codec<B>,
): Codec<A & B> {
  return {
    encode(value, writer) {
      first.encode(value, writer);
      second.encode(value, writer);
    },
    decode: (reader) => ({ ...first.decode(reader), ...second.decode(reader) }),
  };
}

/** Adds a rule on the whole value; what breaks it is refused in both directions. */
export function checked<T>(inner: Codec<T>, holds: (value: T) => boolean, rule: string): Codec<T> {
  return {
    encode(value, writer) {
      if (!holds(value)) throw new UsageError(rule);
      inner.encode(value, writer);
    },
    decode(reader) {
      const value = inner.decode(reader);
      if (!holds(value)) reader.fail('bad-value');
      return value;
    },
  };
}
