// Work on one recording is done in turn, work on different ones side by side: an upload that is repeated while its first
// attempt still runs must not see half of it.

export class InTurn {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` after all earlier work of the same key, whether that failed or not. */
  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    const tail = turn
      .catch(() => undefined)
      .finally(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    this.#tails.set(key, tail);
    return turn;
  }

  /** Resolves once all work that was taken by now is done. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
