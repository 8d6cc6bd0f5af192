// The certificates of the web port: read from the configured files and again when they change, without a restart. A new
// pair that cannot be used leaves the old one in force, and says so.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { SecureContext } from 'node:tls';
import type { KeypairFiles } from '#config/config.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { formatDuration } from '#core/duration.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { pickKeypair, readKeypair, type Keypair } from './keypair.ts';
import { openSelfSigned } from './self-signed-file.ts';

export interface WebCertificatesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  readonly files: readonly KeypairFiles[];
  /** 0: never again. */
  readonly reloadMs: number;
  /** For the self-signed pair, when there are no files. */
  readonly names: readonly string[];
}

export interface WebCertificates {
  /** For the name that a client asks for; empty for none. With authorities: for a handshake that asks for a certificate of theirs. */
  pick(serverName: string, authorities?: readonly string[]): SecureContext | undefined;
  /** True when browsers will warn: nobody but the proxy itself vouches for the pair. */
  readonly isSelfSigned: boolean;
  /** Looks at the files now. */
  reload(): Promise<void>;
  close(): void;
}

const MAX_PEM_BYTES = 256 * 1024;
const SELF_SIGNED_CHECK_MS = 24 * 3_600_000;
const ENDS_SOON_MS = 7 * 86_400_000;

/** Resolves with pairs in force; INVALID_CONFIG when a configured one cannot be read or used. */
export async function openWebCertificates(options: WebCertificatesOptions): Promise<WebCertificates> {
  const certificates = new FileCertificates(options);
  await certificates.open();
  return certificates;
}

class FileCertificates implements WebCertificates {
  readonly #options: WebCertificatesOptions;
  #pairs: readonly Keypair[] = [];
  #digest = '';
  #refusedDigest = '';
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: WebCertificatesOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { log, files } = this.#options;
    const { digest, pairs } = await this.#read();
    this.#use(pairs(), digest);
    if (files.length === 0) {
      log.warn(
        {},
        'the web port shows a certificate that this proxy made itself: browsers and clients will warn; set proxy_service.https_keypairs',
      );
    }
    this.#schedule();
  }

  get isSelfSigned(): boolean {
    return this.#pairs.every((pair) => pair.isSelfSigned);
  }

  pick(serverName: string, authorities?: readonly string[]): SecureContext | undefined {
    const pair = pickKeypair(this.#pairs, serverName);
    return authorities === undefined ? pair?.context : pair?.asking(authorities);
  }

  async reload(): Promise<void> {
    const { log } = this.#options;
    let digest = '';
    try {
      const read = await this.#read();
      ({ digest } = read);
      if (digest === this.#digest) return;
      this.#use(read.pairs(), digest);
      log.info({}, 'the certificates of the web port were read anew');
    } catch (error) {
      // Once per state of the files: this is looked at every minute.
      if (digest === '' || digest !== this.#refusedDigest) {
        log.error(
          { err: error },
          'the new certificates of the web port cannot be used; the old ones stay in force',
        );
      }
      this.#refusedDigest = digest;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    const { clock, files, reloadMs } = this.#options;
    const waitMs = files.length === 0 ? SELF_SIGNED_CHECK_MS : reloadMs;
    if (this.#isClosed || waitMs === 0) return;
    this.#timer = clock.after(waitMs, () => void this.reload().finally(() => this.#schedule()));
  }

  #use(pairs: readonly Keypair[], digest: string): void {
    const { clock, log } = this.#options;
    this.#pairs = pairs;
    this.#digest = digest;
    for (const { notAfter, names } of pairs) {
      const leftMs = notAfter - clock.now();
      if (leftMs <= 0) log.error({ names }, 'a certificate of the web port has expired');
      else if (leftMs < ENDS_SOON_MS) {
        log.warn({ names, left: formatDuration(leftMs) }, 'a certificate of the web port ends soon');
      }
    }
  }

  /** The bytes first: what has not changed is not parsed. */
  async #read(): Promise<{ digest: string; pairs: () => readonly Keypair[] }> {
    const { files } = this.#options;
    if (files.length === 0) {
      const pem = await openSelfSigned(this.#options);
      return { digest: digestOf([pem]), pairs: () => [readKeypair(pem, pem, 'the self-signed pair')] };
    }
    const texts = await Promise.all(
      files.map(async ({ keyFile, certFile }) => [await readPem(keyFile), await readPem(certFile)] as const),
    );
    const pairs = (): readonly Keypair[] =>
      texts.map(([key, cert], index) => {
        const { keyFile = '', certFile = '' } = files[index] ?? {};
        return readKeypair(key, cert, `${keyFile} and ${certFile}`);
      });
    return { digest: digestOf(texts.flat()), pairs };
  }
}

function digestOf(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text.length}:${text}`);
  return hash.digest('hex');
}

async function readPem(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > MAX_PEM_BYTES) throw new GatehouseError('INVALID_CONFIG', `${path} is too large for PEM`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw new GatehouseError('INVALID_CONFIG', `${path} cannot be read (${code})`, { cause });
  }
}
