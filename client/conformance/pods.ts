// Lives of pods of one name, in an order that a seed decides: joining, renewing, looking after the identity, being killed
// at any call, started again, replaced by another while still alive, and with a cluster that is replaced. What must hold is
// checked at every change of the Secret and at the end.
import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { openCredentialSecret } from '../credentials-secret.ts';
import { decodeRecord, type CredentialStore, type HostRecord } from '../credentials.ts';
import { storeRenewed, takeIdentity, type Issuer } from '../identity.ts';
import type { KubeSecret } from '../kube-secret-object.ts';
import { lookAtStore } from '../member/identity-guard.ts';
import { recordOf, selfSigned } from './sample.ts';
import { SecretWorld, type Fate } from './secret-world.ts';

const NAME = 'web-0-state';
const AUTHORITIES = [selfSigned('cluster 1').certificate, selfSigned('cluster 2').certificate] as const;

/** What else happens besides failures. */
export interface Story {
  /** The cluster is replaced once, and hosts may join the new one. */
  readonly isReplaced: boolean;
  /** Somebody removes the Secret now and then. */
  readonly isRemoved: boolean;
}

interface Life {
  readonly holder: string;
  state: 'joining' | 'in force' | 'superseded' | 'ended';
  record?: HostRecord;
}

interface Waiting {
  readonly life: Life;
  readonly call: string;
  go(fate: Fate): void;
}

/** mulberry32: the same seed, the same story. */
function randomOf(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % end;
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Rejects when something does not hold. */
export async function livesOfPods(seed: number, story: Story): Promise<void> {
  await new Stage(seed, story).play();
}

class Stage {
  readonly #world = new SecretWorld();
  readonly #random: (end: number) => number;
  readonly #story: Story;
  readonly #lives: Life[] = [];
  #waiting: Waiting[] = [];
  #authority: string = AUTHORITIES[0];
  #isCalm = false;
  #failures: unknown[] = [];
  /** Host ids that some process was told are its own. */
  readonly #acknowledged = new Set<string>();

  constructor(seed: number, story: Story) {
    this.#random = randomOf(seed);
    this.#story = story;
    this.#world.onChange = (before, after) => this.#changed(before, after);
  }

  async play(): Promise<void> {
    this.#begin();
    for (let step = 0; step < 60; step++) {
      await settle();
      this.#happen();
    }
    this.#isCalm = true;
    this.#world.landLate();
    // A last pod; nothing goes wrong any more, and all that live look after their identity.
    this.#begin();
    for (let step = 0; step < 1000; step++) {
      await settle();
      if (this.#waiting.length === 0) break;
      const at = this.#random(this.#waiting.length);
      this.#waiting.splice(at, 1)[0]?.go('answered');
    }
    if (this.#failures.length > 0) throw this.#failures[0];
    this.#checkEnd();
  }

  #begin(holder: string = randomUUID()): Life {
    const life: Life = { holder, state: 'joining' };
    this.#lives.push(life);
    this.#live(life).catch((error: unknown) => this.#failures.push(error));
    return life;
  }

  /** One event: mostly a call that goes on, with a fate. */
  #happen(): void {
    const dice = this.#random(100);
    const alive = this.#lives.filter(({ state }) => state === 'joining' || state === 'in force');
    if (dice < 4 && alive.length < 3) this.#begin();
    else if (dice < 8) this.#world.landLate();
    else if (dice < 11) this.#world.touch(NAME);
    else if (dice < 13 && this.#story.isReplaced) this.#authority = AUTHORITIES[1];
    else if (dice < 15 && this.#story.isRemoved) this.#world.remove(NAME);
    else if (this.#waiting.length > 0) {
      const [next] = this.#waiting.splice(this.#random(this.#waiting.length), 1);
      if (next !== undefined) this.#goOn(next);
    } else if (alive.length === 0) this.#begin();
  }

  #goOn({ life, go }: Waiting): void {
    const dice = this.#random(100);
    const fates: readonly Fate[] = [
      'lost',
      'done, answer lost',
      'done later',
      'killed before',
      'killed after',
    ];
    const fate = dice < 60 ? 'answered' : (fates[this.#random(fates.length)] ?? 'answered');
    if (fate.startsWith('killed')) {
      life.state = 'ended';
      // The container is started again in its pod, or the pod is replaced.
      this.#begin(this.#random(2) === 0 ? life.holder : randomUUID());
    }
    go(fate);
  }

  #turn(life: Life, call: string): Promise<Fate> {
    // What was killed does nothing any more, also when it is killed between two calls.
    if (life.state === 'ended') return new Promise(() => {});
    return new Promise((go) => void this.#waiting.push({ life, call, go }));
  }

  /** Waits for its turn; the outside of the Secret is lost as well at times. */
  async #outside(life: Life, call: string): Promise<void> {
    const fate = await this.#turn(life, call);
    if (fate.startsWith('killed')) await new Promise(() => {});
    if (fate !== 'answered') throw new GatehouseError('UNAVAILABLE', 'the auth service does not answer');
  }

  // A process

  async #live(life: Life): Promise<void> {
    const secrets = this.#world.open(life.holder, (call) => this.#turn(life, call));
    const store = openCredentialSecret({ secrets, name: NAME, log: silentLog });
    try {
      life.record = await this.#take(life, store);
      life.state = 'in force';
      this.#acknowledged.add(life.record.certificates.host_id);
      while (!this.#isCalm) await this.#use(life, store, life.record);
      // Others may still take the identity after this one.
      for (let looks = 0; looks < 10; looks++) {
        await this.#look(life, store);
        if (this.#lives.some(({ state }) => state === 'joining')) looks = 0;
      }
    } catch (error) {
      if (isCode(error, 'NAME_CONFLICT')) life.state = 'superseded';
      else if (isCode(error, 'OTHER_CLUSTER')) this.#restart(life);
      else throw error;
    }
  }

  async #take(life: Life, store: CredentialStore): Promise<HostRecord> {
    const issuer: Issuer = {
      join: async () => {
        await this.#outside(life, 'join');
        return recordOf(randomUUID(), this.#authority, randomUUID());
      },
      reasonToReplace: async (stored) => {
        await this.#outside(life, 'compare');
        return this.#isOwn(stored) ? undefined : 'replaced';
      },
    };
    for (;;) {
      try {
        return await takeIdentity(store, issuer, silentLog);
      } catch (error) {
        if (!isCode(error) || !error.info.retryable) throw error;
      }
    }
  }

  async #use(life: Life, store: CredentialStore, record: HostRecord): Promise<void> {
    if (this.#random(2) === 0) return await this.#look(life, store);
    try {
      await this.#outside(life, 'renew');
      if (!this.#isOwn(record)) throw new GatehouseError('OTHER_CLUSTER', 'it was replaced');
      const { host_id: hostId } = record.certificates;
      const renewed = {
        ...recordOf(hostId, this.#authority, randomUUID()),
        generation: record.generation + 1,
      };
      life.record = await storeRenewed(store, record, renewed, silentLog);
      equal(life.record.certificates.host_id, hostId, 'a renewal changed the host');
    } catch (error) {
      if (isCode(error, 'NAME_CONFLICT', 'OTHER_CLUSTER') || !isCode(error)) throw error;
    }
  }

  async #look(life: Life, store: CredentialStore): Promise<void> {
    await this.#turn(life, 'look').then((fate) => (fate.startsWith('killed') ? new Promise(() => {}) : fate));
    const { record } = life;
    if (record === undefined) throw new Error('looks after nothing');
    await lookAtStore({ store, record: () => record, log: silentLog });
    if (!this.#isOwn(record)) throw new GatehouseError('OTHER_CLUSTER', 'it was replaced');
  }

  #restart(life: Life): void {
    life.state = 'ended';
    this.#begin(life.holder);
  }

  // What must hold

  #isOwn(record: HostRecord): boolean {
    return record.certificates.tls_authorities.host.includes(this.#authority);
  }

  #changed(before: KubeSecret | undefined, after: KubeSecret | undefined): void {
    if (after === undefined) return;
    const now = wholeRecord(after);
    if (before === undefined) return;
    const was = wholeRecord(before);
    if (now.certificates.host_id !== was.certificates.host_id) {
      notEqual(authorityOf(now), authorityOf(was), 'the host id changed without another cluster');
    }
    const isSame = JSON.stringify(now) === JSON.stringify(was);
    equal(now.generation, was.generation + (isSame ? 0 : 1), 'the generations have a gap');
  }

  #checkEnd(): void {
    const inForce = this.#lives.filter(({ state }) => state === 'in force');
    const joining = this.#lives.filter(({ state }) => state === 'joining');
    equal(joining.length, 0, 'somebody still joins');
    equal(inForce.length, 1, `${inForce.length} processes use the identity`);
    const secret = this.#world.get(NAME);
    ok(secret !== undefined);
    deepEqual(wholeRecord(secret), inForce[0]?.record, 'what is used is not what is stored');
    if (!this.#story.isRemoved) {
      const most = this.#story.isReplaced ? 2 : 1;
      ok(this.#acknowledged.size <= most, `${this.#acknowledged.size} hosts were acknowledged`);
    }
  }
}

const authorityOf = ({ certificates }: HostRecord): string | undefined =>
  certificates.tls_authorities.host[0];

/** Certificates, keys and host id belong together, and the checksum is right. */
function wholeRecord(secret: KubeSecret): HostRecord {
  const text = (key: string): string => Buffer.from(secret.data[key] ?? '', 'base64').toString('utf8');
  const record = decodeRecord(text('record'), NAME);
  const { host_id: hostId, tls_certificate: certificate } = record.certificates;
  equal(text('host_id'), hostId);
  deepEqual(JSON.parse(certificate), { hostId, authority: authorityOf(record), key: record.tls_private_key });
  return record;
}
