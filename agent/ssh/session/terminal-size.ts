// Sizes of terminals as clients send them: a side of 0 is not known, and nothing is larger than a program can bear.
import type { TerminalSize } from './parts.ts';

export const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };
const MAX_SIDE = 4096;

export function sizeOf({ columns, rows }: TerminalSize): TerminalSize {
  return {
    columns: Math.min(columns, MAX_SIDE) || DEFAULT_SIZE.columns,
    rows: Math.min(rows, MAX_SIDE) || DEFAULT_SIZE.rows,
  };
}
