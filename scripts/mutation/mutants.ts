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
const namesForPeople = new Set(['after', 'log', 'counter', 'gauge', 'histogram']);

export function findMutants(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const found: Mutant[] = [];

  function add(node: ts.Node, replacement: string, operator: string): void {
    const start = node.getStart(source);
    const line = source.getLineAndCharacterOfPosition(start).line + 1;
    found.push({ file, line, start, end: node.getEnd(), replacement, operator });
  }

  function negate(condition: ts.Expression | undefined): void {
    if (condition === undefined) return;
    if (condition.kind === ts.SyntaxKind.TrueKeyword) return;
    add(condition, `!(${condition.getText(source)})`, 'negate condition');
  }

  function visit(node: ts.Node): void {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
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
      if (node.expression !== undefined) add(node, 'return undefined;', 'return undefined');
    } else if (ts.isExpressionStatement(node)) {
      if (ts.isCallExpression(node.expression) && !isLog(node.expression)) {
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

function isLog(call: ts.CallExpression): boolean {
  return calledName(call) === 'log';
}

/** Words with blanks are sentences for people; an empty text and property names are left alone. */
function isMeaningful(node: ts.StringLiteral): boolean {
  if (node.text === '' || node.text.includes(' ')) return false;
  const { parent } = node;
  if (ts.isPropertyAssignment(parent) && parent.name === node) return false;
  if (ts.isNewExpression(parent) || ts.isLiteralTypeNode(parent)) return false;
  return !(ts.isCallExpression(parent) && namesForPeople.has(calledName(parent)));
}
