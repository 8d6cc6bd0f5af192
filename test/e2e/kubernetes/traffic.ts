// People at work while pods come and go: sessions that are typed into all the time, and new connections one after the
// other, each of which is accounted for. Separate because stories of days and of upgrades both need them.
import { spawn, type ChildProcess } from 'node:child_process';
import { until } from '#test/kit/until.ts';
import { READY_MS, type KubeHouse } from './house.ts';
import { type KubePerson, POD_LOGIN } from './people.ts';

/** An answer may take so long on a machine that others use. */
const ANSWER_MS = 60_000;
/** Between two lines that are typed. */
const TYPE_EACH_MS = 250;

export interface Attempt {
  /** What its command was; the audit log has it. */
  readonly marker: string;
  readonly node: string;
  /** Milliseconds of performance.now(). */
  readonly began: number;
  readonly ended: number;
  /** Why it failed; undefined when it did not. */
  readonly failure?: string;
}

export interface Traffic {
  readonly attempts: readonly Attempt[];
  /** Resolves when each node has been reached `more` times from now on, whatever failed in between. */
  reached(more: number): Promise<void>;
  /** Resolves when those that are under way have ended. Repeatable. */
  stop(): Promise<void>;
}

/** Connections to each node, one after the other, by the stock client; the caller stops it. */
export function startTraffic(house: KubeHouse, person: KubePerson, nodes: readonly string[]): Traffic {
  const attempts: Attempt[] = [];
  const ending = new AbortController();
  const lane = async (node: string): Promise<void> => {
    for (let count = 1; !ending.signal.aborted; count++) {
      const marker = `echo ${node}-attempt-${count}-end`;
      const began = performance.now();
      const { code, stdout, stderr } = await person.ssh(`${POD_LOGIN}@${node}.${house.clusterName}`, marker);
      const isFine = code === 0 && stdout === `${marker.slice('echo '.length)}\n`;
      const failure = isFine ? {} : { failure: `${String(code)}: ${stderr.trim()} ${stdout.trim()}` };
      attempts.push({ marker, node, began, ended: performance.now(), ...failure });
    }
  };
  const lanes = Promise.all(nodes.map(lane));
  lanes.catch(() => undefined);
  const reachedSince = (node: string, first: number): number =>
    attempts.slice(first).filter((one) => one.node === node && one.failure === undefined).length;
  return {
    attempts,
    async reached(more) {
      const first = attempts.length;
      // One of each lane may be under way since before.
      await until(
        `each of ${nodes.join(', ')} is reached ${more} times`,
        () => nodes.every((node) => reachedSince(node, first) > more),
        READY_MS,
      );
    },
    async stop() {
      ending.abort();
      await lanes;
    },
  };
}

/** What failed of the attempts, for expect: readable when it is not empty. */
export function failuresOf(attempts: readonly Attempt[]): readonly string[] {
  return attempts.flatMap(({ marker, failure, began, ended }) =>
    failure === undefined ? [] : [`${marker} after ${Math.round(ended - began)} ms: ${failure}`],
  );
}

/** Seconds from `since` to the end of the last attempt that failed; 0 when none did. */
export function troubleSeconds(attempts: readonly Attempt[], since: number): number {
  const ends = attempts.filter(({ failure }) => failure !== undefined).map(({ ended }) => ended);
  return Math.max(0, ...ends.map((ended) => (ended - since) / 1000));
}

/** A shell with a terminal that somebody types into four times a second. */
export class TypedSession {
  readonly node: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #typing: Promise<void>;
  #heard = '';
  #typed = 0;
  #slowestMs = 0;
  #isOver = false;
  #hasEnded = false;

  /** Returns at once; `answers()` says when it is there. */
  constructor(house: KubeHouse, person: KubePerson, node: string) {
    this.node = node;
    const words = ['-tt', '-F', person.sshConfig, `${POD_LOGIN}@${node}.${house.clusterName}`];
    this.#child = spawn('ssh', words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, HOME: person.home },
    });
    const hear = (part: string): void => void (this.#heard += part);
    this.#child.stdout?.setEncoding('utf8').on('data', hear);
    this.#child.stderr?.setEncoding('utf8').on('data', hear);
    this.#child.stdin?.on('error', () => undefined);
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject).once('close', (code) => {
        this.#hasEnded = true;
        resolve(code);
      });
    });
    this.#typing = this.#type();
    this.#typing.catch(() => undefined);
  }

  /** How many lines were answered, each in its turn. */
  get answered(): number {
    return this.#typed;
  }

  /** The longest that an answer took. */
  get slowestMs(): number {
    return this.#slowestMs;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Everything that was on the screen. */
  get screen(): string {
    return this.#heard;
  }

  /** Resolves when `more` lines from now on were answered; rejects when the session ends before. */
  async answers(more: number): Promise<void> {
    const wanted = this.#typed + more;
    await Promise.race([
      this.#typing,
      until(`${more} answers of a session`, () => this.#typed >= wanted, READY_MS),
    ]);
    if (this.#typed < wanted)
      throw new Error(`the session on ${this.node} ended: ${this.#heard.slice(-400)}`);
  }

  /** Resolves with the exit code of the client. */
  async leave(): Promise<number | null> {
    this.#isOver = true;
    await this.#typing;
    this.#child.stdin?.write('exit 7\n');
    return this.#ended;
  }

  /** Resolves when somebody else has ended it. */
  async isCut(): Promise<void> {
    await this.#ended;
    await this.#typing;
  }

  /** For the end of a test. Safe to call twice. */
  async kill(): Promise<void> {
    this.#isOver = true;
    this.#child.kill('SIGKILL');
    await this.#typing.catch(() => undefined);
  }

  async #type(): Promise<void> {
    while (!this.#isOver && !this.#hasEnded) {
      const next = this.#typed + 1;
      const began = performance.now();
      // What the terminal echoes of it is not the answer.
      this.#child.stdin?.write(`echo answer-$((${next}))-end\n`);
      await until(
        `answer ${next} of the session on ${this.node}`,
        () => this.#hasEnded || this.#heard.includes(`answer-${next}-end`),
        ANSWER_MS,
      );
      if (this.#hasEnded) return;
      this.#typed = next;
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - began);
      await until('the next line', () => performance.now() - began > TYPE_EACH_MS, ANSWER_MS);
    }
  }
}
