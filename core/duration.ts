// Durations as the documents write them: Go syntax ("1h30m", "90s", "1m0s"), always milliseconds inside.
import { GatehouseError } from './errors/error.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** As in Go: 292 years. A time that is this far from any other is still a date. */
const MAX_MS = Math.floor((2 ** 63 - 1) / 1_000_000);
const PART = /(\d+(?:\.\d+)?)(ms|[smhd])/y;

/** Parses "1h30m"; refuses negatives, blanks, unknown units and more than 292 years with BAD_REQUEST. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  let total = 0;
  PART.lastIndex = 0;
  let read = 0;
  while (read < text.length) {
    const match = PART.exec(text);
    if (match === null) break;
    total += Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
    read = PART.lastIndex;
  }
  if (text === '' || read !== text.length || total > MAX_MS) {
    throw new GatehouseError(
      'BAD_REQUEST',
      `"${text.slice(0, 40)}" is not a duration such as 30s, 5m, 12h or 1h30m`,
    );
  }
  return Math.round(total);
}

/** The shortest Go form: 5400000 → "1h30m0s", as the documents print it. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1000;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
