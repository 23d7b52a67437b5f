/** Finds the places of a TypeScript source that the fixed operators can change. */
import ts from 'typescript';

export interface Mutant {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  readonly operator: string;
  /** The line before the change, cut and with « » around what is changed. */
  readonly text: string;
  /** Counts mutants of one operator whose `text` is the same. */
  readonly nth: number;
}

const swaps: Partial<Record<ts.SyntaxKind, string>> = {
  [ts.SyntaxKind.LessThanToken]: '<=',
  [ts.SyntaxKind.LessThanEqualsToken]: '<',
  [ts.SyntaxKind.GreaterThanToken]: '>=',
  [ts.SyntaxKind.GreaterThanEqualsToken]: '>',
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: '!==',
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: '===',
  [ts.SyntaxKind.PlusToken]: '-',
  [ts.SyntaxKind.MinusToken]: '+',
  [ts.SyntaxKind.PlusEqualsToken]: '-=',
  [ts.SyntaxKind.MinusEqualsToken]: '+=',
  [ts.SyntaxKind.AmpersandAmpersandToken]: '||',
  [ts.SyntaxKind.BarBarToken]: '&&',
};

/** Calls whose texts only people read: names of timers and figures, log lines. */
const namesForPeople = new Set([
  'after',
  'every',
  'log',
  'counter',
  'labelledCounter',
  'gauge',
  'histogram',
]);

/** Guards that no input can trip: without them nothing changes while the code around them is right. */
const guards = new Set(['assert', 'unreachable']);

export function findMutants(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const found: Mutant[] = [];
  const times = new Map<string, number>();

  function add(node: ts.Node, replacement: string, operator: string): void {
    const start = node.getStart(source);
    const line = source.getLineAndCharacterOfPosition(start).line + 1;
    const end = node.getEnd();
    const shown = contextOf(text, start, end);
    const key = `${operator} ${shown}`;
    const nth = times.get(key) ?? 0;
    times.set(key, nth + 1);
    found.push({ file, line, start, end, replacement, operator, text: shown, nth });
  }

  function negate(condition: ts.Expression | undefined): void {
    if (condition === undefined) return;
    if (condition.kind === ts.SyntaxKind.TrueKeyword || isEquality(condition)) return;
    add(condition, `!(${condition.getText(source)})`, 'negate condition');
  }

  function visit(node: ts.Node): void {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
    if (ts.isCallExpression(node) && isIgnored(node)) return;
    if (ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)) {
      negate(node.expression);
    } else if (ts.isConditionalExpression(node) || ts.isForStatement(node)) {
      negate(node.condition);
    } else if (ts.isBinaryExpression(node)) {
      const swap = swaps[node.operatorToken.kind];
      if (swap !== undefined && !(swap === '-' && joinsText(node))) {
        add(node.operatorToken, swap, `${node.operatorToken.getText(source)} to ${swap}`);
      }
    } else if (ts.isReturnStatement(node)) {
      if (node.expression !== undefined && !isEmptyValue(node.expression)) {
        add(node, 'return undefined;', 'return undefined');
      }
    } else if (ts.isExpressionStatement(node)) {
      if (ts.isCallExpression(node.expression) && !isIgnored(node.expression)) {
        add(node, ';', 'remove call');
      }
    } else if (ts.isBlock(node) && ts.isFunctionLike(node.parent) && node.statements.length > 1) {
      const [first] = node.statements;
      if (first !== undefined) add(first, `return; ${first.getText(source)}`, 'return early');
    } else if (ts.isNumericLiteral(node) && !ts.isPropertyName(node.parent)) {
      if (!(ts.isPropertyAssignment(node.parent) && node.parent.name === node)) {
        add(node, `(${Number(node.text) + 1})`, 'constant + 1');
        add(node, `(${Number(node.text) - 1})`, 'constant - 1');
      }
    } else if (ts.isBigIntLiteral(node)) {
      const value = node.getText(source);
      add(node, `(${value} + 1n)`, 'constant + 1');
      add(node, `(${value} - 1n)`, 'constant - 1');
    } else if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, 'false', 'true to false');
    else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, 'true', 'false to true');
    else if (ts.isStringLiteral(node) && isMeaningful(node)) add(node, `''`, `string to ''`);
    ts.forEachChild(node, visit);
  }

  visit(source);
  return found.sort((a, b) => a.start - b.start);
}

function joinsText(node: ts.BinaryExpression): boolean {
  const isText = (side: ts.Expression): boolean =>
    ts.isStringLiteralLike(side) ||
    ts.isTemplateExpression(side) ||
    (ts.isBinaryExpression(side) && joinsText(side));
  return isText(node.left) || isText(node.right);
}

function calledName(call: ts.CallExpression): string {
  const callee = call.expression;
  if (ts.isPropertyAccessExpression(callee)) return callee.name.text;
  return ts.isIdentifier(callee) ? callee.text : '';
}

/** Log lines and guards. */
function isIgnored(call: ts.CallExpression): boolean {
  return calledName(call) === 'log' || guards.has(calledName(call));
}

/** Its negation is what the operators `===` to `!==` and back make of it already. */
function isEquality(node: ts.Expression): boolean {
  if (!ts.isBinaryExpression(node)) return false;
  const { kind } = node.operatorToken;
  return (
    kind === ts.SyntaxKind.EqualsEqualsEqualsToken ||
    kind === ts.SyntaxKind.ExclamationEqualsEqualsToken
  );
}

/** `undefined` in its place would be no change, or none that a caller can see. */
function isEmptyValue(node: ts.Expression): boolean {
  if (ts.isIdentifier(node)) return node.text === 'undefined';
  return node.kind === ts.SyntaxKind.FalseKeyword;
}

function contextOf(text: string, start: number, end: number): string {
  const before = text.slice(text.lastIndexOf('\n', start - 1) + 1, start).trimStart();
  const newline = text.indexOf('\n', end);
  const after = text.slice(end, newline === -1 ? undefined : newline).trimEnd();
  const [changed = '', ...more] = text.slice(start, end).split('\n');
  return `${before}«${changed}${more.length > 0 ? ' …' : ''}»${after}`.slice(0, 160);
}

/** Words with blanks are sentences for people; an empty text and property names are left alone. */
function isMeaningful(node: ts.StringLiteral): boolean {
  if (node.text === '' || node.text.includes(' ')) return false;
  const { parent } = node;
  if (ts.isPropertyAssignment(parent) && parent.name === node) return false;
  if (ts.isNewExpression(parent) || ts.isLiteralTypeNode(parent)) return false;
  return !(ts.isCallExpression(parent) && namesForPeople.has(calledName(parent)));
}
