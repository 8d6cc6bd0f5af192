// How far a transfer is, on one line of a terminal that is drawn anew; nothing where there is none.
import type { Clock } from '#core/clock.ts';
import { oneLine } from '../../format/text.ts';
import { widthOf } from '../../format/table.ts';
import type { Io } from '../../io.ts';

export interface Progress {
  /** `total` undefined: not known. */
  begin(name: string, total: number | undefined): void;
  add(bytes: number): void;
  end(): void;
}

const EVERY_MS = 200;
const RIGHT_WIDTH = 36;
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

export const noProgress: Progress = { begin() {}, add() {}, end() {} };

export function progressOn({ stderr, clock }: Pick<Io, 'stderr' | 'clock'>): Progress {
  return stderr.isTTY === true ? new Line(stderr, clock) : noProgress;
}

class Line implements Progress {
  readonly #screen: Io['stderr'];
  readonly #clock: Clock;
  #name = '';
  #total: number | undefined;
  #done = 0;
  #startedAt = 0;
  #shownAt = 0;

  constructor(screen: Io['stderr'], clock: Clock) {
    this.#screen = screen;
    this.#clock = clock;
  }

  begin(name: string, total: number | undefined): void {
    this.#name = oneLine(name);
    this.#total = total;
    this.#done = 0;
    this.#startedAt = this.#clock.now();
    this.#show();
  }

  add(bytes: number): void {
    this.#done += bytes;
    if (this.#clock.now() - this.#shownAt >= EVERY_MS) this.#show();
  }

  end(): void {
    this.#show();
    this.#screen.write('\n');
  }

  #show(): void {
    this.#shownAt = this.#clock.now();
    const width = Math.max(20, (this.#screen.columns ?? 80) - RIGHT_WIDTH - 1);
    this.#screen.write(`\r${padded(this.#name, width)}${this.#right()}`);
  }

  #right(): string {
    const ms = Math.max(1, this.#shownAt - this.#startedAt);
    const total = this.#total;
    const percent =
      total === undefined ? '' : `${total === 0 ? 100 : Math.floor((this.#done / total) * 100)}%`;
    const rate = (this.#done / ms) * 1000;
    const leftMs = total === undefined || rate === 0 ? ms : ((total - this.#done) / rate) * 1000;
    const shownMs = this.#done === total ? ms : leftMs;
    return [
      percent.padStart(5),
      sizeText(this.#done).padStart(9),
      `${sizeText(rate)}/s`.padStart(12),
      clockText(shownMs).padStart(9),
    ].join('');
  }
}

function padded(text: string, width: number): string {
  const cut = [...text];
  while (widthOf(cut.join('')) > width) cut.pop();
  const shown = cut.join('');
  return shown + ' '.repeat(width - widthOf(shown));
}

export function sizeText(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 1000 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(amount) : amount.toFixed(1)}${UNITS[unit] ?? ''}`;
}

function clockText(ms: number): string {
  const seconds = Math.min(Math.round(ms / 1000), 359_999);
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours === 0 ? '' : `${hours}:`}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
