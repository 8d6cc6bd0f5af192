// The list of audit sinks, by the scheme of their URI in `audit_events_uri`. A new sink is a folder and a line here.
import { isAbsolute, normalize } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { openDirSink } from './dir/sink.ts';
import type { Sink } from './sink.ts';
import { openStdoutSink } from './stdout/sink.ts';

export interface SinkDeps {
  readonly log: Log;
  /** Where `stdout://` writes. */
  readonly stdout: Writable;
}

interface Scheme {
  /** The name the sink will have; INVALID_CONFIG when the rest of the URI is wrong. */
  name(uri: URL): string;
  open(uri: URL, deps: SinkDeps): Promise<Sink>;
}

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  [
    'file:',
    {
      name: (uri: URL) => `file://${pathOf(uri)}`,
      open: (uri: URL, { log }: SinkDeps) => openDirSink({ path: pathOf(uri), log }),
    },
  ],
  [
    'stdout:',
    {
      name(uri: URL) {
        if (uri.href !== 'stdout://') throw refusal(uri.href, 'must be exactly stdout://');
        return uri.href;
      },
      open: (_: URL, { stdout }: SinkDeps) => Promise.resolve(openStdoutSink(stdout)),
    },
  ],
]);

/** Documented elsewhere in the field, not offered by this version. */
const LATER: readonly string[] = ['dynamodb:', 'firestore:', 'athena:', 'postgresql:', 'postgres:'];

/** The sink of a cluster that does not set `audit_events_uri`: `<data_dir>/log`. */
export function defaultSinkUri(dataDir: string): string {
  return `file://${encodeURI(normalize(`${dataDir}/log`)).replace(/[?#]/g, encodeURIComponent)}`;
}

/**
 * Checks the list without opening anything. INVALID_CONFIG for an empty list, a wrong URI, or a sink named twice;
 * NOT_SUPPORTED for a sink this version lacks.
 */
export function checkSinkUris(uris: readonly string[]): void {
  if (uris.length === 0)
    throw new GatehouseError('INVALID_CONFIG', 'audit_events_uri must name at least one sink');
  const names = new Set<string>();
  for (const text of uris) {
    const { uri, scheme } = parse(text);
    const name = scheme.name(uri);
    if (names.has(name)) throw refusal(text, 'is named twice');
    names.add(name);
  }
}

/** Opens all, in order, or none; the caller closes them. Errors as `checkSinkUris`, and those of the sinks. */
export async function openSinks(uris: readonly string[], deps: SinkDeps): Promise<readonly Sink[]> {
  checkSinkUris(uris);
  const sinks: Sink[] = [];
  try {
    for (const text of uris) {
      const { uri, scheme } = parse(text);
      sinks.push(await scheme.open(uri, deps));
    }
    return sinks;
  } catch (error) {
    await Promise.all(sinks.map((sink) => sink.close()));
    throw error;
  }
}

function parse(text: string): { readonly uri: URL; readonly scheme: Scheme } {
  const uri = URL.parse(text);
  if (uri === null) throw refusal(text, 'is not a URI such as file:///var/lib/gatehouse/log or stdout://');
  const scheme = SCHEMES.get(uri.protocol);
  if (scheme !== undefined) return { uri, scheme };
  if (LATER.includes(uri.protocol)) {
    throw new GatehouseError(
      'NOT_SUPPORTED',
      `audit_events_uri: ${uri.protocol}// is not offered by this version; use file:// and ship its files, or stdout://`,
    );
  }
  throw refusal(text, 'has an unknown scheme; use file:// or stdout://');
}

function pathOf(uri: URL): string {
  if (uri.host !== '' || uri.search !== '' || uri.hash !== '') {
    throw refusal(uri.href, 'must be file:// and an absolute path (three slashes), without ? and #');
  }
  let path: string;
  try {
    path = fileURLToPath(uri);
  } catch {
    throw refusal(uri.href, 'does not hold a proper path');
  }
  if (!isAbsolute(path) || path === '/') throw refusal(uri.href, 'must be an absolute path of a folder');
  return path.replace(/\/+$/, '');
}

/** Does not show user information, where others keep passwords. */
function refusal(text: string, what: string): GatehouseError {
  const shown = text.replace(/\/\/[^/@]*@/, '//…@').slice(0, 200);
  return new GatehouseError('INVALID_CONFIG', `audit_events_uri: "${shown}" ${what}`, {
    details: { field: 'audit_events_uri' },
  });
}
