// The event as one line of text: how it is sealed into its writer's hash chain, and how a line is read back.
// Every store keeps these lines unchanged, so that the chain can be checked anywhere.
import { hash as digest, randomUUID } from 'node:crypto';
import { GatehouseError } from '#core/errors/error.ts';
import { canonicalMembers, joinMembers, MAX_DEPTH, type CanonicalMember } from './canonical.ts';
import { codeOf, type AuditEvent, type EventInput } from './catalogue.ts';

/** `prev` of the first event of a chain. */
export const GENESIS = '0'.repeat(64);
/** Longest line in bytes, without its newline. A larger event has its largest fields cut (`cut` names them). */
export const MAX_LINE_BYTES = 8 * 1024 * 1024;

/** The end of a chain: its newest event. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** One sealed event on its way to sinks. `line` is its canonical JSON without a newline. */
export interface EventRecord extends ChainHead {
  readonly writer: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly uid: string;
  readonly type: string;
  readonly line: string;
}

export interface Seal {
  readonly clusterName: string;
  readonly writer: string;
  readonly head: ChainHead;
  readonly timeMs: number;
}

export function sha256(text: string): string {
  return digest('sha256', text, 'hex');
}

/** Gives the event its envelope and its place after `seal.head`. BAD_REQUEST when it is not JSON. */
export function sealEvent(input: EventInput, seal: Seal): EventRecord {
  const event: Record<string, unknown> = {
    ...input,
    code: codeOf(input),
    uid: input.uid ?? randomUUID(),
    time: new Date(seal.timeMs).toISOString(),
    ei: input.ei ?? 0,
    cluster_name: seal.clusterName,
    writer: seal.writer,
    seq: seal.head.seq + 1,
    prev: seal.head.hash,
    hash: undefined,
  };
  const sealed = membersThatFit(event);
  const hash = sha256(joinMembers(sealed));
  return {
    writer: seal.writer,
    seq: seal.head.seq + 1,
    hash,
    time: seal.timeMs,
    uid: event['uid'] as string,
    type: input.event,
    line: joinMembers(withHash(sealed, hash)),
  };
}

function membersThatFit(event: Record<string, unknown>): CanonicalMember[] {
  const whole = canonicalMembers(event);
  if (!tooLong(whole)) return whole;
  cutLargest(event);
  return canonicalMembers(event);
}

function withHash(sealed: readonly CanonicalMember[], hash: string): CanonicalMember[] {
  const after = sealed.findIndex((member) => member.key > 'hash');
  return sealed.toSpliced(after === -1 ? sealed.length : after, 0, { key: 'hash', text: `"hash":"${hash}"` });
}

function tooLong(members: readonly CanonicalMember[]): boolean {
  const room = MAX_LINE_BYTES - 200;
  const units = members.reduce((sum, { text }) => sum + text.length + 1, 0);
  return units * 3 > room && members.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0) > room;
}

const KEPT_OF_A_CUT_FIELD = 64 * 1024;

function cutLargest(event: Record<string, unknown>): void {
  const cut: Record<string, string> = {};
  const sizes = Object.entries(event)
    .map(([key, value]) => ({ key, text: typeof value === 'string' ? value : (JSON.stringify(value) ?? '') }))
    .sort((a, b) => b.text.length - a.text.length);
  for (const { key, text } of sizes) {
    cut[key] = `${Buffer.byteLength(text)} bytes, sha256 ${sha256(text)}`;
    if (typeof event[key] === 'string') event[key] = text.slice(0, KEPT_OF_A_CUT_FIELD);
    else delete event[key];
    event['cut'] = cut;
    if (!tooLong(canonicalMembers(event))) return;
  }
}

const ENVELOPE: Readonly<Record<string, 'string' | 'number'>> = {
  event: 'string',
  code: 'string',
  uid: 'string',
  time: 'string',
  writer: 'string',
  prev: 'string',
  hash: 'string',
  seq: 'number',
};

/** What is kept of an event while a log is read must not grow with the event. */
const MAX_WRITER_LENGTH = 256;
const HASH_LENGTH = GENESIS.length;

/** Shorter than the envelope alone. */
const MIN_LINE_LENGTH = 200;

/**
 * Reads a line; undefined when it is not a JSON object with a whole envelope. Does not check the hash. Never throws:
 * a log full of rubbish must not cost an exception for each line.
 */
export function readLine(line: string): AuditEvent | undefined {
  if (line.length < MIN_LINE_LENGTH || line.length > MAX_LINE_BYTES || !line.startsWith('{'))
    return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const fields = value as Record<string, unknown>;
  const hasEnvelope = Object.entries(ENVELOPE).every(([name, type]) => typeof fields[name] === type);
  if (!hasEnvelope || !isBounded(fields as unknown as AuditEvent)) return undefined;
  return isShallow(fields, MAX_DEPTH) ? (value as AuditEvent) : undefined;
}

function isBounded({ seq, time, writer, prev, hash }: AuditEvent): boolean {
  return (
    Number.isSafeInteger(seq) &&
    !Number.isNaN(Date.parse(time)) &&
    writer.length <= MAX_WRITER_LENGTH &&
    prev.length === HASH_LENGTH &&
    hash.length === HASH_LENGTH
  );
}

/** As `readLine`, for lines that must be events; CORRUPT otherwise. */
export function parseLine(line: string): AuditEvent {
  const event = readLine(line);
  if (event === undefined) throw new GatehouseError('CORRUPT', 'a line of the audit log is not an event');
  return event;
}

/** Whoever walks an event later may do so by recursion. */
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((item) => isShallow(item, depth - 1));
}

/** The record of a stored line; undefined as `readLine`. */
export function recordOf(line: string): EventRecord | undefined {
  const found = readLine(line);
  if (found === undefined) return undefined;
  const { writer, seq, hash, time, uid, event } = found;
  return { writer, seq, hash, time: Date.parse(time), uid, type: event, line };
}

/** True when the line is exactly what was sealed: canonical, and its hash is right. */
export function isIntact(line: string, event: AuditEvent): boolean {
  try {
    const members = canonicalMembers(event);
    return joinMembers(members) === line && sha256(joinMembers(members.filter(isSealed))) === event.hash;
  } catch {
    return false;
  }
}

function isSealed(member: CanonicalMember): boolean {
  return member.key !== 'hash';
}
