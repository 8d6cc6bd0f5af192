// Applies terminal settings with stty(1), before the program is there to see them.
import type { Terminals } from './terminals.ts';

/** Resolves when it is done, also when it could not be. */
export function setTerminal(terminals: Terminals, slave: number, settings: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const child = terminals.spawn('stty', settings, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      stdio: [slave, 'ignore', 'ignore'],
    });
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
}
