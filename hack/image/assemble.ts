// What of a checkout goes into the image: the rooms without their tests, and the packages that production needs. Used by
// build.sh and by the Dockerfile, so that both make the same content. Usage: node hack/image/assemble.ts <folder>
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PLACE = 'opt/gatehouse';

/** Not asked for inside a cluster, where the operator speaks for itself; the runtime is a layer of its own. */
const LEFT_OUT = new Set(['@kubernetes/client-node', 'node']);
const FOR_DEVELOPMENT = /\.(test|fuzz|child)\.ts$|\/conformance$|\.md$/;
const NOT_RUN = /(\.md|\.map|\.d\.[cm]?ts|\.markdown)$/;
const NOT_RUN_FOLDERS = new Set([
  'test',
  'tests',
  '__tests__',
  'docs',
  'example',
  'examples',
  'benchmark',
  'benchmarks',
  '.github',
]);

interface LockEntry {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
type Lock = Readonly<Record<string, LockEntry>>;

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}

/** Folders under node_modules of these packages and of all that they need, as the lock file resolves them. */
export function packageFolders(lock: Lock, names: readonly string[]): string[] {
  const found = new Set<string>();
  const visit = (from: string, name: string): void => {
    const path = resolve(lock, from, name);
    if (path === undefined || found.has(path)) return;
    found.add(path);
    const entry = lock[path];
    for (const next of Object.keys({ ...entry?.dependencies, ...entry?.optionalDependencies })) {
      visit(path, next);
    }
  };
  for (const name of names) visit('', name);
  return [...found].sort();
}

/** As Node does: in the package's own node_modules, then in those around it. */
function resolve(lock: Lock, from: string, name: string): string | undefined {
  const path = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
  if (path in lock) return path;
  if (from === '') return undefined;
  const end = from.lastIndexOf('/node_modules/');
  return resolve(lock, end < 0 ? '' : from.slice(0, end), name);
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as T;
}

/** `version`: instead of that of package.json, for an image that says it is another. */
function copyApp(target: string, version: string | undefined): void {
  const { imports } = read<Manifest>('package.json');
  const rooms = Object.keys(imports).map((alias) => alias.slice(1, -2));
  for (const room of [...rooms, 'bin']) {
    if (room === 'test' || room === 'hack') continue;
    cpSync(join(ROOT, room), join(target, room), {
      recursive: true,
      filter: (path) => !FOR_DEVELOPMENT.test(path),
    });
  }
  cpSync(join(ROOT, 'LICENSE'), join(target, 'LICENSE'));
  const manifest = read<Record<string, unknown>>('package.json');
  delete manifest['devDependencies'];
  writeFileSync(
    join(target, 'package.json'),
    `${JSON.stringify({ ...manifest, ...(version === undefined ? {} : { version }) }, null, 2)}\n`,
  );
}

function copyPackages(target: string): void {
  const { dependencies } = read<Manifest>('package.json');
  const names = Object.keys(dependencies).filter((name) => !LEFT_OUT.has(name));
  for (const folder of packageFolders(read<{ packages: Lock }>('package-lock.json').packages, names)) {
    const from = join(ROOT, folder);
    // Builds for other platforms are not installed.
    if (!existsSync(from)) continue;
    const isTopFolder = (path: string): boolean => join(from, basename(path)) === path;
    cpSync(from, join(target, folder), {
      recursive: true,
      filter: (path) =>
        !NOT_RUN.test(path) &&
        !(isTopFolder(path) && NOT_RUN_FOLDERS.has(basename(path))) &&
        (path === from || basename(path) !== 'node_modules'),
    });
  }
}

const [, , out, version] = process.argv;
if (out !== undefined && import.meta.main) {
  for (const part of ['app', 'packages']) mkdirSync(join(out, part, PLACE), { recursive: true });
  copyApp(join(out, 'app', PLACE), version);
  copyPackages(join(out, 'packages', PLACE));
}
