// What a login and a logout tell the ssh-agent of this terminal.
import { parseLine } from '#core/certs/ssh/lines.ts';
import { refuseInput } from '#core/certs/refusal.ts';
import { parseOpenSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { isCode } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import { readPrivateFile } from '../../private-files.ts';
import { profilePaths, type Profile } from '../../profile/profile.ts';
import { addToAgent, removeFromAgent } from '../../ssh-agent/agent.ts';
import type { Gate } from './context.ts';

/** `auto`: when an agent runs, and its no is no failure of the login. */
export const AGENT_MODES = ['auto', 'yes', 'no'] as const;
export type AgentMode = (typeof AGENT_MODES)[number];

const MAX_CERTIFICATE_BYTES = 64 * 1024;

/** UNAVAILABLE only in the mode `yes`. True when the agent has it. */
export async function giveToAgent({ io }: Gate, profile: Profile, mode: AgentMode): Promise<boolean> {
  const path = io.env['SSH_AUTH_SOCK'] ?? '';
  if (mode === 'no' || (mode === 'auto' && path === '')) return false;
  const { key } = profilePaths(io, profile.cluster);
  const [privateKey, certificate] = await Promise.all([
    readPrivateFile(key, io.uid),
    readPrivateFile(`${key}-cert.pub`, io.uid),
  ]);
  try {
    await addToAgent(
      { path, clock: io.clock },
      {
        privateKey: parseOpenSshPrivateKey(new Secret(privateKey ?? '')),
        certificate: blobOf(certificate ?? ''),
        comment: `gatehouse:${profile.user}@${profile.cluster}`,
        expires: Date.parse(profile.expires),
      },
    );
    return true;
  } catch (error) {
    if (mode === 'auto' && isCode(error, 'UNAVAILABLE')) return false;
    throw error;
  }
}

/** Before the files go. An agent that is not there, or never had it, has nothing to forget. */
export async function takeFromAgent({ io }: Gate, cluster: string): Promise<void> {
  const path = io.env['SSH_AUTH_SOCK'] ?? '';
  if (path === '') return;
  try {
    const text = await readPrivateFile(`${profilePaths(io, cluster).key}-cert.pub`, io.uid);
    if (text !== undefined) await removeFromAgent({ path, clock: io.clock }, blobOf(text));
  } catch (error) {
    if (!isCode(error)) throw error;
  }
}

const blobOf = (line: string): Uint8Array => parseLine(line, MAX_CERTIFICATE_BYTES, refuseInput).blob;
