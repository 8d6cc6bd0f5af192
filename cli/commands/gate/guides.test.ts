// Every command line of gate in the guides is one that gate understands.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findCommand, readArguments } from '../../parse.ts';
import { gate } from './program.ts';

const GUIDES = join(import.meta.dirname, '../../../docs/guide');
const LINE = /^(?:\$ )?gate .*$/gm;
const FENCED = /^```[^\n]*\n([^]*?)^```/gm;

/** Without remarks, and up to where a shell begins another command. */
function linesOf(page: string): readonly string[] {
  return [...page.matchAll(FENCED)]
    .flatMap(([, block = '']) => [...block.matchAll(LINE)])
    .flatMap(([line]) =>
      line
        .replace(/^\$ /, '')
        .replace(/\s#.*$/, '')
        .split(/;|\||&&|>/),
    )
    .map((line) => line.trim())
    .filter((line) => line.startsWith('gate ') && !/["'`$…<\\]/.test(line));
}

const lines = readdirSync(GUIDES)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => linesOf(readFileSync(join(GUIDES, name), 'utf8')).map((line) => [name, line] as const));

it.each(lines)('ok: %s: %s', async (_, line) => {
  const call = findCommand(gate, line.split(/\s+/).slice(1));
  if (call.wantsHelp || call.wantsVersion) return;
  expect(call.verb?.name).toBeDefined();
  const command = await call.verb!.load();
  expect(() => readArguments(gate, call, command)).not.toThrow();
});

it('ok: those of databases, applications and AWS are among them', () => {
  const verbs = new Set(lines.map(([, line]) => line.split(/\s+/).slice(1, 3).join(' ')));
  expect([...verbs]).toEqual(
    expect.arrayContaining(['db connect', 'proxy db', 'apps login', 'proxy aws', 'aws s3']),
  );
});
