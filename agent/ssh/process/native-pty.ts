// The one door to the native part of @lydell/node-pty: openpty(3) and TIOCSWINSZ, which Node cannot do. Its JavaScript
// part is left aside: it starts processes its own way and reads terminals into strings.
import { createRequire } from 'node:module';
import { GatehouseError } from '#core/errors/error.ts';

export interface NativePty {
  /** Neither descriptor closes on exec: see terminals.ts. */
  open(
    columns: number,
    rows: number,
  ): { readonly master: number; readonly slave: number; readonly pty: string };
  resize(master: number, columns: number, rows: number): void;
}

/** NOT_SUPPORTED when there is no build for this platform. */
export function loadNativePty(): NativePty {
  const require = createRequire(import.meta.url);
  try {
    const loader = require('@lydell/node-pty/requireBinary.js') as {
      requireBinary(file: string): NativePty;
    };
    return loader.requireBinary('pty.node');
  } catch (error) {
    throw new GatehouseError(
      'NOT_SUPPORTED',
      `terminals need @lydell/node-pty, which has no build for ${process.platform}-${process.arch} here; commands without a terminal work`,
      { cause: error },
    );
  }
}
