/**
 * POSIX extended regular expressions (IEEE 1003.1 §9.4) for domain patterns of RFC 7904 §3.4.
 *
 * A pattern comes from the configuration document and is run against every stored AOR, so matching
 * never backtracks: the expression is compiled to a set machine whose cost is pattern × text.
 */
import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import { failure, success } from '../../base/outcome.ts';

/** True when the whole text matches; letters are compared without case. */
export type Matcher = (text: string) => boolean;

/** Compiles an expression that must match from the first to the last character of the text. */
export function compileEre(pattern: string): Outcome<Matcher> {
  if (pattern.length > limits.usagesSip.patternChars) return failure('pattern too long');
  const parser = { text: pattern.toLowerCase(), at: 0, depth: 0 };
  const node = parseAlternatives(parser);
  if (typeof node === 'string') return failure(node);
  if (parser.at < parser.text.length) return failure(`unexpected ) at ${parser.at}`);
  const program: Instruction[] = [];
  if (!emit(node, program)) return failure('pattern too large');
  program.push({ op: 'match' });
  return success((text) => run(program, text.toLowerCase()));
}

type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }
  | { readonly kind: 'class'; readonly test: (code: number) => boolean }
  | { readonly kind: 'sequence'; readonly items: readonly Node[] }
  | { readonly kind: 'either'; readonly items: readonly Node[] }
  | { readonly kind: 'repeat'; readonly item: Node; readonly min: number; readonly max: number };

interface Parser {
  readonly text: string;
  at: number;
  depth: number;
}

function parseAlternatives(parser: Parser): Node | string {
  const branches: Node[] = [];
  for (;;) {
    const branch = parseSequence(parser);
    if (typeof branch === 'string') return branch;
    branches.push(branch);
    if (parser.text[parser.at] !== '|') break;
    parser.at++;
  }
  return branches.length === 1 ? (branches[0] as Node) : { kind: 'either', items: branches };
}

function parseSequence(parser: Parser): Node | string {
  const items: Node[] = [];
  while (parser.at < parser.text.length) {
    const character = parser.text[parser.at];
    if (character === '|' || character === ')') break;
    const atom = parseAtom(parser);
    if (typeof atom === 'string') return atom;
    const repeated = parseRepeats(parser, atom);
    if (typeof repeated === 'string') return repeated;
    items.push(repeated);
  }
  return items.length === 0 ? { kind: 'empty' } : { kind: 'sequence', items };
}

function parseAtom(parser: Parser): Node | string {
  const character = parser.text[parser.at++] ?? '';
  switch (character) {
    case '^':
      return { kind: 'begin' };
    case '$':
      return { kind: 'end' };
    case '.':
      return { kind: 'class', test: () => true };
    case '[':
      return parseBracket(parser);
    case '(': {
      if (++parser.depth > limits.usagesSip.patternDepth) return 'pattern nested too deeply';
      const inner = parseAlternatives(parser);
      if (typeof inner === 'string') return inner;
      if (parser.text[parser.at++] !== ')') return 'missing )';
      parser.depth--;
      return inner;
    }
    case '*':
    case '+':
    case '?':
    case '{':
      return `nothing to repeat at ${parser.at - 1}`;
    case '\\': {
      const escaped = parser.text[parser.at++];
      return escaped === undefined ? 'trailing backslash' : literal(escaped);
    }
    default:
      return literal(character);
  }
}

function literal(character: string): Node {
  const code = character.charCodeAt(0);
  return { kind: 'class', test: (other) => other === code };
}

function parseRepeats(parser: Parser, atom: Node): Node | string {
  let item = atom;
  for (let count = 0; ; count++) {
    const character = parser.text[parser.at];
    let range: readonly [number, number] | undefined;
    if (character === '*') range = [0, Infinity];
    else if (character === '+') range = [1, Infinity];
    else if (character === '?') range = [0, 1];
    else if (character === '{') range = parseInterval(parser);
    else return item;
    if (range === undefined) return `wrong interval at ${parser.at}`;
    if (count >= limits.usagesSip.patternDepth) return 'too many repetitions in a row';
    if (character !== '{') parser.at++;
    item = { kind: 'repeat', item, min: range[0], max: range[1] };
  }
}

function parseInterval(parser: Parser): readonly [number, number] | undefined {
  const close = parser.text.indexOf('}', parser.at);
  const inner = /^([0-9]{1,3})(,([0-9]{0,3}))?$/.exec(parser.text.slice(parser.at + 1, close));
  if (close < 0 || inner === null) return undefined;
  parser.at = close + 1;
  const min = Number(inner[1]);
  const max = inner[2] === undefined ? min : inner[3] === '' ? Infinity : Number(inner[3]);
  return max < min ? undefined : [min, max];
}

const classes: Readonly<Record<string, (code: number) => boolean>> = {
  alpha: isLetter,
  digit: isDigit,
  alnum: (c) => isLetter(c) || isDigit(c),
  lower: isLetter,
  upper: isLetter,
  xdigit: (c) => isDigit(c) || (c >= 97 && c <= 102),
  space: (c) => c === 32 || (c >= 9 && c <= 13),
  blank: (c) => c === 32 || c === 9,
  punct: (c) => isGraphic(c) && !isLetter(c) && !isDigit(c),
  print: (c) => c === 32 || isGraphic(c),
  graph: isGraphic,
  cntrl: (c) => c < 32 || c === 127,
};

/** Case does not count in domain names: patterns and texts are in lower case by now. */
function isLetter(code: number): boolean {
  return code >= 97 && code <= 122;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isGraphic(code: number): boolean {
  return code > 32 && code < 127;
}

/** A bracket expression, §9.3.5; collating elements and equivalence classes of one character only. */
function parseBracket(parser: Parser): Node | string {
  const { text } = parser;
  const negated = text[parser.at] === '^';
  if (negated) parser.at++;
  const tests: ((code: number) => boolean)[] = [];
  for (let first = true; ; first = false) {
    const character = text[parser.at];
    if (character === undefined) return 'missing ]';
    if (character === ']' && !first) {
      parser.at++;
      break;
    }
    if (character === '[' && text[parser.at + 1] === ':') {
      const close = text.indexOf(':]', parser.at + 2);
      const name = close < 0 ? '' : text.slice(parser.at + 2, close);
      const test = Object.hasOwn(classes, name) ? classes[name] : undefined;
      if (test === undefined) return 'unknown character class';
      tests.push(test);
      parser.at = close + 2;
      continue;
    }
    const low = bracketCharacter(parser);
    if (low === undefined) return 'wrong collating element';
    if (text[parser.at] === '-' && text[parser.at + 1] !== ']' && parser.at + 1 < text.length) {
      parser.at++;
      const high = bracketCharacter(parser);
      if (high === undefined || high < low) return 'wrong range';
      tests.push((code) => code >= low && code <= high);
    } else {
      tests.push((code) => code === low);
    }
  }
  return { kind: 'class', test: (code) => tests.some((test) => test(code)) !== negated };
}

function bracketCharacter(parser: Parser): number | undefined {
  const { text } = parser;
  const mark = text[parser.at + 1];
  if (text[parser.at] === '[' && (mark === '.' || mark === '=')) {
    if (text[parser.at + 3] !== mark || text[parser.at + 4] !== ']') return undefined;
    const code = text.charCodeAt(parser.at + 2);
    parser.at += 5;
    return code;
  }
  return text.charCodeAt(parser.at++);
}

type Instruction =
  | { readonly op: 'match' | 'begin' | 'end' }
  | { readonly op: 'class'; readonly test: (code: number) => boolean }
  | Split;

/** Goes on at both places at once. */
interface Split {
  readonly op: 'split';
  first: number;
  second: number;
}

/** Appends a split that goes on right behind itself, until told otherwise. */
function pushSplit(program: Instruction[]): Split {
  const next = program.length + 1;
  const split: Split = { op: 'split', first: next, second: next };
  program.push(split);
  return split;
}

/** Appends the node's program; false when the bound on its size is reached. */
function emit(node: Node, program: Instruction[]): boolean {
  if (program.length >= limits.usagesSip.patternStates) return false;
  switch (node.kind) {
    case 'empty':
      return true;
    case 'begin':
    case 'end':
      program.push({ op: node.kind });
      return true;
    case 'class':
      program.push({ op: 'class', test: node.test });
      return true;
    case 'sequence':
      return node.items.every((item) => emit(item, program));
    case 'either':
      return emitEither(node.items, program);
    case 'repeat':
      return emitRepeat(node.item, node.min, node.max, program);
  }
}

function emitEither(items: readonly Node[], program: Instruction[]): boolean {
  const exits: Split[] = [];
  for (const [index, item] of items.entries()) {
    if (index === items.length - 1) {
      if (!emit(item, program)) return false;
      break;
    }
    const fork = pushSplit(program);
    if (!emit(item, program)) return false;
    exits.push(pushSplit(program));
    fork.second = program.length;
  }
  for (const exit of exits) exit.first = exit.second = program.length;
  return true;
}

function emitRepeat(item: Node, min: number, max: number, program: Instruction[]): boolean {
  for (let i = 0; i < min; i++) if (!emit(item, program)) return false;
  if (max === Infinity) {
    const start = program.length;
    const fork = pushSplit(program);
    if (!emit(item, program)) return false;
    pushSplit(program).first = start;
    fork.second = program.length;
    return program.length < limits.usagesSip.patternStates;
  }
  const forks: Split[] = [];
  for (let i = min; i < max; i++) {
    forks.push(pushSplit(program));
    if (!emit(item, program)) return false;
  }
  for (const fork of forks) fork.second = program.length;
  return true;
}

function run(program: readonly Instruction[], text: string): boolean {
  let current: number[] = [];
  const mark = new Int32Array(program.length).fill(-1);
  const stack: number[] = [];

  /** Adds `start` and all states reachable from it without reading a character. */
  function add(set: number[], start: number, position: number): void {
    stack.push(start);
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      if (mark[state] === position) continue;
      mark[state] = position;
      const instruction = program[state];
      if (instruction === undefined) continue;
      if (instruction.op === 'split') stack.push(instruction.second, instruction.first);
      else if (instruction.op === 'begin') {
        if (position === 0) stack.push(state + 1);
      } else if (instruction.op === 'end') {
        if (position === text.length) stack.push(state + 1);
      } else set.push(state);
    }
  }

  add(current, 0, 0);
  for (let position = 0; position < text.length && current.length > 0; position++) {
    const code = text.charCodeAt(position);
    const next: number[] = [];
    for (const state of current) {
      const instruction = program[state];
      if (instruction?.op === 'class' && instruction.test(code)) add(next, state + 1, position + 1);
    }
    current = next;
  }
  return current.some((state) => program[state]?.op === 'match');
}
