// `gate scp`: files and folders to a server or from it, over SFTP.
import { rmSync } from 'node:fs';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { CONNECTION_FAILED } from '../../ssh/session/run-session.ts';
import { Copy } from '../../ssh/sftp/copy.ts';
import { noProgress, progressOn } from '../../ssh/sftp/progress.ts';
import { connectSftp } from '../../ssh/sftp/connect.ts';
import { sshSettings } from '../../ssh/settings.ts';
import type { Gate } from './context.ts';

/** Of a session without forwards and without a terminal. */
export const NO_SESSION_FLAGS = {
  login: undefined,
  'local-forward': [],
  'remote-forward': [],
  'dynamic-forward': [],
  'forward-agent': false,
  'no-forward-agent': false,
  tty: 0,
  'no-tty': true,
};

/** Also of `gate sftp`. */
export const fileFlags = {
  port: flag.text({ says: 'A port that is not the one of the server.', short: 'P', value: 'PORT' }),
  quiet: flag.toggle({ says: 'No progress, no remarks.', short: 'q' }),
  option: flag.texts({ says: 'In the words of ssh_config.', short: 'o', value: 'KEY=VALUE' }),
  ttl: flag.duration({ says: 'When there is no login yet: for how long.' }),
};

export const scp = command({
  about:
    'SOURCE and TARGET are paths here, or [LOGIN@]HOST:PATH on a server; PATH is seen from the home folder there, and\nmay have * and ? in it. A download appears under its name once it is whole. Exit code 1: something was not copied.',
  flags: {
    recursive: flag.toggle({ says: 'Folders too.', short: 'r' }),
    preserve: flag.toggle({ says: 'Keep modes and times.', short: 'p' }),
    ...fileFlags,
  },
  positionals: [
    { name: 'SOURCE', says: 'a file or folder', isMany: false },
    { name: 'TARGET', says: 'where to; before it there may be more sources', isMany: true },
  ],
  failureCode: CONNECTION_FAILED,
  examples: [
    'gate scp app.tar.gz root@web-1:/srv/',
    'gate scp -r root@web-1:/var/log/nginx .',
    "gate scp 'root@web-1:*.conf' conf/",
  ],
  async run(gate: Gate, { flags, words }) {
    const { where, sources, target, isUpload } = parseSides(words);
    const settings = sshSettings({ ...NO_SESSION_FLAGS, ...flags }, {});
    const drafts = removedAtEnd();
    const { sftp, close, person } = await connectSftp(gate, { where, settings, ttlMs: flags.ttl });
    try {
      const copy = new Copy({
        sftp,
        drafts: drafts.set,
        keeps: flags.preserve,
        isRecursive: flags.recursive,
        progress: settings.isQuiet ? noProgress : progressOn(gate.io),
        onNote: (text) => person.problem(text),
      });
      if (isUpload) await copy.put(sources, homePath(target));
      else await copy.get(sources.map(homePath), target);
      return copy.failures === 0 ? 0 : 1;
    } finally {
      drafts.stop();
      close();
    }
  },
});

interface Sides {
  /** The server, with its login. */
  readonly where: string;
  readonly sources: readonly string[];
  readonly target: string;
  readonly isUpload: boolean;
}

/** USAGE unless one side is on one server, and the other here. */
export function parseSides(words: readonly string[]): Sides {
  const ends = words.map(parseEnd);
  const target = ends.pop();
  const hosts = new Set(ends.map(({ host }) => host));
  const [from] = hosts;
  if (target === undefined || ends.length === 0) throw usage('TARGET is missing: where to copy it');
  if (hosts.size > 1) throw usage('all sources must be on the same side');
  if (from !== undefined && target.host !== undefined) {
    throw usage('one side must be on this machine; copy from one server to the other in two steps');
  }
  const where = target.host ?? from;
  if (where === undefined) throw usage('neither side is on a server; write it as root@web-1:/path');
  return {
    where,
    sources: ends.map(({ path }) => path),
    target: target.path,
    isUpload: target.host !== undefined,
  };
}

interface CopyEnd {
  readonly host?: string;
  readonly path: string;
}

/** As scp: a colon before any slash makes it a server's. */
export function parseEnd(text: string): CopyEnd {
  const [, host, path] = /^((?:[^/:@[\]]*@)?(?:\[[^\]/]+\]|[^/:[\]]+)):(.*)$/s.exec(text) ?? [];
  if (host === undefined || path === undefined) {
    if (text === '') throw usage('a path is empty');
    return { path: text };
  }
  return { host, path };
}

/** SFTP begins in the home folder. */
export function homePath(path: string): string {
  const fromHome = path.replace(/^~(?:\/+|$)/, '');
  return fromHome === '' ? '.' : fromHome;
}

/** Ctrl-C must not leave drafts about. */
export function removedAtEnd(): { readonly set: Set<string>; stop(): void } {
  const set = new Set<string>();
  const end = (code: number) => (): void => {
    for (const path of set) rmSync(path, { force: true });
    process.exit(code);
  };
  const [onInterrupt, onTerminate] = [end(130), end(143)];
  process.once('SIGINT', onInterrupt).once('SIGTERM', onTerminate);
  return { set, stop: () => void process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate) };
}
