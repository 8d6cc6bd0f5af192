// The one door to the native part of @lydell/node-pty: openpty(3) and TIOCSWINSZ, which Node cannot do. Its JavaScript
// part is left aside: it starts processes its own way and reads terminals into strings.
import { requireBinary } from '@lydell/node-pty/requireBinary.js';
import { GatehouseError } from '#core/errors/error.ts';

/** Descriptors that it opens do not close on exec: see terminals.ts. */
export type NativePty = ReturnType<typeof requireBinary>;

/** NOT_SUPPORTED when there is no build for this platform. */
export function loadNativePty(): NativePty {
  try {
    return requireBinary('pty.node');
  } catch (cause) {
    throw new GatehouseError(
      'NOT_SUPPORTED',
      `terminals need @lydell/node-pty, which has no build for ${process.platform}-${process.arch} here; commands without a terminal work`,
      { cause },
    );
  }
}
