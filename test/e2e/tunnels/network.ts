// A network of its own for stories about faults: hosts as network namespaces on one switch, links that go down, and
// packets that are dropped. Nothing of it can be reached from outside, and it is gone with its processes.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';

export interface Host {
  readonly address: string;
  /** Words before a command that is to run there. */
  readonly within: readonly string[];
  /** Starts a program there; `end` kills what is left. */
  spawn(command: string, ...args: readonly string[]): ChildProcess;
  /** Takes the cable out, or puts it back. */
  link(isUp: boolean): void;
  /** Replaces what happens to incoming packets: nft rules. Outgoing ones pass. */
  drop(...rules: readonly string[]): void;
  /** The same for outgoing ones; `drop` takes it back. */
  dropOut(...rules: readonly string[]): void;
}

export interface Network {
  /** A new host; `last` is the end of its address. */
  host(name: string, last: number): Host;
  /** Ends what was started by `spawn`, and removes all. */
  end(): void;
}

const run = (command: string, ...args: readonly string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

/** Why this machine can have no such network, or undefined. Tells by making one. */
export function whyNoNetwork(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root makes network namespaces';
  try {
    const network = openNetwork();
    try {
      network.host('probe', 2).drop('ct state new drop');
    } finally {
      network.end();
    }
    return undefined;
  } catch (error) {
    return `this machine makes no network namespaces: ${(error as Error).message.trim()}`;
  }
}

/** The caller ends it, also when a step fails. */
export function openNetwork(): Network {
  const id = `gh${randomBytes(3).toString('hex')}`;
  const spaces: string[] = [];
  const children: ChildProcess[] = [];
  const add = (name: string): string => {
    const space = `${id}-${name}`;
    run('ip', 'netns', 'add', space);
    spaces.push(space);
    return space;
  };
  const end = (): void => {
    for (const child of children) child.kill('SIGKILL');
    for (const space of spaces) run('ip', 'netns', 'del', space);
  };
  let hub: string;
  try {
    hub = add('hub');
    run('ip', '-n', hub, 'link', 'add', 'switch', 'type', 'bridge');
    run('ip', '-n', hub, 'link', 'set', 'switch', 'up');
  } catch (error) {
    end();
    throw error;
  }
  return {
    end,
    host(name, last) {
      const space = add(name);
      const port = `port${last}`;
      run('ip', 'link', 'add', port, 'netns', hub, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space);
      run('ip', '-n', hub, 'link', 'set', port, 'master', 'switch', 'up');
      run('ip', '-n', space, 'addr', 'add', `10.77.0.${last}/24`, 'dev', 'eth0');
      for (const device of ['lo', 'eth0']) run('ip', '-n', space, 'link', 'set', device, 'up');
      const within = ['ip', 'netns', 'exec', space];
      return {
        address: `10.77.0.${last}`,
        within,
        spawn(command, ...args) {
          const child = spawn('ip', [...within.slice(1), command, ...args], {
            stdio: ['pipe', 'pipe', 'pipe'],
          });
          children.push(child);
          return child;
        },
        // The far end of the cable: the host keeps its address and routes, and hears nothing.
        link: (isUp) => void run('ip', '-n', hub, 'link', 'set', port, isUp ? 'up' : 'down'),
        drop: (...rules) => filter(within, 'input', rules, true),
        dropOut: (...rules) => filter(within, 'output', rules, false),
      };
    },
  };
}

function filter(
  within: readonly string[],
  hook: 'input' | 'output',
  rules: readonly string[],
  isAnew: boolean,
): void {
  const chain = [`type filter hook ${hook} priority 0`, ...rules].map((rule) => `${rule};\n`).join('');
  const clear = isAnew ? 'table inet faults\ndelete table inet faults\n' : '';
  const input = `${clear}table inet faults {\nchain ${hook} {\n${chain}}\n}\n`;
  execFileSync('ip', [...within.slice(1), 'nft', '-f', '-'], { input, stdio: ['pipe', 'pipe', 'pipe'] });
}
