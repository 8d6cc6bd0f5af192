// Watches the old scp protocol go by, to put on record which files were copied. It follows the bytes of the side that
// sends files and never changes or delays any; at the first thing that it does not understand it stops watching, and
// the command itself is on record anyway.
//
//   control line ──C──> data ──all bytes──> status byte ──> control line
//        └──D, E: into and out of a folder; T: times
import { posix } from 'node:path';
import type { ScpCommand } from '#core/access/file-copy.ts';
import type { FlowWatch } from './flow-watch.ts';

export interface CopiedFile {
  readonly action: 'read' | 'write';
  readonly path: string;
  /** Bytes that went by. */
  readonly len: number;
  readonly success: boolean;
}

const MAX_LINE = 8 * 1024;
const MAX_DEPTH = 128;
const NEW_LINE = 10;
const FILE_LINE = /^[CD][0-7]{4,5} (\d{1,18}) ([^/]{1,4096})$/;

export class ScpWatch implements FlowWatch {
  readonly #command: ScpCommand;
  readonly #onFile: (file: CopiedFile) => void;
  readonly #isFolder: (path: string) => boolean;
  /** Folders below the path of the command. */
  readonly #folders: string[] = [];
  #line = '';
  #file: { readonly path: string; readonly bytes: number } | undefined;
  #left = 0;
  #awaitsStatus = false;
  #isLost = false;

  /** `isFolder`: whether the path of the command is one, at the start. */
  constructor(
    command: ScpCommand,
    onFile: (file: CopiedFile) => void,
    isFolder: (path: string) => boolean = () => false,
  ) {
    this.#command = command;
    this.#onFile = onFile;
    this.#isFolder = isFolder;
  }

  input(data: Buffer): void {
    if (this.#command.action === 'write') this.#follow(data);
  }

  output(data: Buffer): void {
    if (this.#command.action === 'read') this.#follow(data);
  }

  end(): void {
    if (this.#file !== undefined) this.#tell(this.#file.bytes - this.#left, false);
    this.#isLost = true;
  }

  #follow(data: Buffer): void {
    let at = 0;
    while (at < data.length && !this.#isLost) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, data.length - at);
        this.#left -= taken;
        at += taken;
      } else if (this.#awaitsStatus) {
        this.#awaitsStatus = false;
        if (this.#file !== undefined) this.#tell(this.#file.bytes, data[at] === 0);
        // An error has text after it, up to the end of the line.
        at += data[at] === 0 ? 1 : 0;
      } else at = this.#readLine(data, at);
    }
  }

  #readLine(data: Buffer, start: number): number {
    // The answer of a side to the other: one byte.
    if (this.#line === '' && data[start] === 0) return start + 1;
    const end = data.indexOf(NEW_LINE, start);
    const stop = end === -1 ? data.length : end;
    this.#line += data.toString('utf8', start, stop);
    if (this.#line.length > MAX_LINE) this.#isLost = true;
    if (end === -1) return data.length;
    const line = this.#line;
    this.#line = '';
    this.#control(line);
    return end + 1;
  }

  #control(line: string): void {
    const kind = line[0];
    if (kind === 'E') this.#folders.pop();
    else if (kind === 'C' || kind === 'D') {
      const [match, bytes, name = ''] = FILE_LINE.exec(line) ?? [];
      if (match === undefined || this.#folders.length >= MAX_DEPTH) this.#isLost = true;
      else if (kind === 'D') this.#folders.push(name);
      else {
        this.#file = { path: this.#pathOf(name), bytes: Number(bytes) };
        this.#left = this.#file.bytes;
        this.#awaitsStatus = true;
      }
    } else if (kind !== 'T' && kind !== '\u0001' && kind !== '\u0002') this.#isLost = true;
  }

  #pathOf(name: string): string {
    const { action, path } = this.#command;
    const steps = [...this.#folders, name];
    if (action === 'read') return posix.join(posix.dirname(path), ...steps);
    if (path.endsWith('/') || this.#isFolder(path)) return posix.join(path, ...steps);
    // The first name is replaced by what the command says.
    return posix.join(path, ...steps.slice(1));
  }

  #tell(len: number, success: boolean): void {
    const path = this.#file?.path ?? '';
    this.#file = undefined;
    this.#left = 0;
    this.#onFile({ action: this.#command.action, path, len, success });
  }
}
