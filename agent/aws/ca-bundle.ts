// The authorities that AWS_CA_BUNDLE names, for whoever speaks to AWS: the SDK for credentials, and the agent for its people.
import { readFileSync } from 'node:fs';
import { GatehouseError } from '#core/errors/error.ts';

/** PEM. INVALID_CONFIG when it cannot be read. */
export function readBundle(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new GatehouseError('INVALID_CONFIG', `AWS_CA_BUNDLE names ${path}, which cannot be read`, {
      cause,
    });
  }
}
