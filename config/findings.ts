// Collects what is wrong with a file, and what is fine but not in force, while it is being read.
import { GatehouseError } from '#core/errors/error.ts';
import { formatPath, type Path, type Problem } from '#core/schema/check.ts';
import type { Notice } from './config.ts';

export class Findings {
  readonly problems: Problem[] = [];
  readonly #notices: { path: Path; message: string }[] = [];

  problem(path: Path, message: string): void {
    this.problems.push({ path, message });
  }

  notice(path: Path, message: string): void {
    this.#notices.push({ path, message });
  }

  /** Runs a parser; what it refuses becomes a problem at `path`, and the result is undefined. */
  attempt<T>(path: Path, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof GatehouseError)) throw error;
      this.problem(path, error.message);
      return undefined;
    }
  }

  /** The same for each entry of a list; the refused ones are left out of the result. */
  attemptAll<T>(path: Path, texts: readonly string[] | undefined, parse: (text: string) => T): T[] {
    return (texts ?? []).flatMap((text, index) => this.attempt([...path, index], () => parse(text)) ?? []);
  }

  /** The notices with their lines; what came from a flag or a default has none. */
  noticesWith(lineOf: (path: Path) => number): Notice[] {
    return this.#notices.map(({ path, message }) =>
      isOfFile(path)
        ? { line: lineOf(path), path: formatPath(path), message }
        : { path: path.join('.'), message },
    );
  }
}

/** A path that begins with a flag ("--auth-server"), or an empty one, has no line in the file. */
export const isOfFile = (path: Path): boolean => path.length > 0 && !String(path[0]).startsWith('--');

/** INVALID_CONFIG with one line per problem. */
export function invalidConfig(
  source: string,
  problems: readonly { readonly line: number; readonly path: string; readonly message: string }[],
): GatehouseError {
  const lines = problems.map(({ line, path, message }) =>
    path === '' ? `  line ${line}: ${message}` : `  line ${line}: ${path} ${message}`,
  );
  return new GatehouseError('INVALID_CONFIG', `${source} is not valid:\n${lines.join('\n')}`, {
    details: { problems },
  });
}
