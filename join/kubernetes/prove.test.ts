// The token file of a pod: read anew each time, and nothing else is taken for a token.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makePodTokenKey, signPodToken } from '#test/kit/pod-tokens.ts';
import { kubernetesProver, readProjectedToken } from './prove.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-prove-'));
  path = join(folder, 'join-sa-token');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('ok: the token of the file, as it is at each attempt', async () => {
  const key = makePodTokenKey('ec');
  const prove = kubernetesProver('agents', { KUBERNETES_TOKEN_PATH: path });
  for (const issuedAt of [1, 2]) {
    const token = signPodToken(key, { issuedAt });
    writeFileSync(path, `${token}\n`);
    const proof = await prove();
    expect([proof.method, proof.token, proof.idToken.reveal()]).toEqual(['kubernetes', 'agents', token]);
    expect(JSON.stringify(proof)).not.toContain(token);
  }
});

it('refuses: for now, a file that is not there; the message says what to do', async () => {
  const refused = kubernetesProver('agents', { KUBERNETES_TOKEN_PATH: path })();
  await expect(refused).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('projected volume'),
  });
  await expect(kubernetesProver('agents', {})()).rejects.toThrow('/var/run/secrets/tokens/join-sa-token');
});

it.each(['', 'hunter2-hunter2', 'a.b.c', 'x'.repeat(20_000)])(
  'S33 S36 refuses: a file with something else, which is not repeated (%#)',
  async (text) => {
    writeFileSync(path, text);
    const refused = await readProjectedToken(path).catch((error: unknown) => error as Error);
    expect(refused).toMatchObject({ code: 'INVALID_CONFIG' });
    expect((refused as Error).message).not.toContain('hunter2');
  },
);
