// Collects what is wrong with a role while its parts are compiled.
import { isCode } from '../errors/error.ts';
import type { Path, Problem } from '../schema/check.ts';
import { createPredicateCompiler, type PredicateCompiler } from './predicates.ts';

const MAX_PROBLEMS = 50;

/** Notes problems under a path; `attempt` turns a BAD_REQUEST into one. */
export interface Notes {
  add(path: Path, message: string): void;
  attempt(path: Path, work: () => void): void;
  readonly predicates: PredicateCompiler;
}

/** An empty list of problems, and the notes that fill it, up to 50. */
export function createNotes(): { readonly notes: Notes; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const add = (path: Path, message: string): void => {
    if (problems.length < MAX_PROBLEMS) problems.push({ path, message });
  };
  const attempt = (path: Path, work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (!isCode(error, 'BAD_REQUEST')) throw error;
      add(path, error.message);
    }
  };
  return { notes: { add, attempt, predicates: createPredicateCompiler() }, problems };
}

/** A `where` or filter that is set must compile. */
export function checkWhere(where: string | undefined, path: Path, notes: Notes): void {
  if (where !== undefined && where.trim() !== '') notes.attempt(path, () => notes.predicates.where(where));
}
