// What a client sent and the server has not answered, in order, as the protocol of extended queries has it: which statement
// is defined by now, which query an answer belongs to. Wrong here would mean that a query is on record with the text of
// another one, so what a statement means is taken from the server's word, not from what the client asked for.
import { malformed } from '#wire/postgres/malformed.ts';
import type { SeenQuery } from './seen-query.ts';

/** A prepared statement as it is shown. */
export interface Definition {
  readonly query: string;
  /** Length and hash where the text is cut. */
  readonly cut: string | undefined;
  /** Object ids of the parameters' types. */
  readonly types: readonly number[];
}

type Step =
  | { readonly type: 'query' | 'function'; readonly query: SeenQuery }
  | { readonly type: 'execute'; readonly query: SeenQuery | undefined }
  | {
      readonly type: 'parse';
      readonly name: string;
      /** Undefined where there was no room for it. */
      readonly definition: Definition | undefined;
      readonly at: number;
    }
  | { readonly type: 'close'; readonly name: string | undefined }
  | { readonly type: 'sync' }
  | { readonly type: 'copy-end' };

const NONE: readonly Definition[] = [];
const SYNC: Step = { type: 'sync' };
const COPY_END: Step = { type: 'copy-end' };
const COMPACT_AFTER = 256;
/** Statements of one session that are remembered, by their texts' characters. */
const MAX_STATEMENT_CHARACTERS = 16 * 1024 * 1024;
const PER_STATEMENT = 100;
/** Texts that one name may have before the server says which; a program that knows what it does has one or two. */
const MAX_MEANINGS = 32;

export class Pending {
  /** Steps from #first on are unanswered. */
  #steps: (Step | undefined)[] = [];
  #first = 0;
  /** After an error the server passes over everything up to the next Sync. */
  #isSkipping = false;
  /** The server reads COPY data, and passes over Sync. */
  #isCopying = false;
  readonly #defined = new Map<string, { readonly definition: Definition; readonly at: number }>();
  /** The texts that the server has not answered for, by name, and how often each. */
  readonly #asked = new Map<string, Map<string, { readonly definition: Definition; count: number }>>();
  #askedCharacters = 0;
  #batchCharacters = 0;
  #definedCharacters = 0;
  /** Steps so far, and how many there were when SQL may last have given a name to a statement; -1: never. */
  #sent = 0;
  #doubtedAt = -1;
  /** Since the last Sync. */
  readonly #batch = new Map<string, Definition | undefined>();
  readonly #doubtedInBatch = new Set<string>();

  /** Whether the server owes an answer. */
  get isBusy(): boolean {
    return this.#first < this.#steps.length || this.#isCopying;
  }

  query(type: 'query' | 'function', query: SeenQuery): void {
    this.#push({ type, query });
    this.#endBatch();
  }

  /** False when the text cannot be remembered: from now on the statement is shown by its name. */
  parse(name: string, definition: Definition): boolean {
    const size = sizeOf(definition);
    const taken = this.#definedCharacters + this.#askedCharacters + this.#batchCharacters;
    const hasRoom = taken + size <= MAX_STATEMENT_CHARACTERS;
    this.#push({ type: 'parse', name, definition: hasRoom ? definition : undefined, at: this.#sent });
    // Answered ones stay in the batch, where nothing but this limit ends their number.
    if (hasRoom) {
      this.#batchCharacters += size;
      this.#batch.set(name, definition);
    } else if (name === '' || this.#batch.has(name)) this.#batch.set(name, undefined);
    this.#doubtedInBatch.delete(name);
    return hasRoom;
  }

  execute(query: SeenQuery | undefined): void {
    this.#push({ type: 'execute', query });
  }

  /** `name` undefined: a portal. */
  close(name: string | undefined): void {
    this.#push({ type: 'close', name });
    if (name !== undefined) this.#batch.set(name, undefined);
  }

  sync(): void {
    this.#endBatch();
    if (this.#isCopying) return;
    this.#isSkipping = false;
    this.#steps.push(SYNC);
  }

  copyEnd(): void {
    if (this.#isCopying) this.#isCopying = false;
    else if (this.#steps.at(-1) !== COPY_END || this.#first === this.#steps.length) this.#push(COPY_END);
  }

  /** All that the statement may be by now; none when it was not made by Parse. BAD_REQUEST when it may be too much. */
  definitions(name: string): readonly Definition[] {
    // One of this batch counts if it worked, and if not, neither does what follows.
    if (this.#batch.has(name)) {
      const definition = this.#batch.get(name);
      return definition === undefined ? [] : [definition];
    }
    const defined = this.#defined.get(name);
    const asked = this.#unanswered(name);
    return defined === undefined ? asked : [defined.definition, ...asked];
  }

  /** ParseComplete. */
  parsed(): void {
    const step = this.#shift('parse');
    if (step?.type !== 'parse') return;
    this.#undefine(step.name);
    if (step.definition === undefined) return;
    this.#definedCharacters += sizeOf(step.definition);
    this.#defined.set(step.name, { definition: step.definition, at: step.at });
  }

  /** CloseComplete. */
  closed(): void {
    const step = this.#shift('close');
    if (step?.type === 'close' && step.name !== undefined) this.#undefine(step.name);
  }

  /** What was sent may give names to other statements, by SQL: what is known of them is no longer sure. */
  doubtNames(): void {
    this.#doubtedAt = this.#sent;
    for (const name of this.#batch.keys()) this.#doubtedInBatch.add(name);
  }

  /** Whether the statement may be one that was not made by Parse, for all that is known of its name. */
  isDoubted(name: string): boolean {
    if (this.#doubtedAt < 0) return false;
    if (this.#batch.has(name)) return this.#doubtedInBatch.has(name);
    // A Parse that is not answered yet fails where SQL has taken the name.
    const defined = this.#defined.get(name);
    return defined === undefined || defined.at < this.#doubtedAt || this.#unanswered(name).length > 0;
  }

  /** CommandComplete, EmptyQueryResponse, PortalSuspended: the query that it answers. */
  completed(): SeenQuery | undefined {
    const head = this.#head();
    if (head?.type === 'query') return head.query;
    const step = this.#shift('execute');
    return step?.type === 'execute' ? step.query : undefined;
  }

  /** ErrorResponse: the query that failed. */
  failed(): SeenQuery | undefined {
    this.#isCopying = false;
    const head = this.#head();
    if (head?.type === 'query' || head?.type === 'function') return head.query;
    return this.#skip();
  }

  /** ReadyForQuery. */
  ready(): void {
    for (;;) {
      const step = this.#head();
      if (step === undefined) return;
      this.#drop();
      if (step.type === 'sync' || step.type === 'query' || step.type === 'function') return;
    }
  }

  /** CopyInResponse: what the server passes over until the end of the data is not answered. */
  copyIn(): void {
    this.#head();
    const next = this.#first + 1;
    let end = next;
    while (this.#steps[end]?.type === 'sync') end++;
    this.#steps.splice(next, end - next);
    if (this.#steps[next]?.type === 'copy-end') this.#steps.splice(next, 1);
    else if (next >= this.#steps.length) this.#isCopying = true;
  }

  #push(step: Step): void {
    this.#sent++;
    // In the middle of COPY data it is an error, and so is the end of copying.
    this.#isCopying = false;
    if (this.#isSkipping) return;
    this.#steps.push(step);
    if (step.type === 'parse' && step.definition !== undefined) this.#ask(step.name, step.definition);
  }

  #ask(name: string, definition: Definition): void {
    const texts = this.#asked.get(name) ?? new Map();
    this.#asked.set(name, texts);
    const key = keyOf(definition);
    texts.set(key, { definition, count: (texts.get(key)?.count ?? 0) + 1 });
    this.#askedCharacters += sizeOf(definition);
  }

  #answer(name: string, definition: Definition): void {
    this.#askedCharacters -= sizeOf(definition);
    const texts = this.#asked.get(name);
    const text = texts?.get(keyOf(definition));
    if (texts === undefined || text === undefined || --text.count > 0) return;
    texts.delete(keyOf(definition));
    if (texts.size === 0) this.#asked.delete(name);
  }

  /** Drops all up to the next Sync, and returns the query among it. */
  #skip(): SeenQuery | undefined {
    let failed: SeenQuery | undefined;
    for (;;) {
      const step = this.#steps[this.#first];
      if (step === undefined) {
        this.#isSkipping = true;
        return failed;
      }
      if (step.type === 'sync') return failed;
      if (step.type === 'execute') failed ??= step.query;
      this.#drop();
    }
  }

  #head(): Step | undefined {
    for (;;) {
      const step = this.#steps[this.#first];
      if (step?.type !== 'copy-end') return step;
      this.#drop();
    }
  }

  #shift(type: Step['type']): Step | undefined {
    const step = this.#head();
    if (step?.type !== type) {
      // Not the answer that was due: names are no longer sure.
      if (type !== 'execute') this.doubtNames();
      return undefined;
    }
    this.#drop();
    return step;
  }

  #drop(): void {
    const step = this.#steps[this.#first];
    if (step?.type === 'parse' && step.definition !== undefined) this.#answer(step.name, step.definition);
    this.#steps[this.#first++] = undefined;
    if (this.#first === this.#steps.length) {
      this.#steps.length = 0;
      this.#first = 0;
    } else if (this.#first >= COMPACT_AFTER && this.#first * 2 >= this.#steps.length) {
      this.#steps.splice(0, this.#first);
      this.#first = 0;
    }
  }

  #endBatch(): void {
    this.#batch.clear();
    this.#batchCharacters = 0;
    this.#doubtedInBatch.clear();
  }

  #undefine(name: string): void {
    const before = this.#defined.get(name);
    if (before === undefined) return;
    this.#definedCharacters -= sizeOf(before.definition);
    this.#defined.delete(name);
  }

  #unanswered(name: string): readonly Definition[] {
    const texts = this.#asked.get(name);
    if (texts === undefined) return NONE;
    // Each of them is put on record for each use.
    if (texts.size > MAX_MEANINGS) throw malformed('a name has too many statements that are not answered');
    return Array.from(texts.values(), ({ definition }) => definition);
  }
}

const sizeOf = ({ query }: Definition): number => query.length + PER_STATEMENT;

/** The hash stands for a text that is cut; no text can be taken for one. */
const keyOf = ({ query, cut }: Definition): string => (cut === undefined ? `=${query}` : `#${cut}`);
