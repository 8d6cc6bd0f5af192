// What a client sent and the server has not answered, in order, as the protocol of extended queries has it: which statement
// is defined by now, which query an answer belongs to. Wrong here would mean that a query is on record with the text of
// another one, so what a statement means is taken from the server's word, not from what the client asked for.
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
  | { readonly type: 'parse'; readonly name: string; readonly definition: Definition; readonly at: number }
  | { readonly type: 'close'; readonly name: string | undefined }
  | { readonly type: 'sync' }
  | { readonly type: 'copy-end' };

const SYNC: Step = { type: 'sync' };
const COPY_END: Step = { type: 'copy-end' };
const COMPACT_AFTER = 256;
/** Statements of one session that are remembered, by their texts' characters. */
const MAX_STATEMENT_CHARACTERS = 16 * 1024 * 1024;
const PER_STATEMENT = 100;

export class Pending {
  /** Steps from #first on are unanswered. */
  #steps: (Step | undefined)[] = [];
  #first = 0;
  /** After an error the server passes over everything up to the next Sync. */
  #isSkipping = false;
  /** The server reads COPY data, and passes over Sync. */
  #isCopying = false;
  readonly #defined = new Map<string, { readonly definition: Definition; readonly at: number }>();
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

  parse(name: string, definition: Definition): void {
    this.#push({ type: 'parse', name, definition, at: this.#sent });
    this.#batch.set(name, definition);
    this.#doubtedInBatch.delete(name);
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

  /** All that the statement may be by now; none when it was not made by Parse. */
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
    const size = step.definition.query.length + PER_STATEMENT;
    // What is forgotten is shown by its name.
    if (this.#definedCharacters + size > MAX_STATEMENT_CHARACTERS) return;
    this.#definedCharacters += size;
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
    while (this.#steps[next]?.type === 'sync') this.#steps.splice(next, 1);
    if (this.#steps[next]?.type === 'copy-end') this.#steps.splice(next, 1);
    else if (next >= this.#steps.length) this.#isCopying = true;
  }

  #push(step: Step): void {
    this.#sent++;
    // In the middle of COPY data it is an error, and so is the end of copying.
    this.#isCopying = false;
    if (!this.#isSkipping) this.#steps.push(step);
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
    this.#steps[this.#first++] = undefined;
    if (this.#first === this.#steps.length) {
      this.#steps.length = 0;
      this.#first = 0;
    } else if (this.#first === COMPACT_AFTER) {
      this.#steps.splice(0, this.#first);
      this.#first = 0;
    }
  }

  #endBatch(): void {
    this.#batch.clear();
    this.#doubtedInBatch.clear();
  }

  #undefine(name: string): void {
    const before = this.#defined.get(name);
    if (before === undefined) return;
    this.#definedCharacters -= before.definition.query.length + PER_STATEMENT;
    this.#defined.delete(name);
  }

  #unanswered(name: string): readonly Definition[] {
    const found: Definition[] = [];
    for (let n = this.#first; n < this.#steps.length; n++) {
      const step = this.#steps[n];
      if (step?.type === 'parse' && step.name === name) found.push(step.definition);
    }
    return found;
  }
}
