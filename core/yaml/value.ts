// From a parsed YAML document to plain values, within bounds: size after aliases, depth, unique keys.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Alias,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';

const MAX_DEPTH = 64;
/** Counts every value, and each again that an alias repeats: what a "billion laughs" document runs into. */
const MAX_VALUES = 200_000;
const MAX_COMPLAINTS = 20;

export interface YamlComplaint {
  /** Offset in the text of the document. */
  readonly at: number;
  readonly message: string;
}

interface Walk {
  readonly document: Document.Parsed;
  readonly complaints: YamlComplaint[];
  left: number;
  /** What each anchor stands for at this point; the library would search the whole document for each alias. */
  readonly anchors: Map<string, Node>;
  /** Aliased nodes that are being built now; meeting one again would never end. */
  readonly open: Set<Node>;
}

/** Builds the value of the whole document and adds what is wrong with it to `complaints`. */
export function buildValue(document: Document.Parsed, complaints: YamlComplaint[]): unknown {
  return build(
    { document, complaints, left: MAX_VALUES, anchors: new Map(), open: new Set() },
    document.contents,
    0,
  );
}

function build(walk: Walk, node: unknown, depth: number): unknown {
  if (node === null || node === undefined) return null;
  const at = (node as Node).range?.[0] ?? 0;
  if (!withinBounds(walk, at, depth)) return null;
  if (isAlias(node)) return buildAlias(walk, node, depth);
  rememberAnchor(walk, node);
  if (isScalar(node)) return scalarValue(node);
  if (isSeq(node)) return node.items.map((item) => build(walk, item, depth + 1));
  if (isMap(node)) return buildMap(walk, node, depth);
  return complain(walk, at, 'is not understood');
}

function withinBounds(walk: Walk, at: number, depth: number): boolean {
  if (depth > MAX_DEPTH) {
    complain(walk, at, `is nested more than ${MAX_DEPTH} levels deep`);
    return false;
  }
  walk.left--;
  if (walk.left === 0) {
    complain(walk, at, `the document has more than ${MAX_VALUES} values once aliases are followed`);
  }
  return walk.left > 0;
}

/** Not inside of an alias: what is repeated there was remembered when it stood in the text. */
function rememberAnchor(walk: Walk, node: object): void {
  if ('anchor' in node && typeof node.anchor === 'string' && walk.open.size === 0) {
    walk.anchors.set(node.anchor, node as Node);
  }
}

function buildAlias(walk: Walk, node: Alias, depth: number): unknown {
  const at = node.range?.[0] ?? 0;
  const target = walk.anchors.get(node.source);
  if (target === undefined) return complain(walk, at, 'is an alias without an anchor before it');
  if (walk.open.has(target)) return complain(walk, at, 'is an alias inside of what it stands for');
  walk.open.add(target);
  const value = build(walk, target, depth + 1);
  walk.open.delete(target);
  return value;
}

function buildMap(walk: Walk, node: YAMLMap, depth: number): unknown {
  const out = Object.create(null) as Record<string, unknown>;
  for (const pair of node.items) {
    const keyNode = pair.key as Node | null;
    const at = keyNode?.range?.[0] ?? node.range?.[0] ?? 0;
    if (!isScalar(keyNode)) {
      complain(walk, at, 'has a key that is not plain text');
      continue;
    }
    const key = String(keyNode.value ?? '');
    if (key === '<<' && isMerge(pair.value))
      complain(walk, at, 'merge keys (<<) are not supported; write the fields out');
    else if (Object.hasOwn(out, key)) complain(walk, at, `the key "${key.slice(0, 64)}" is there twice`);
    else out[key] = build(walk, pair.value, depth + 1);
  }
  return out;
}

const isMerge = (value: unknown): boolean => isAlias(value) || (isSeq(value) && value.items.some(isAlias));

/**
 * A plain number or word whose text says more than its value keeps its text: `0123`, `1.10` and a number of twenty
 * digits reach a text field unchanged.
 */
function scalarValue(node: Scalar): unknown {
  const { value, source } = node;
  if (typeof value === 'number' || typeof value === 'boolean') {
    return source === undefined || String(value) === source ? value : source;
  }
  return typeof value === 'string' ? value : null;
}

function complain(walk: Walk, at: number, message: string): null {
  if (walk.complaints.length < MAX_COMPLAINTS) walk.complaints.push({ at, message });
  return null;
}
