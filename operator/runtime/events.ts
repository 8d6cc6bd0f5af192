// Kubernetes events about objects: what people see under `kubectl describe`. Equal ones are one event with a count, and an
// object that has much to say is cut short, so that a loop somewhere never floods etcd.
import { createHash } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Kube, KubeObject } from '../kube/kube.ts';
import { EVENTS } from '../kube/object-types.ts';
import { plainText } from './plain-text.ts';

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

export interface Recorder {
  /** Returns at once; an event that cannot be written is logged and forgotten. */
  record(object: KubeObject, event: EventText): void;
  /** Resolves when what is being written has ended. */
  close(): Promise<void>;
}

/** Events of one object at once, and the time after which it may have one more. */
const BURST = 25;
const REFILL_MS = 60_000;
/** An equal event is counted, but not written more often than this. */
const REPEAT_MS = 60_000;
/** Objects and events that are remembered; the oldest go first. */
const MAX_REMEMBERED = 2000;
const MAX_IN_FLIGHT = 50;
const MAX_MESSAGE = 1024;

interface Seen {
  readonly name: string;
  readonly first: string;
  count: number;
  writtenAt: number;
}

export function openRecorder(options: {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Log;
  /** Who says it. */
  readonly instance: string;
}): Recorder {
  return new EventRecorder(options);
}

class EventRecorder implements Recorder {
  readonly #options: Parameters<typeof openRecorder>[0];
  readonly #seen = new Map<string, Seen>();
  readonly #budgets = new Map<string, { left: number; at: number }>();
  readonly #inFlight = new Set<Promise<void>>();

  constructor(options: Parameters<typeof openRecorder>[0]) {
    this.#options = options;
  }

  record(object: KubeObject, event: EventText): void {
    const { uid = '', name } = object.metadata;
    const isLong = event.message.length > MAX_MESSAGE;
    const message = isLong
      ? `${plainText(event.message, MAX_MESSAGE - 1)}…`
      : plainText(event.message, MAX_MESSAGE);
    const hash = createHash('sha256')
      .update(JSON.stringify([uid, event.type, event.reason, message]))
      .digest('hex')
      .slice(0, 16);
    const now = this.#options.clock.now();
    const seen = this.#seen.get(hash);
    if (seen !== undefined) {
      seen.count += 1;
      if (now - seen.writtenAt < REPEAT_MS) return;
    }
    if (this.#inFlight.size >= MAX_IN_FLIGHT || !this.#take(uid, now)) return;
    const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
    const entry = seen ?? { name: `${name.slice(0, 200)}.${hash}`, first: time, count: 1, writtenAt: now };
    entry.writtenAt = now;
    remember(this.#seen, hash, entry);
    const writing = this.#write(object, { ...event, message }, { ...entry, time }).finally(() => {
      this.#inFlight.delete(writing);
    });
    this.#inFlight.add(writing);
  }

  async close(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  #take(uid: string, now: number): boolean {
    const budget = this.#budgets.get(uid) ?? { left: BURST, at: now };
    const given = Math.floor((now - budget.at) / REFILL_MS);
    const left = Math.min(BURST, budget.left + given);
    remember(this.#budgets, uid, { left: Math.max(0, left - 1), at: budget.at + given * REFILL_MS });
    return left > 0;
  }

  /** Applied, so that an event of this name which a former process wrote is continued. */
  async #write(object: KubeObject, event: EventText, seen: Seen & { readonly time: string }): Promise<void> {
    const { kube, log, instance } = this.#options;
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const written = {
      apiVersion: 'v1',
      kind: EVENTS.kind,
      metadata: { name: seen.name, namespace: namespace ?? 'default' },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name,
        namespace,
        uid,
        resourceVersion,
      },
      ...event,
      count: seen.count,
      firstTimestamp: seen.first,
      lastTimestamp: seen.time,
      source: { component: 'gatehouse-operator' },
      reportingComponent: 'gatehouse.dev/operator',
      reportingInstance: instance.slice(0, 128),
    };
    try {
      await kube.apply(written, { force: true });
    } catch (error) {
      // A namespace that is going away takes no new objects.
      if (!isCode(error, 'ACCESS_DENIED', 'NOT_FOUND'))
        log.debug({ err: error, reason: event.reason }, 'an event was not recorded');
    }
  }
}

/** The newest last; the oldest goes when there are too many. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_REMEMBERED && oldest !== undefined) map.delete(oldest);
}
