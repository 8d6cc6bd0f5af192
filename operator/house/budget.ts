// How much the copies of all clusters may hold together. Each has a bound of its own too, but whoever may make many
// GatehouseClusters could fill the memory that all share: then the largest copy gives way, not the operator.

/** As JSON. */
const MAX_BYTES = 256 * 1024 * 1024;

export class Budget {
  readonly #max: number;
  readonly #of = new Map<object, number>();
  #total = 0;

  constructor(max: number = MAX_BYTES) {
    this.#max = max;
  }

  /** What `holder` holds from now on; 0 when it holds nothing any more. */
  note(holder: object, bytes: number): void {
    this.#total += bytes - (this.#of.get(holder) ?? 0);
    if (bytes === 0) this.#of.delete(holder);
    else this.#of.set(holder, bytes);
  }

  /** Whether there is too much in all, and nobody has more of it than `holder`. */
  mustGiveWay(holder: object): boolean {
    if (this.#total <= this.#max) return false;
    const own = this.#of.get(holder) ?? 0;
    return own > 0 && [...this.#of.values()].every((bytes) => bytes <= own);
  }
}
