// The files of the project as the laws see them: read once, without git, so that a release archive can be checked too.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface SourceFile {
  /** From the root of the repository, with "/". */
  readonly path: string;
  readonly text: string;
}

/** A law returns one sentence per violation; an empty list means that it is kept. */
export type Law = (files: readonly SourceFile[]) => string[];

export const ROOT = join(import.meta.dirname, '..', '..');

const NOT_OURS = new Set(['node_modules', '.git', '.cache', 'coverage']);
const MAX_TEXT_BYTES = 2 * 1024 * 1024;

/** Every file of the project, sorted by path; binary and very large files have an empty text. */
export function readTree(root = ROOT): SourceFile[] {
  const files: SourceFile[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (NOT_OURS.has(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile() && !entry.name.endsWith('.log'))
        files.push({ path, text: textOf(join(root, path)) });
    }
  };
  walk('');
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function textOf(path: string): string {
  if (statSync(path).size > MAX_TEXT_BYTES) return '';
  const text = readFileSync(path, 'utf8');
  return text.includes('\0') ? '' : text;
}

/** The first folder of the path; "" for files at the root. */
export function roomOf(path: string): string {
  const slash = path.indexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}

export function isTypeScript(path: string): boolean {
  return path.endsWith('.ts');
}

/** Tests, and what exists for tests only: suites, fakes, fuzz targets and the processes that tests start and kill. */
export function isTest(path: string): boolean {
  return (
    path.startsWith('test/') || /\.(test|fuzz|child)\.ts$/.test(path) || /(^|\/)conformance\//.test(path)
  );
}

export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/** A law over single files: every match of a pattern is a violation, reported with its line. */
export function forbidPattern(pattern: RegExp, why: string, applies: (path: string) => boolean): Law {
  return (files) =>
    files
      .filter((file) => applies(file.path))
      .flatMap((file) =>
        [...file.text.matchAll(pattern)].map(
          (match) => `${file.path}:${lineAt(file.text, match.index)}: "${match[0].trim()}" - ${why}`,
        ),
      );
}
