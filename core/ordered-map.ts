// A map of string keys that can also be read in key order from any point: what a range needs and Map lacks.
// Sorted lazily, so that filling it in any order costs one sort and keyed access stays that of Map.

export class OrderedMap<T> {
  readonly #values = new Map<string, T>();
  #keys: string[] = [];
  #sorted = true;
  /** Keys put in their place since the last read. */
  #placed = 0;

  get size(): number {
    return this.#values.size;
  }

  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  set(key: string, value: T): void {
    if (!this.#values.has(key)) {
      if (this.#keys.length > 0 && key < (this.#keys.at(-1) ?? '')) this.#insert(key);
      else this.#keys.push(key);
    }
    this.#values.set(key, value);
  }

  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false;
    this.#sort();
    this.#keys.splice(this.#firstAtOrAfter(key), 1);
    return true;
  }

  clear(): void {
    this.#values.clear();
    this.#keys = [];
    this.#sorted = true;
  }

  /**
   * Entries whose key starts with `prefix` and is greater than `after`, in order of UTF-16 code units (byte order for
   * ASCII keys). Do not change the map while iterating.
   */
  *entries(prefix = '', after?: string): IterableIterator<[key: string, value: T]> {
    this.#sort();
    const start = after !== undefined && after >= prefix ? after : prefix;
    for (let index = this.#firstAtOrAfter(start); index < this.#keys.length; index++) {
      const key = this.#keys[index] ?? '';
      if (key === after) continue;
      if (!key.startsWith(prefix)) return;
      const value = this.#values.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  /** A few late keys go straight to their place; when many arrive, one sort at the next read is cheaper. */
  #insert(key: string): void {
    if (this.#sorted && this.#placed < 32) {
      this.#placed++;
      this.#keys.splice(this.#firstAtOrAfter(key), 0, key);
      return;
    }
    this.#keys.push(key);
    this.#sorted = false;
  }

  #sort(): void {
    this.#placed = 0;
    if (this.#sorted) return;
    this.#keys.sort();
    this.#sorted = true;
  }

  #firstAtOrAfter(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
