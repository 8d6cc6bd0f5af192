// Being a member: joins (trying on while no auth server answers), keeps the certificates fresh, and hands out the
// connection of the identity that is in force.
//
//   joining ──> member ──(2/3 of the certificate's life)──> renewing ──> member
//      │          └──(another process has the identity)──> superseded: serves nothing new, and stays so
//      └──(refused for good)──> failed
import type { Api } from '../api.ts';
import type { CredentialStore, HostRecord } from '../credentials.ts';
import { becomeMember, expiryOf, openHostApi, renewIdentity, type JoinOptions } from '../join.ts';
import { formatIp, parseIp } from '#core/certs/ip-address.ts';
import { parseSshCertificateLine } from '#core/certs/ssh/certificate.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { formatDuration } from '#core/duration.ts';
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { backoffMs } from './backoff.ts';
import { guardIdentity } from './identity-guard.ts';

export interface MembershipOptions extends Omit<JoinOptions, 'log'> {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: CredentialStore;
}

export interface Membership {
  /** Resolves with the first identity; rejects at close, and when joining is refused for good. */
  readonly joined: Promise<void>;
  /** Rejects when joining is refused for good; never resolves. */
  readonly failed: Promise<never>;
  /** Resolves when another process took over the identity: nothing new may be served with it. */
  readonly superseded: Promise<void>;
  /** The identity in force; undefined before joining, and once it is another process's. */
  record(): HostRecord | undefined;
  /**
   * The connection of the identity in force; only after `joined`. Do not close it. It stays when another process took over
   * the identity, so that events and recordings of what still runs here arrive.
   */
  api(): Api;
  /** Why the host cannot be a member at present, for people; undefined when it can. */
  problem(): string | undefined;
  close(): Promise<void>;
}

const JOIN_BACKOFF = { firstMs: 1000, maxMs: 60_000 };
const RENEW_BACKOFF = { firstMs: 30_000, maxMs: 3_600_000 };
/** Timers reach only so far; and a machine that slept looks again. */
const MAX_SLEEP_MS = 6 * 3_600_000;
const MAX_SKEW_MS = 30_000;
const CLOSE_MS = 500;

const EXPIRED =
  'the certificates of this host have expired, so no auth server takes them: remove its identity (identity.json of the data directory, or in Kubernetes the Secret of its state) and start with a new join token';

/** Starts at once; the caller closes it. */
export function startMembership(options: MembershipOptions): Membership {
  return new RunningMembership(options);
}

class RunningMembership implements Membership {
  readonly joined: Promise<void>;
  readonly failed: Promise<never>;
  readonly superseded: Promise<void>;
  readonly #options: MembershipOptions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #current: { readonly record: HostRecord; readonly api: Api } | undefined;
  #hasSkew = false;
  #isSuperseded = false;
  #problem: string | undefined;
  /** When the auth service answered last. */
  #heardAt: number;

  constructor(options: MembershipOptions) {
    this.#options = options;
    const joined = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<never>();
    this.joined = joined.promise;
    this.failed = failed.promise;
    this.joined.catch(() => {});
    this.failed.catch(() => {});
    const superseded = Promise.withResolvers<void>();
    this.superseded = superseded.promise;
    this.#heardAt = options.clock.now();
    this.#running = this.#run(joined.resolve).catch((error: unknown) => {
      if (isCode(error, 'NAME_CONFLICT') && !this.#closing.signal.aborted) {
        this.#giveUp(error);
        superseded.resolve();
        return;
      }
      joined.reject(error as Error);
      if (!this.#closing.signal.aborted) failed.reject(error as Error);
    });
  }

  record(): HostRecord | undefined {
    return this.#isSuperseded ? undefined : this.#current?.record;
  }

  problem(): string | undefined {
    return this.#problem;
  }

  api(): Api {
    if (this.#current === undefined) throw new Error('not a member yet');
    return this.#current.api;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#current?.api.close();
    // A join or renewal may wait for a server that says nothing; what it would store is whole or not there.
    const late = new AbortController();
    await Promise.race([this.#running, sleep(this.#options.clock, CLOSE_MS, late.signal).catch(() => {})]);
    late.abort();
  }

  async #run(joined: () => void): Promise<void> {
    const record = await this.#join();
    this.#use(record);
    joined();
    const ended = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, ended.signal]);
    try {
      await Promise.race([this.#keepFresh(signal), this.#guard(record, signal)]);
    } finally {
      ended.abort();
    }
  }

  #guard(first: HostRecord, signal: AbortSignal): Promise<never> {
    return guardIdentity(
      {
        ...this.#options,
        record: () => this.#current?.record ?? first,
        heardAt: () => this.#heardAt,
        report: (problem) => void (this.#problem = problem),
      },
      signal,
    );
  }

  /** Not an end of the process: started anew it would take the identity back, and the two would take turns. */
  #giveUp(error: Error): void {
    this.#isSuperseded = true;
    this.#problem = error.message;
    const hostId = this.#current?.record.certificates.host_id;
    this.#options.log.error(
      { err: error, hostId },
      'another process uses the identity of this host; this one serves nothing new until it is started again',
    );
  }

  async #join(): Promise<HostRecord> {
    const { clock, log } = this.#options;
    for (let failures = 1; ; failures++) {
      try {
        const record = await becomeMember(this.#options);
        this.#problem = undefined;
        return record;
      } catch (error) {
        if (!isCode(error) || !(error.info.retryable || this.#mayBecomeGood(error))) throw error;
        this.#problem = error.message;
        const waitMs = backoffMs(JOIN_BACKOFF, failures);
        log.warn({ err: error, retryIn: formatDuration(waitMs) }, 'cannot join the cluster yet');
        await sleep(clock, waitMs, this.#closing.signal);
      }
    }
  }

  /** The rules that a pod is held against can be written after it was started; a secret that is wrong stays wrong. */
  #mayBecomeGood(error: unknown): boolean {
    const { prove, store } = this.#options;
    return (
      (prove !== undefined && isCode(error, 'BAD_JOIN_TOKEN')) ||
      (store.claim !== undefined && isCode(error, 'ACCESS_DENIED'))
    );
  }

  async #keepFresh(signal: AbortSignal): Promise<void> {
    const { clock, log, nodeName, addresses } = this.#options;
    let failures = 0;
    let notBefore = 0;
    while (this.#current !== undefined) {
      signal.throwIfAborted();
      const { record } = this.#current;
      const waitMs = Math.max(renewalTime(record, nodeName, addresses), notBefore) - clock.now();
      if (waitMs > 0) {
        await sleep(clock, Math.min(waitMs, MAX_SLEEP_MS), signal);
        continue;
      }
      try {
        this.#use(await renewIdentity(record, this.#options));
        failures = 0;
        // Also when the clock of this machine is far ahead.
        notBefore = clock.now() + RENEW_BACKOFF.maxMs;
        log.info({ hostId: record.certificates.host_id }, 'the certificates of this host were renewed');
      } catch (error) {
        signal.throwIfAborted();
        if (isCode(error, 'NAME_CONFLICT')) throw error;
        const pauseMs = backoffMs(RENEW_BACKOFF, ++failures);
        notBefore = clock.now() + pauseMs;
        const fields = { err: error, retryIn: formatDuration(pauseMs) };
        if (expiryOf(record) > clock.now())
          log.warn(fields, 'the certificates of this host could not be renewed');
        else log.error(fields, EXPIRED);
      }
    }
  }

  #use(record: HostRecord): void {
    const before = this.#current?.api;
    const onServerTime = (time: number): void => this.#compare(time);
    this.#current = { record, api: openHostApi(record, { onServerTime, dial: this.#options.dial }) };
    before?.close();
  }

  /** Certificates fail in odd ways when clocks differ; say so before they do. */
  #compare(serverTime: number): void {
    const { clock, log } = this.#options;
    this.#heardAt = clock.now();
    const skewMs = serverTime - clock.now();
    const isOff = Math.abs(skewMs) > MAX_SKEW_MS;
    if (isOff && !this.#hasSkew) {
      log.warn(
        { aheadBySeconds: Math.round(skewMs / 1000) },
        'the clock of the auth service differs from the clock of this machine; set both with NTP',
      );
    }
    this.#hasSkew = isOff;
  }
}

/** When two thirds of the certificate's time are over; at once when it lacks a name that the host has now. */
export function renewalTime(record: HostRecord, nodeName: string, addresses: readonly string[]): number {
  if (record.node_name !== nodeName || !hasNames(record, addresses)) return 0;
  const { notBefore, notAfter } = parseX509(derFromPem(record.certificates.tls_certificate));
  return notBefore + Math.floor(((notAfter - notBefore) * 2) / 3);
}

function hasNames({ certificates }: HostRecord, addresses: readonly string[]): boolean {
  const { principals } = parseSshCertificateLine(certificates.ssh_certificate);
  return addresses.every((address) => {
    const ip = parseIp(address);
    return principals.includes(ip === undefined ? address.toLowerCase() : formatIp(ip));
  });
}
