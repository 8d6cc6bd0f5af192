import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '#test/kit/until.ts';
import { covered, spawnWithoutTerminals } from '#client/clean-spawn.ts';
import { Terminals, type Terminal } from './terminals.ts';

const SIZE = { columns: 80, rows: 24 };
const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
let terminals: Terminals;
const open: Terminal[] = [];
beforeEach(() => (terminals = new Terminals()));
afterEach(() => {
  for (const terminal of open.splice(0)) terminal.close();
  terminals.close();
});
const openTerminal = (): Terminal => {
  const terminal = terminals.open(SIZE);
  open.push(terminal);
  return terminal;
};

const shownBy = new WeakMap<Terminal, { shown: string }>();
const seenBy = (terminal: Terminal): string => shownBy.get(terminal)?.shown ?? '';

/** Runs `sh -c script` in a terminal; what it showed, and how it ended. */
async function run(terminal: Terminal, script: string): Promise<{ shown: string; ended: boolean }> {
  const seen = { shown: '', ended: false };
  shownBy.set(terminal, seen);
  const child = terminals.spawn('setsid', ['--ctty', '--', '/bin/sh', '-c', script], {
    env: ENV,
    stdio: [terminal.slave, terminal.slave, terminal.slave],
  });
  terminal.closeSlave();
  terminal.read({
    onData(data) {
      seen.shown += data.toString();
      return true;
    },
    onEnd: () => (seen.ended = true),
  });
  await new Promise((resolve) => child.once('exit', resolve));
  await until('the end of the terminal', () => seen.ended);
  return seen;
}

const openFiles = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });

describe('a terminal', () => {
  it('ok: the program has it, in its size, and it ends with the program', async () => {
    const terminal = openTerminal();
    const { shown } = await run(terminal, 'tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo all');
    expect(shown).toBe(`${terminal.path}\r\n24 80\r\nall\r\n`);
  });

  it('ok: it is the one that controls, so ^C reaches the program', async () => {
    const terminal = openTerminal();
    const ending = run(terminal, 'trap "echo caught; exit" INT; echo ready; read -r line');
    await until('the program', () => seenBy(terminal).includes('ready'));
    terminal.write(Buffer.from('\u0003'));
    expect((await ending).shown).toContain('caught');
  });

  it('ok: typing and resizing', async () => {
    const terminal = openTerminal();
    const ending = run(terminal, 'read -r line; echo "got $line"; stty size');
    terminal.resize(132, 43);
    terminal.write(Buffer.from('hello\n'));
    const { shown } = await ending;
    expect(shown).toContain('got hello\r\n43 132\r\n');
  });

  it('ok: bytes are taken only as far as the program reads', () => {
    const terminal = openTerminal();
    const much = Buffer.alloc(256 * 1024, 'x\n');
    let taken = 0;
    for (let now = 1; now > 0; taken += now) now = terminal.write(much);
    expect(taken).toBeLessThan(much.length);
    expect(terminal.write(much)).toBe(0);
  });

  it('ok: closing hangs up', async () => {
    const terminal = openTerminal();
    const ending = run(terminal, 'trap "" INT; sleep 600');
    terminal.close();
    expect(await ending).toMatchObject({ ended: true });
    expect(terminals.count).toBe(0);
    terminal.close();
    expect(terminal.write(Buffer.from('x'))).toBe(1);
  });

  it('ok: belongs to the person, and to the group of terminals', () => {
    const terminal = terminals.open(SIZE, { uid: 12_345, gid: 23_456, terminalGroup: 5 });
    open.push(terminal);
    const { uid, gid, mode } = statSync(terminal.path);
    expect([uid, gid, (mode & 0o777).toString(8)]).toEqual([12_345, 5, '620']);
    const other = terminals.open(SIZE, { uid: 12_345, gid: 23_456, terminalGroup: undefined });
    open.push(other);
    const plain = statSync(other.path);
    expect([plain.gid, (plain.mode & 0o777).toString(8)]).toEqual([23_456, '600']);
  });
});

describe('what programs hold', () => {
  it('S28 refuses: the terminals of others, whoever starts the program', async () => {
    const [first, second, third] = [openTerminal(), openTerminal(), openTerminal()];
    third.close();
    const { shown } = await run(first, 'for f in /proc/self/fd/*; do readlink "$f"; done');
    expect(shown).not.toContain('ptmx');
    expect(shown).not.toContain(second.path);
    expect(shown.split('\r\n').filter((line) => line === first.path).length).toBeGreaterThan(0);
  });

  it('S28 refuses: the terminals of others to programs beside sessions', () => {
    openTerminal();
    openTerminal();
    const { promise, resolve } = Promise.withResolvers<string>();
    const script = 'for f in /proc/self/fd/*; do readlink "$f"; done';
    const child = spawnWithoutTerminals('/bin/sh', ['-c', script], {
      env: ENV,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let shown = '';
    child.stdout?.on('data', (data: Buffer) => (shown += data.toString()));
    child.once('close', () => resolve(shown));
    return expect(promise).resolves.not.toMatch(/ptmx/);
  });

  it('S28 ok: a file of the program stays where a terminal was', () => {
    expect(covered(['ignore', 'ignore', 'ignore', 'ipc'], [3, 5], 9)).toEqual([
      'ignore',
      'ignore',
      'ignore',
      'ipc',
      'ignore',
      9,
    ]);
  });

  it('ok: nothing stays open here', async () => {
    await run(openTerminal(), 'true');
    open.splice(0).forEach((terminal) => terminal.close());
    const before = openFiles().length;
    for (let i = 0; i < 20; i++) await run(openTerminal(), 'true');
    terminals.open(SIZE).close();
    expect(terminals.count).toBe(0);
    expect(openFiles().length).toBe(before);
    expect(openFiles().filter((file) => file.includes('ptmx'))).toEqual([]);
  });
});
