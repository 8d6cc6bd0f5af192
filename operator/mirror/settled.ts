// What was written last for each owner, and at which revision: as long as both are the same, there is nothing to ask auth.
// Digests, since documents may hold secrets.
import { createHash } from 'node:crypto';

export class Settled {
  readonly #of = new Map<string, string>();

  /** False at the first look after a start: then auth is asked, and says that nothing changes. */
  has(owner: string, document: object, revision: string | undefined): boolean {
    return revision !== undefined && this.#of.get(owner) === digest(document, revision);
  }

  note(owner: string, document: object, revision: string | undefined): void {
    if (revision !== undefined) this.#of.set(owner, digest(document, revision));
  }

  forget(owner: string): void {
    this.#of.delete(owner);
  }
}

function digest(document: object, revision: string): string {
  return createHash('sha256')
    .update(`${revision} ${JSON.stringify(document)}`)
    .digest('base64');
}
