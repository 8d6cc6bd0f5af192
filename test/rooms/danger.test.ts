// Law: constructs that opened holes elsewhere do not occur, or occur in the one place that is named here with its
// reason. An exception that is no longer used fails too, so that the table stays the truth.
import { expect, test } from 'vitest';
import { forbidPattern, isTest, isTypeScript, readTree, type SourceFile } from './tree.ts';

interface Danger {
  readonly name: string;
  readonly pattern: RegExp;
  readonly why: string;
  /** Path of a file, or of a folder with "/" at its end, and why it is right there. */
  readonly except: Readonly<Record<string, string>>;
  readonly bites: string;
}

const DANGERS: readonly Danger[] = [
  {
    name: 'S30 TLS that trusts everybody',
    pattern: /rejectUnauthorized['"]?\s*:\s*(?!true)\S+|NODE_TLS_REJECT_UNAUTHORIZED/g,
    why: 'a server is trusted by its authority or by a pin, never on sight',
    except: {
      'client/trust.ts': 'reads the chain of a server in order to compare it with the pin',
      'client/outbound/web-port.ts':
        'the web port is only passed through: what runs inside proves both ends by the authorities of the cluster',
      'agent/database/target-tls.ts':
        'an admin may write tls.mode: insecure for a database; every other mode is verified, and nothing is sent without TLS',
      'proxy/listen/tls/member-door.ts':
        'callers show certificates of the cluster, which the door verifies itself and refuses',
      'agent/app/http/dial.ts':
        'an admin may write insecure_skip_verify for an application; every other one is verified',
      'auth/server-app.ts':
        'callers without a good certificate get an answer; the guard verifies and refuses them',
    },
    bites: 'connect({ rejectUnauthorized: false })',
  },
  {
    name: 'S31 outdated TLS',
    pattern: /TLSv1(?:\.1)?['"]|SSLv3|secureProtocol\s*:/g,
    why: 'TLS 1.2 is the least',
    except: {},
    bites: "minVersion: 'TLSv1.1'",
  },
  {
    name: 'S22 a shell between us and a program',
    pattern: /\bshell\s*:\s*(?!false)\S+|\{[^}]*\bexec(?:Sync)?\b[^}]*\}\s*from\s*'node:child_process'/g,
    why: 'programs are started with a list of arguments; a shell would read the values as code',
    except: {},
    bites: "spawn('ls', [name], { shell: true })",
  },
  {
    name: 'S22 text run as code',
    pattern: /\beval\(|\bnew Function\(|(?<!\w)Function\(['"`]/g,
    why: 'no text is ever run as code',
    except: {},
    bites: 'eval(text)',
  },
  {
    name: 'S33 patterns made at run time',
    pattern: /\bnew RegExp\(|(?<![\w.])RegExp\(/g,
    why: 'a pattern from outside can take for ever: use core/access/pattern.ts (linear time)',
    except: {},
    bites: 'new RegExp(role.pattern)',
  },
  {
    name: 'S31 outdated digests and ciphers',
    pattern:
      /createHash\(\s*['"](?:md4|md5|sha1|ripemd160)['"]|createCipheriv\(\s*['"](?:des|rc4|bf|[^'"]*-(?:cbc|ecb))\b/gi,
    why: 'SHA-256 or better, and ciphers that authenticate',
    except: {},
    bites: "createHash('md5')",
  },
  {
    name: 'S36 settings from the environment',
    pattern: /\bprocess\.env\b/g,
    why: 'the environment is read at the edges and handed on as a value',
    except: {
      'cli/': 'commands',
      'daemon/': 'the daemon',
      'config/': 'variables in the configuration file',
      'agent/': 'what a session inherits',
    },
    bites: "process.env['TOKEN']",
  },
  {
    name: 'S34 an exit in the middle of things',
    pattern: /\bprocess\.(?:exit|abort)\(/g,
    why: 'set process.exitCode and return, so that what is open gets closed',
    except: {
      'cli/': 'commands end the process',
      'daemon/': 'the second Ctrl-C',
      'agent/': 'sessions end their processes',
    },
    bites: 'process.exit(1)',
  },
];

const inProduct = (path: string): boolean => isTypeScript(path) && !isTest(path) && !path.startsWith('hack/');
const tree = readTree();
const file = (path: string, text: string): SourceFile => ({ path, text });

const excepted = (danger: Danger, path: string): boolean =>
  Object.keys(danger.except).some((entry) => (entry.endsWith('/') ? path.startsWith(entry) : path === entry));

test.each(DANGERS.map((danger) => [danger.name, danger] as const))('ok: no %s', (_, danger) => {
  const law = forbidPattern(danger.pattern, danger.why, (path) => inProduct(path) && !excepted(danger, path));
  expect(law(tree)).toEqual([]);
});

test.each(DANGERS.map((danger) => [danger.name, danger] as const))('refuses: %s', (_, danger) => {
  const law = forbidPattern(danger.pattern, danger.why, (path) => inProduct(path) && !excepted(danger, path));
  expect(law([file('auth/a.ts', danger.bites)])).toHaveLength(1);
});

test('ok: every excepted file still needs its exception', () => {
  const unused = DANGERS.flatMap((danger) =>
    Object.keys(danger.except)
      .filter((entry) => !entry.endsWith('/'))
      .filter((entry) =>
        tree.every(({ path, text }) => path !== entry || text.match(danger.pattern) === null),
      )
      .map((entry) => `${danger.name}: ${entry}`),
  );
  expect(unused).toEqual([]);
});
