// Finds the imports of a file and where they lead. A scan of the text is enough because the formatter fixes the
// shape of import statements; imports.test.ts holds it to that.
import { posix } from 'node:path';
import { lineAt, roomOf, type SourceFile } from './tree.ts';

export interface Import {
  readonly specifier: string;
  readonly line: number;
  readonly typeOnly: boolean;
}

export type Target =
  | { readonly to: 'file'; readonly path: string; readonly room: string; readonly relative: boolean }
  | { readonly to: 'node'; readonly module: string }
  | { readonly to: 'package'; readonly name: string }
  /** `import(expression)`: nobody can say where it leads. */
  | { readonly to: 'unknown' };

const STATIC = /^(?:import|export)\s+(type\s)?(?:[\w*\s{},$]*?\sfrom\s+)?(['"])([^'"\n]+)\2/gm;
const DYNAMIC = /\bimport\(\s*(?:(['"])([^'"\n]+)\1\s*\)|[^'"\s)])/g;
const TYPE_QUERY_BEFORE = /\btypeof\s+$/;
const REQUIRE = /\b(?:require|createRequire)\(/g;

export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  const add = (index: number, specifier: string, typeOnly: boolean): void => {
    found.push({ specifier, line: lineAt(file.text, index), typeOnly });
  };
  for (const match of file.text.matchAll(STATIC)) add(match.index, match[3] ?? '', match[1] !== undefined);
  for (const match of file.text.matchAll(DYNAMIC)) {
    if (isComment(file.text, match.index)) continue;
    add(match.index, match[2] ?? '', TYPE_QUERY_BEFORE.test(file.text.slice(0, match.index)));
  }
  for (const match of file.text.matchAll(REQUIRE))
    if (!isComment(file.text, match.index)) add(match.index, '', false);
  return found.sort((a, b) => a.line - b.line);
}

function isComment(text: string, index: number): boolean {
  const start = text.lastIndexOf('\n', index - 1) + 1;
  return /^\s*(\/\/|\*|\/\*)/.test(text.slice(start, index));
}

export function targetOf(from: string, specifier: string): Target {
  if (specifier === '') return { to: 'unknown' };
  if (specifier.startsWith('#')) {
    const path = specifier.slice(1);
    return { to: 'file', path, room: roomOf(path), relative: false };
  }
  if (specifier.startsWith('.')) {
    const path = posix.join(posix.dirname(from), specifier);
    return { to: 'file', path, room: roomOf(path), relative: true };
  }
  if (specifier.startsWith('node:')) return { to: 'node', module: specifier };
  const parts = specifier.split('/');
  return { to: 'package', name: specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '') };
}
