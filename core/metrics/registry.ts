// Counters, gauges and histograms, and the text in which Prometheus reads them. Small on purpose: what is counted is
// known when the process starts, and the number of time series is bounded.

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(labels?: Labels, by?: number): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

type Kind = 'counter' | 'gauge' | 'histogram';
type Sample = readonly [name: string, labels: Labels, value: number];

interface Family {
  readonly name: string;
  readonly kind: Kind;
  readonly help: string;
  samples(): Iterable<Sample>;
}

/** Time series of one metric; more are counted together under the label value "other". */
const MAX_SERIES = 1000;

export class Registry {
  readonly #families: Family[] = [];

  counter(name: string, help: string): Counter {
    const series = new Series<{ value: number }>(() => ({ value: 0 }));
    this.#families.push({
      name,
      kind: 'counter',
      help,
      *samples() {
        for (const [labels, { value }] of series.all()) yield [name, labels, value];
      },
    });
    return { add: (labels = {}, by = 1) => void (series.of(labels).value += by) };
  }

  /** Read when somebody asks. */
  gauge(name: string, help: string, read: () => Iterable<readonly [Labels, number]> | number): void {
    this.#families.push({
      name,
      kind: 'gauge',
      help,
      *samples() {
        const now = read();
        if (typeof now === 'number') yield [name, {}, now];
        else for (const [labels, value] of now) yield [name, labels, value];
      },
    });
  }

  /** `bounds` ascending; a bucket for everything above them is added. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const series = new Series(() => ({ counts: bounds.map(() => 0), total: 0, sum: 0 }));
    this.#families.push({
      name,
      kind: 'histogram',
      help,
      *samples() {
        for (const [labels, { counts, total, sum }] of series.all()) {
          for (const [index, bound] of bounds.entries()) {
            yield [`${name}_bucket`, { ...labels, le: String(bound) }, counts[index] ?? 0];
          }
          yield [`${name}_bucket`, { ...labels, le: '+Inf' }, total];
          yield [`${name}_sum`, labels, sum];
          yield [`${name}_count`, labels, total];
        }
      },
    });
    return {
      observe(value, labels = {}) {
        const found = series.of(labels);
        for (const [index, bound] of bounds.entries()) {
          if (value <= bound) found.counts[index] = (found.counts[index] ?? 0) + 1;
        }
        found.total++;
        found.sum += value;
      },
    };
  }

  /** The text format, version 0.0.4. */
  render(): string {
    const lines: string[] = [];
    for (const { name, kind, help, samples } of this.#families) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
      for (const [sample, labels, value] of samples()) {
        lines.push(`${sample}${renderLabels(labels)} ${renderValue(value)}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }
}

class Series<T> {
  readonly #make: () => T;
  readonly #found = new Map<string, readonly [Labels, T]>();

  constructor(make: () => T) {
    this.#make = make;
  }

  of(labels: Labels): T {
    const key = renderLabels(labels);
    const found = this.#found.get(key);
    if (found !== undefined) return found[1];
    if (this.#found.size >= MAX_SERIES && !Object.values(labels).every((value) => value === 'other')) {
      return this.of(Object.fromEntries(Object.keys(labels).map((name) => [name, 'other'])));
    }
    const made = this.#make();
    this.#found.set(key, [labels, made]);
    return made;
  }

  all(): Iterable<readonly [Labels, T]> {
    return this.#found.values();
  }
}

function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escapeValue = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function renderValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
