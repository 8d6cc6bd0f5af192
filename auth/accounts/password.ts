// Passwords: what a new one must be, and hashing with Argon2id. Hashing is slow and takes memory by design, so only two
// run at once, a bounded number of logins waits in line, and the rest is turned away before any work is done.
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { GatehouseError } from '#core/errors/error.ts';
import { formatPasswordHash, parsePasswordHash, type Argon2Cost, type PasswordHash } from './phc.ts';

/** Twice the passes that OWASP asks for at this memory (46 MiB): about 0.1 s of one core. */
const COST: Argon2Cost = { memory: 46 * 1024, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const TAG_BYTES = 32;
const MAX_AT_ONCE = 2;
const MAX_ADMITTED = 34;

const MIN_LENGTH = 12;
const MAX_BYTES = 1024;
const MIN_DIFFERENT = 5;

/** Computes the tag of a password with this salt and cost; argon2id but in tests that count. */
export type Derive = (
  password: Buffer,
  hash: Omit<PasswordHash, 'tag'>,
  tagLength: number,
) => Promise<Buffer>;

export interface PasswordsOptions {
  readonly cost?: Argon2Cost;
  readonly derive?: Derive;
  readonly maxAtOnce?: number;
  readonly maxAdmitted?: number;
}

export interface Verdict {
  readonly isRight: boolean;
  /** The stored hash costs less than new ones do: make a new one while the password is at hand. */
  readonly isWeak: boolean;
}

/** One per auth server: it bounds what hashing takes of the machine. */
export class Passwords {
  readonly #cost: Argon2Cost;
  readonly #derive: Derive;
  readonly #maxAtOnce: number;
  readonly #maxAdmitted: number;
  /** What an unknown user is measured against; no password fits it. */
  readonly #nobody: PasswordHash;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #admitted = 0;

  constructor(options: PasswordsOptions = {}) {
    this.#cost = options.cost ?? COST;
    this.#derive = options.derive ?? deriveArgon2id;
    this.#maxAtOnce = options.maxAtOnce ?? MAX_AT_ONCE;
    this.#maxAdmitted = options.maxAdmitted ?? MAX_ADMITTED;
    this.#nobody = { ...this.#cost, salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) };
  }

  /**
   * Runs a piece of work that will hash, unless too many are under way: LIMIT_EXCEEDED, and nothing of it was begun.
   * Hashes outside of an admitted work would not be bounded.
   */
  async admit<T>(work: () => Promise<T>): Promise<T> {
    if (this.#admitted >= this.#maxAdmitted) {
      throw new GatehouseError(
        'LIMIT_EXCEEDED',
        'too many logins at this moment; try again in a few seconds',
      );
    }
    this.#admitted += 1;
    try {
      return await work();
    } finally {
      this.#admitted -= 1;
    }
  }

  /** The PHC string of a password that has passed `requireGoodPassword`. */
  async hash(password: string): Promise<string> {
    const unfinished = { ...this.#cost, salt: randomBytes(SALT_BYTES) };
    const tag = await this.#inTurn(() => this.#derive(bytesOf(password), unfinished, TAG_BYTES));
    return formatPasswordHash({ ...unfinished, tag });
  }

  /** Without a stored hash the same work is done and the password is wrong. CORRUPT when the stored one is not one. */
  async verify(password: string, stored: string | undefined): Promise<Verdict> {
    const hash = stored === undefined ? this.#nobody : parsePasswordHash(stored);
    const { tag: wanted, ...asked } = hash;
    const tag = await this.#inTurn(() => this.#derive(bytesOf(password), asked, wanted.byteLength));
    const isEqual = tag.byteLength === wanted.byteLength && timingSafeEqual(tag, wanted);
    return { isRight: isEqual && stored !== undefined, isWeak: this.#isWeak(hash) };
  }

  #isWeak({ memory, passes, tag, salt }: PasswordHash): boolean {
    const isShort = tag.byteLength < TAG_BYTES || salt.byteLength < SALT_BYTES;
    return isShort || memory < this.#cost.memory || passes < this.#cost.passes;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#maxAtOnce) this.#running += 1;
    // Whoever is done hands over its place, so that nobody can slip in between.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

/** BAD_REQUEST when the password is too short, too long, too simple, or the name of the user. */
export function requireGoodPassword(password: string, user: string): void {
  const plain = password.normalize('NFKC');
  if (!password.isWellFormed()) throw bad('must be well-formed Unicode');
  if ([...plain].length < MIN_LENGTH) {
    throw bad(`must have at least ${MIN_LENGTH} characters; a few unrelated words make a good one`);
  }
  if (Buffer.byteLength(plain) > MAX_BYTES) throw bad(`must have at most ${MAX_BYTES} bytes`);
  if (new Set(plain).size < MIN_DIFFERENT) {
    throw bad(`must have at least ${MIN_DIFFERENT} different characters`);
  }
  if (plain.toLowerCase().replaceAll(user.toLowerCase(), '').trim() === '') {
    throw bad('must not be the name of the user');
  }
}

function bad(message: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `password: ${message}`, { details: { field: 'password' } });
}

/** The same password typed on another keyboard is the same bytes (NIST SP 800-63B, 3.1.1.2). */
function bytesOf(password: string): Buffer {
  return Buffer.from(password.normalize('NFKC'), 'utf8');
}

function deriveArgon2id(
  message: Buffer,
  { salt, memory, passes, parallelism }: Omit<PasswordHash, 'tag'>,
  tagLength: number,
): Promise<Buffer> {
  const parameters = { message, nonce: salt, memory, passes, parallelism, tagLength };
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, tag) => {
      if (error === null || error === undefined) resolve(tag);
      else reject(new GatehouseError('INTERNAL', 'a password could not be hashed', { cause: error }));
    });
  });
}
