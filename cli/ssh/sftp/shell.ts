// The commands of `gate sftp`, each a line: moves about on the server and here, lists, copies, removes. Names of the server
// are made safe before they are shown.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isCode } from '#core/errors/error.ts';
import { timestampOf } from '#core/timestamp.ts';
import { usage } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { Copy } from './copy.ts';
import { joinRemote, lastPart } from './paths.ts';
import { sizeText } from './progress.ts';
import { typeOf, type Attributes, type Entry } from './protocol.ts';
import { inFile, type TransferOptions } from './transfer.ts';
import { splitWords } from './words.ts';

export interface ShellOptions extends Omit<TransferOptions, 'keeps'> {
  readonly onLine: (text: string) => void;
  readonly onNote: (text: string) => void;
  /** The folder here; absolute. */
  readonly local: string;
  /** The folder there; absolute. */
  readonly remote: string;
}

type Run = (words: readonly string[], flags: ReadonlySet<string>) => Promise<void>;

interface ShellCommand {
  readonly form: string;
  readonly says: string;
  /** Letters of flags that it takes. */
  readonly flags?: string;
  /** Fewest and most words. */
  readonly takes: readonly [number, number];
  readonly run: Run;
}

type Commands = Readonly<Record<string, ShellCommand>>;

/** As many words as a line may have. */
const MANY = 1000;
const END_WORDS = new Set(['bye', 'exit', 'quit']);

export class SftpShell {
  readonly #options: ShellOptions;
  #local: string;
  #remote: string;
  readonly #commands: Commands;

  constructor(options: ShellOptions) {
    this.#options = options;
    this.#local = options.local;
    this.#remote = options.remote;
    this.#commands = { ...this.#moving(), ...this.#copying(), ...this.#changing() };
  }

  /** False when the line says that this is the end. Errors of a command are thrown; the shell goes on. */
  async run(line: string): Promise<boolean> {
    const [name, ...rest] = splitWords(line);
    if (name === undefined) return true;
    if (END_WORDS.has(name)) return false;
    const command = Object.hasOwn(this.#commands, name) ? this.#commands[name] : undefined;
    if (command === undefined) throw usage(`${JSON.stringify(name.slice(0, 40))} is not a command; see help`);
    const { flags, words } = readFlags(rest, command);
    const [fewest, most] = command.takes;
    if (words.length < fewest || words.length > most) throw usage(`it is: ${command.form}`);
    await command.run(words, flags);
    return true;
  }

  /** Moving about and looking. */
  #moving(): Commands {
    const { onLine } = this.#options;
    return {
      cd: {
        form: 'cd [PATH]',
        says: 'Go to a folder there.',
        takes: [0, 1],
        run: ([path = '.']) => this.#goThere(path),
      },
      lcd: {
        form: 'lcd PATH',
        says: 'Go to a folder here.',
        takes: [1, 1],
        run: ([path = '.']) => this.#goHere(path),
      },
      pwd: {
        form: 'pwd',
        says: 'The folder there.',
        takes: [0, 0],
        run: async () => onLine(oneLine(this.#remote)),
      },
      lpwd: {
        form: 'lpwd',
        says: 'The folder here.',
        takes: [0, 0],
        run: async () => onLine(oneLine(this.#local)),
      },
      ls: {
        form: 'ls [-l] [-a] [PATH]',
        says: 'What is there.',
        flags: 'la',
        takes: [0, 1],
        run: ([path = '.'], flags) => this.#list(this.#there(path), flags),
      },
    };
  }

  #copying(): Commands {
    return {
      get: {
        form: 'get [-r] [-p] PATH [LOCAL]',
        says: 'Copy from there.',
        flags: 'rpR',
        takes: [1, 2],
        run: ([path = '', target = '.'], flags) =>
          this.#copied(flags, (copy) => copy.get([this.#there(path)], resolve(this.#local, target))),
      },
      put: {
        form: 'put [-r] [-p] LOCAL [PATH]',
        says: 'Copy to there.',
        flags: 'rpR',
        takes: [1, 2],
        run: ([path = '', target = '.'], flags) =>
          this.#copied(flags, (copy) => copy.put([resolve(this.#local, path)], this.#there(target))),
      },
    };
  }

  #changing(): Commands {
    const { sftp } = this.#options;
    return {
      mkdir: {
        form: 'mkdir PATH',
        says: 'Make a folder there.',
        takes: [1, 1],
        run: ([path = '']) => sftp.makeFolder(this.#there(path)),
      },
      rmdir: {
        form: 'rmdir PATH…',
        says: 'Remove empty folders there.',
        takes: [1, MANY],
        run: (paths) => this.#each(paths, (path) => sftp.removeFolder(path)),
      },
      rm: {
        form: 'rm PATH…',
        says: 'Remove files there.',
        takes: [1, MANY],
        run: (paths) => this.#each(paths, (path) => sftp.remove(path)),
      },
      rename: {
        form: 'rename FROM TO',
        says: 'Rename there.',
        takes: [2, 2],
        run: ([from = '', to = '']) => sftp.rename(this.#there(from), this.#there(to)),
      },
      ln: {
        form: 'ln -s TARGET PATH',
        says: 'Make a link there.',
        flags: 's',
        takes: [2, 2],
        run: ([target = '', path = '']) => sftp.symlink(target, this.#there(path)),
      },
      chmod: {
        form: 'chmod MODE PATH…',
        says: 'Set permissions there, as 644.',
        takes: [2, MANY],
        run: ([mode = '', ...paths]) => {
          if (!/^[0-7]{3,4}$/.test(mode)) throw usage('MODE must be digits such as 644');
          return this.#each(paths, (path) => sftp.setAttributes(path, { mode: Number.parseInt(mode, 8) }));
        },
      },
      help: { form: 'help', says: 'This text.', takes: [0, 0], run: async () => this.#help() },
    };
  }

  async #each(words: readonly string[], act: (path: string) => Promise<void>): Promise<void> {
    const copy = this.#copy(new Set());
    for (const word of words) for (const path of await copy.expand(this.#there(word))) await act(path);
  }

  #there(path: string): string {
    return path.startsWith('/') ? path : joinRemote(this.#remote, path.replace(/^~\/?/, './'));
  }

  async #goThere(path: string): Promise<void> {
    const { sftp } = this.#options;
    const real = await sftp.realPath(this.#there(path));
    if (typeOf(await sftp.stat(real)) !== 'folder') throw usage(`${path} is not a folder`);
    this.#remote = real;
  }

  async #goHere(path: string): Promise<void> {
    const target = resolve(this.#local, path);
    const found = await stat(target).catch((cause: unknown) => {
      throw inFile(target, cause);
    });
    if (!found.isDirectory()) throw usage(`${path} is not a folder`);
    this.#local = target;
  }

  async #list(path: string, flags: ReadonlySet<string>): Promise<void> {
    const { sftp, onLine } = this.#options;
    const names = await this.#copy(new Set()).expand(path);
    for (const name of names) {
      const attributes = await sftp.stat(name);
      const isFolder = typeOf(attributes) === 'folder';
      const entries: readonly Entry[] = isFolder
        ? await sftp.list(name)
        : [{ name: lastPart(name), attributes }];
      if (names.length > 1 && isFolder) onLine(`${oneLine(name)}:`);
      for (const entry of [...entries].sort((one, other) => (one.name < other.name ? -1 : 1))) {
        if (entry.name.startsWith('.') && !flags.has('a') && isFolder) continue;
        onLine(flags.has('l') ? longLine(entry) : oneLine(entry.name));
      }
    }
  }

  #copy(flags: ReadonlySet<string>): Copy {
    return new Copy({
      ...this.#options,
      isRecursive: flags.has('r') || flags.has('R'),
      keeps: flags.has('p'),
    });
  }

  async #copied(flags: ReadonlySet<string>, run: (copy: Copy) => Promise<void>): Promise<void> {
    const copy = this.#copy(flags);
    await run(copy);
    if (copy.failures > 0) throw new ShellFailure(copy.failures);
  }

  #help(): void {
    const rows = [...Object.values(this.#commands), { form: 'bye', says: 'The end.' }];
    for (const { form, says } of rows) this.#options.onLine(`${form.padEnd(28)}${says}`);
  }
}

/** What failed has been told, file by file. */
export class ShellFailure extends Error {
  constructor(count: number) {
    super(`${count} not copied`);
  }
}

/** The line of an error for the person; undefined when it has been told. Rethrows what ends the session. */
export function shellErrorText(error: unknown): string | undefined {
  if (error instanceof ShellFailure) return undefined;
  if (!isCode(error) || error.code === 'UNAVAILABLE') throw error;
  return error.message;
}

function readFlags(
  rest: readonly string[],
  { flags: letters = '', form }: ShellCommand,
): {
  readonly flags: ReadonlySet<string>;
  readonly words: readonly string[];
} {
  const flags = new Set<string>();
  let at = 0;
  for (; at < rest.length && /^-./.test(rest[at] ?? ''); at++) {
    if (rest[at] === '--') {
      at++;
      break;
    }
    for (const letter of (rest[at] ?? '').slice(1)) {
      if (!letters.includes(letter)) throw usage(`it is: ${form}`);
      flags.add(letter);
    }
  }
  return { flags, words: rest.slice(at) };
}

const TYPE_LETTERS = { file: '-', folder: 'd', link: 'l', other: '?' } as const;

function longLine({ name, attributes }: Entry): string {
  const { mode, size, uid, gid, mtime } = attributes;
  return [
    TYPE_LETTERS[typeOf(attributes)] + permissions(attributes),
    String(uid ?? '?').padStart(6),
    String(gid ?? '?').padStart(6),
    (size === undefined
      ? '?'
      : mode !== undefined && size < 100_000
        ? String(size)
        : sizeText(size)
    ).padStart(9),
    mtime === undefined
      ? ''
      : timestampOf(mtime * 1000)
          .slice(0, 16)
          .replace('T', ' '),
    oneLine(name),
  ].join(' ');
}

function permissions({ mode = 0 }: Attributes): string {
  return [6, 3, 0]
    .map((shift) => {
      const bits = (mode >> shift) & 7;
      return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`;
    })
    .join('');
}
