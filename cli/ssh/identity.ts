// The SSH half of a login: key, certificate, and the authorities that vouch for servers, as `gate login` left them for
// plain OpenSSH. Read anew for each command, because a new login replaces the files.
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { parseAuthorizedKey, parseLine } from '#core/certs/ssh/lines.ts';
import { refuseInput } from '#core/certs/refusal.ts';
import { parseOpenSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { publicKeyFromKeyObject, type SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import type { SshKey } from '#wire/ssh/ssh.ts';
import type { Io } from '../io.ts';
import { readPrivateFile } from '../private-files.ts';
import { untilUnlocked } from '../profile/lock.ts';
import { profilePaths, type ProfilePaths } from '../profile/profile.ts';

const MAX_CERTIFICATE_BYTES = 64 * 1024;
const MARK = '@cert-authority * ';

export interface SshIdentity {
  readonly key: SshKey;
  /** Keys that sign certificates of servers. */
  readonly authorities: readonly SshPublicKey[];
}

/** A login that is being replaced is waited for, and one that was replaced meanwhile is read again. */
const MOST_READS = 3;

/** CORRUPT when a file is missing or damaged, INVALID_CONFIG when others could have written it. */
export async function readSshIdentity(
  io: Pick<Io, 'home' | 'uid' | 'clock'>,
  cluster: string,
): Promise<SshIdentity> {
  const paths = profilePaths(io, cluster);
  for (let reads = 1; ; reads++) {
    try {
      return await readFiles(io, paths);
    } catch (error) {
      if (!isCode(error, 'CORRUPT') || reads === MOST_READS) throw error;
      await untilUnlocked(paths.folder, io.clock);
    }
  }
}

async function readFiles(
  io: Pick<Io, 'uid'>,
  { folder, key, knownHosts }: ProfilePaths,
): Promise<SshIdentity> {
  const read = async (path: string): Promise<string> => {
    const text = await readPrivateFile(path, io.uid);
    if (text === undefined) throw damaged(folder);
    return text;
  };
  const [keyText, certificateText, hostsText] = await Promise.all([
    read(key),
    read(`${key}-cert.pub`),
    read(knownHosts),
  ]);
  try {
    const privateKey = parseOpenSshPrivateKey(new Secret(keyText));
    const { blob } = parseLine(certificateText, MAX_CERTIFICATE_BYTES, refuseInput);
    const { subject } = parseSshCertificate(blob);
    if (!Buffer.from(subject.blob).equals(publicKeyFromKeyObject(privateKey).blob)) throw damaged(folder);
    return { key: { privateKey, certificate: blob }, authorities: parseAuthorities(hostsText) };
  } catch (error) {
    if (isCode(error, 'CORRUPT')) throw error;
    throw damaged(folder, error);
  }
}

function parseAuthorities(text: string): SshPublicKey[] {
  const lines = text.split('\n').filter((line) => line.startsWith(MARK));
  if (lines.length === 0) throw refuseInput('malformed', 'no authority is known');
  return lines.map((line) => parseAuthorizedKey(line.slice(MARK.length)).key);
}

function damaged(folder: string, cause?: unknown): GatehouseError {
  return new GatehouseError('CORRUPT', `the SSH key or certificate in ${folder} is missing or damaged`, {
    cause,
    details: { remedy: 'Log in again with `gate login`; it replaces the files.' },
  });
}
