// `gatectl auth sign`: keys made on this machine, certificates for them from the auth service, files that nobody else
// can read. Private keys never travel.
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { oneLine, relativeTime } from '../../format/text.ts';
import { requireFree, writePrivateFile } from '../../private-files.ts';
import type { Api } from '#client/api.ts';
import { databaseFiles, sshdFiles, userFiles, type SignedFiles, type SignWish } from './auth-sign-files.ts';
import type { Gatectl } from './context.ts';
import { rm } from 'node:fs/promises';

const FORMATS = ['file', 'openssh', 'tls', 'db'] as const;

export const authSign = command({
  about: `file     one file for --identity of gatectl
openssh  a private key and its certificate for ssh -i: OUT, OUT-cert.pub;
         with --host instead of --user the same for a server that runs plain sshd
tls      OUT.key, OUT.crt and OUT.cas in PEM
db       the same for the server of a self-hosted database; needs --host`,
  flags: {
    format: flag.oneOf(FORMATS, { says: 'What to write, see above. (file)' }),
    user: flag.text({ says: 'For whom; needed unless it is for a server.', value: 'USER' }),
    host: flag.list({ says: 'Names and addresses of the server.', value: 'HOSTS' }),
    out: flag.text({ says: 'Path of the files; needed.', short: 'o', value: 'OUT' }),
    ttl: flag.duration({ says: 'How long it is good. (12h; a database 2190h, sshd 8760h)' }),
    overwrite: flag.toggle({ says: 'Replace files that exist.' }),
  },
  examples: [
    'gatectl auth sign --user=ci --out=ci.identity --ttl=1h',
    'gatectl auth sign --format=openssh --user=joe --out=joe',
    'gatectl auth sign --format=openssh --host=bastion.example.com --out=ssh_host_gatehouse',
    'gatectl auth sign --format=db --host=db.example.com --out=server',
  ],
  async run(context: Gatectl, { flags }) {
    const { format = 'file', out, user, host } = flags;
    if (out === undefined) throw usage('--out is missing: where to write');
    requireTarget(format, user, host);
    const wish = { out, format, ttlMs: flags.ttl, user: user ?? '', hosts: host ?? [] };
    if (!flags.overwrite) await requireFree(pathsOf(format, out));
    const api = await context.api();
    const signed = await filesOf(api, wish);
    await writeAll(signed, flags.overwrite);
    const paths = signed.files.map(({ path }) => path);
    context.out.line(oneLine(`The credentials have been written to ${paths.join(', ')}`));
    context.out.line(
      `They expire ${relativeTime(Date.parse(signed.expires), context.now())}, at ${oneLine(signed.expires)}.`,
    );
    for (const line of signed.notes) context.out.line(oneLine(line));
  },
});

function filesOf(api: Api, wish: SignWish): Promise<SignedFiles> {
  if (wish.format === 'db') return databaseFiles(api, wish);
  return wish.hosts.length > 0 ? sshdFiles(api, wish) : userFiles(api, wish);
}

type SignFormat = (typeof FORMATS)[number];

function requireTarget(
  format: SignFormat,
  user: string | undefined,
  host: readonly string[] | undefined,
): void {
  const isForServer = format === 'db' || host !== undefined;
  if (isForServer) requireServer(format, user, host);
  else if (user === undefined) throw usage('--user is missing: for whom');
}

function requireServer(format: SignFormat, user: string | undefined, host: readonly string[] = []): void {
  if (format !== 'db' && format !== 'openssh')
    throw usage('--host goes with --format=db or openssh; machines with an agent get theirs by joining');
  if (host.length === 0)
    throw usage(`--host is missing: the names of the ${format === 'db' ? 'database server' : 'server'}`);
  if (user !== undefined) throw usage('--user is not for a server; leave it out');
}

function pathsOf(format: SignFormat, out: string): string[] {
  if (format === 'file') return [out];
  if (format === 'openssh') return [out, `${out}-cert.pub`];
  return [`${out}.key`, `${out}.crt`, `${out}.cas`];
}

/** All of the files, or none of them when they are new. */
async function writeAll({ files }: SignedFiles, overwrite: boolean): Promise<void> {
  const written: string[] = [];
  try {
    for (const { path, content } of files) {
      await writePrivateFile(path, content, { overwrite });
      written.push(path);
    }
  } catch (error) {
    if (!overwrite) for (const path of written) await rm(path, { force: true });
    throw error;
  }
}
