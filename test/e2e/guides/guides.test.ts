// Every page of docs/guide that has console blocks, run as it stands. Port numbers are replaced by free
// ones, and the account `deploy`, which pages log in to, by one that is made for the run. Needs root.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ansibleFolder } from '#test/kit/ansible.ts';
import { makeAccount } from '#test/kit/account.ts';
import { freePort } from '#test/kit/daemon.ts';
import { matches, readSteps, Shell } from './transcript.ts';

const ROOT = join(import.meta.dirname, '../../..');
const GUIDES = join(ROOT, 'docs/guide');
/** The ports a guide uses, and what stands for them here. */
const PORTS = ['3025', '3000', '3022', '3023', '3080'];

test.each([
  [['a', 'b'], ['a', 'b'], true],
  [['a …'], ['a 1 2'], true],
  [['a …'], ['b'], false],
  [['…', 'z'], ['x', 'y', 'z'], true],
  [['…'], [], true],
  [['a'], ['a', 'b'], false],
  [[], ['a'], false],
])('a transcript: %j against %j is %j', (expected, output, result) => {
  expect(matches(expected, output)).toBe(result);
});

const hasSteps = (name: string): boolean => readSteps(readFileSync(join(GUIDES, name), 'utf8')).length > 0;
/** They need a cluster: test/e2e/kubernetes runs them. */
const ON_KUBERNETES = ['kubernetes.md'];
const pages = readdirSync(GUIDES).filter((name) => !ON_KUBERNETES.includes(name) && hasSteps(name));

test.each(pages)('ok: %s does what it says', async (name) => {
  const ports = new Map<string, string>();
  for (const port of PORTS) ports.set(port, String(await freePort()));
  const account = makeAccount();
  const page = readFileSync(join(GUIDES, name), 'utf8')
    .replace(/\b\d{4}\b/g, (word) => ports.get(word) ?? word)
    .replace(/\bdeploy\b/g, account.name);
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-guide-'));
  // Installed where it is asked for only, as it takes a while.
  const ansible = page.includes('$ ansible ') ? `${ansibleFolder()}:` : '';
  const path = `${join(ROOT, 'bin')}:${ansible}${process.env['PATH'] ?? ''}`;
  const shell = new Shell(folder, { PATH: path, HOME: folder, LANG: 'C.UTF-8', USER: 'root', TERM: 'dumb' });
  try {
    for (const { line, command, expected } of readSteps(page)) {
      const { output, status } = await shell.run(command);
      const shown = { at: `${name}:${line}`, command, output, status };
      expect(status === 0 || expected.some((text) => text.startsWith('ERROR')), JSON.stringify(shown)).toBe(
        true,
      );
      expect(
        matches(trimEnd(expected), trimEnd(output)),
        `${JSON.stringify(shown)} is not what the page shows`,
      ).toBe(true);
    }
  } finally {
    await shell.close();
    account.remove();
    rmSync(folder, { recursive: true, force: true });
  }
});

function trimEnd(lines: readonly string[]): readonly string[] {
  const last = lines.findLastIndex((line) => line.trim() !== '');
  return lines.slice(0, last + 1);
}
