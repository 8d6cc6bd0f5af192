// The flags of `start` that say the same as the file, and win over it. Given to readConfig, so that the rules that
// tie settings together see the final values.
import type { Labels } from './labels.ts';
import { parseRole } from './tokens.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';

export interface ConfigFlags {
  /** Exactly these services run, whatever the file enables. */
  readonly roles?: readonly SystemRole[];
  /** A token, or the path of its file. */
  readonly token?: string;
  readonly caPins?: readonly string[];
  readonly authServer?: string;
  readonly nodename?: string;
  readonly dataDir?: string;
  readonly pidFile?: string;
  readonly diagAddr?: string;
  /** Added to those of the file; wins for the same name. */
  readonly labels?: Labels;
  /** The web port of the proxy is plain HTTP. */
  readonly insecureNoTls?: boolean;
  /** Severity debug. */
  readonly debug?: boolean;
}

/** `--roles=node,proxy`; USAGE with the nearest known role. */
export function parseRolesFlag(text: string): SystemRole[] {
  try {
    return [...new Set(text.split(',').map(parseRole))];
  } catch (error) {
    if (isCode(error, 'BAD_REQUEST')) throw new GatehouseError('USAGE', `--roles: ${error.message}`);
    throw error;
  }
}
