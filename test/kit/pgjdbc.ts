// The JDBC driver of PostgreSQL from Maven for tests: fetched once under .cache, in the version that was tested. Needs mvn and
// java, which runs a single source file as it is.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = '42.7.4';
const CACHE = join(import.meta.dirname, '../../.cache/pgjdbc');

/** The jar; the first call on a machine takes some seconds. */
export function pgjdbcJar(): string {
  const jar = join(CACHE, `postgresql-${VERSION}.jar`);
  if (existsSync(jar)) return jar;
  mkdirSync(CACHE, { recursive: true });
  const artifact = `-Dartifact=org.postgresql:postgresql:${VERSION}`;
  execFileSync('mvn', ['-q', '-B', 'dependency:copy', artifact, `-DoutputDirectory=${CACHE}`], {
    stdio: 'pipe',
    cwd: CACHE,
  });
  return jar;
}
