// Which versions may follow each other: what this operator can run, and what a cluster's state can go to. Pure.
import type { Problem } from './checks.ts';

interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

const VERSION = /^v?(\d{1,5})\.(\d{1,5})\.(\d{1,5})(?:[-+][-+.0-9A-Za-z]{1,64})?$/;
/** How many minor versions older than itself the operator still runs. */
const OLDEST = 2;

/** Without the leading `v` that some people write. */
export const plainVersion = (text: string): string => text.replace(/^v(?=\d)/, '');

/**
 * Why `wanted` is held, if it is. `running` is what the cluster's state was last served with: auth may go one minor version
 * ahead at a time, because proxies and agents follow it one version behind, and never back.
 */
export function versionProblem(
  wanted: string,
  operator: string,
  running: string | undefined,
): Problem | undefined {
  const next = parse(wanted);
  if (next === undefined) {
    return problem('InvalidVersion', `spec.version: "${wanted}" is no version such as 1.2.3`);
  }
  return rangeProblem(next, wanted, operator) ?? stepProblem(next, wanted, running);
}

function rangeProblem(next: Version, wanted: string, operator: string): Problem | undefined {
  const own = parse(operator);
  if (own === undefined) return undefined;
  const ahead = minors(next, own);
  if (ahead !== undefined && ahead <= 0 && ahead >= -OLDEST) return undefined;
  const isNewer = next.major > own.major || (ahead ?? 0) > 0;
  return problem(
    'VersionNotSupported',
    isNewer
      ? `spec.version: ${wanted} is newer than this operator (${operator}); upgrade the operator first`
      : `spec.version: ${wanted} is too old for this operator (${operator}), which runs at most ${OLDEST} minor versions back`,
  );
}

function stepProblem(next: Version, wanted: string, running: string | undefined): Problem | undefined {
  const before = running === undefined ? undefined : parse(running);
  if (before === undefined) return undefined;
  const ahead = minors(next, before);
  if (next.major < before.major || (ahead ?? 0) < 0) {
    return problem(
      'DowngradeHeld',
      `spec.version: ${wanted} is older than ${running}, which the state of the cluster was written with; go back by restoring a backup`,
    );
  }
  const isNextMajor = next.major === before.major + 1 && next.minor === 0;
  if (ahead === 0 || ahead === 1 || isNextMajor) return undefined;
  return problem(
    'VersionSkipped',
    `spec.version: ${wanted} is more than one minor version ahead of ${running}; upgrade to ${before.major}.${before.minor + 1} first`,
  );
}

/** Undefined across major versions. */
const minors = (a: Version, b: Version): number | undefined =>
  a.major === b.major ? a.minor - b.minor : undefined;

function parse(text: string): Version | undefined {
  const [, major, minor, patch] = VERSION.exec(text) ?? [];
  if (major === undefined) return undefined;
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

const problem = (reason: string, message: string): Problem => ({ reason, message, scope: 'rollout' });
