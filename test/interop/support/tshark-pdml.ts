/** The dissection trees that tshark prints with `-T pdml`. */
import { SaxesParser } from 'saxes';

export interface PdmlNode {
  /** Field or protocol, `reload.message.code`. */
  readonly name: string;
  /** The decoded value; absent for one that is mere text. */
  readonly show: string | undefined;
  /** The bytes of the field in hexadecimal. */
  readonly value: string;
  /** Bytes the field spans. */
  readonly size: number;
  readonly children: readonly PdmlNode[];
}

/** One tree per packet. */
export function parsePdml(xml: string): readonly PdmlNode[] {
  const packets: PdmlNode[] = [];
  const open: PdmlNode[] = [];
  const parser = new SaxesParser();
  parser.on('opentag', ({ name: tag, attributes }) => {
    if (tag === 'pdml') return;
    const { name = tag, show, value = '', size = '0' } = attributes;
    const node: PdmlNode = { name, show, value, size: Number(size), children: [] };
    ((open.at(-1)?.children ?? packets) as PdmlNode[]).push(node);
    open.push(node);
  });
  parser.on('closetag', () => void open.pop());
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(xml).close();
  return packets;
}

/**
 * The nodes at a path of names, in the order of the tree: `a b` is a `b` anywhere inside an `a`,
 * `a >b` one directly inside it.
 */
export function select(from: PdmlNode, path: string): readonly PdmlNode[] {
  const found: PdmlNode[] = [];
  collect(from, path.split(' '), 0, found);
  return found;
}

function collect(from: PdmlNode, steps: readonly string[], at: number, found: PdmlNode[]): void {
  const step = steps[at] ?? '';
  const direct = step.startsWith('>');
  const name = direct ? step.slice(1) : step;
  for (const child of from.children) {
    if (child.name !== name) {
      if (!direct) collect(child, steps, at, found);
    } else if (at === steps.length - 1) found.push(child);
    else collect(child, steps, at + 1, found);
  }
}
