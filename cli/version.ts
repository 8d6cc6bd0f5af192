// The version of this installation, from its package.json.
import manifest from '../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;

/** "Gatehouse v0.1.0 node v24.1.0" */
export function versionLine(): string {
  return `Gatehouse v${VERSION} node ${process.version}`;
}
