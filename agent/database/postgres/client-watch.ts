// Reads a copy of what the client sends, and tells of every query before it is passed on. Beside server-watch.ts, which
// reads the answers. Values bound to a statement belong to its query: Bind is the query, since the server may already run
// functions there.
import { MAX_LARGE_BYTES, MAX_SMALL_BYTES, CLIENT } from '#wire/postgres/protocol.ts';
import { malformed } from '#wire/postgres/malformed.ts';
import {
  readBind,
  readExecute,
  readFunctionCall,
  readNamed,
  readParse,
  readQuery,
} from '#wire/postgres/client-messages.ts';
import { MessageScanner, type MessageListener } from '#wire/postgres/scanner.ts';
import { TextHash } from '#wire/postgres/text-hash.ts';
import type { Pending } from './pending.ts';
import type { SeenQuery } from './seen-query.ts';

export interface ClientWatchOptions {
  readonly pending: Pending;
  now(): number;
  /** Called before the bytes that make the query whole are passed on. */
  onQuery(query: SeenQuery): void;
}

/** What is read of a message: more than what the audit log keeps of a query. */
const MAX_READ_BYTES = 64 * 1024;
/** Before the first value, a Bind may have two bytes for the format of each of 65535. */
const MAX_BIND_BYTES = 192 * 1024;
const MAX_PORTALS = 1000;
const NO_TYPES: readonly number[] = [];
const IGNORED = -1;
const PREPARES = /prepare/i;

export class ClientWatch implements MessageListener {
  readonly #options: ClientWatchOptions;
  readonly #scanner = new MessageScanner(this);
  readonly #portals = new Map<string, SeenQuery>();
  #unnamedPortal: SeenQuery | undefined;
  #hash: TextHash | undefined;
  #count = 0;
  /** The client said that it ends the connection. */
  isOver = false;

  constructor(options: ClientWatchOptions) {
    this.#options = options;
  }

  /** Queries so far. */
  get count(): number {
    return this.#count;
  }

  /** BAD_REQUEST where it is not the protocol: these bytes must not be passed on. */
  scan(bytes: Buffer): void {
    this.#scanner.scan(bytes);
  }

  begin(type: number, length: number): number {
    switch (type) {
      case CLIENT.copyData:
        requireAtMost(length, MAX_LARGE_BYTES);
        return IGNORED;
      case CLIENT.query:
      case CLIENT.parse:
      case CLIENT.functionCall:
        requireAtMost(length, MAX_LARGE_BYTES);
        return MAX_READ_BYTES;
      case CLIENT.bind:
        requireAtMost(length, MAX_LARGE_BYTES);
        return MAX_BIND_BYTES;
      case CLIENT.execute:
      case CLIENT.close:
      case CLIENT.describe:
      case CLIENT.copyFail:
        requireAtMost(length, MAX_SMALL_BYTES);
        return length;
      case CLIENT.sync:
      case CLIENT.flush:
      case CLIENT.copyDone:
      case CLIENT.terminate:
        requireAtMost(length, 0);
        return 0;
      default:
        throw malformed('a client does not send messages of this type');
    }
  }

  piece(type: number, bytes: Buffer, start: number, end: number): void {
    if (type !== CLIENT.query && type !== CLIENT.parse) return;
    this.#hash ??= new TextHash(type === CLIENT.parse ? 1 : 0);
    this.#hash.add(bytes, start, end);
  }

  message(type: number, bytes: Buffer, start: number, end: number, length: number): void {
    const isWhole = end - start === length;
    switch (type) {
      case CLIENT.query:
        this.#query(readQuery(bytes, start, end, isWhole));
        return;
      case CLIENT.parse:
        this.#parse(bytes, start, end, isWhole);
        return;
      case CLIENT.bind:
        this.#bind(bytes, start, end, isWhole);
        return;
      case CLIENT.functionCall:
        this.#call(bytes, start, end, isWhole);
        return;
      case CLIENT.execute:
        this.#execute(readExecute(bytes, start, end));
        return;
      case CLIENT.close:
        this.#close(bytes, start, end);
        return;
      case CLIENT.describe:
        readNamed(bytes, start, end);
        return;
      default:
        this.#signal(type);
    }
  }

  #signal(type: number): void {
    if (type === CLIENT.sync) this.#options.pending.sync();
    else if (type === CLIENT.copyDone || type === CLIENT.copyFail) this.#options.pending.copyEnd();
    else if (type === CLIENT.terminate) this.isOver = true;
  }

  #query(text: string): void {
    const query = this.#seen({ text, cut: this.#takeHash() });
    this.#options.pending.query('query', query);
    this.#options.onQuery(query);
    this.#doubtNames(text, query.cut);
  }

  /** PREPARE makes statements by name as Parse does; so does what executes it in a block. */
  #doubtNames(text: string, cut: string | undefined): void {
    if (cut !== undefined || PREPARES.test(text)) this.#options.pending.doubtNames();
  }

  #parse(bytes: Buffer, start: number, end: number, isWhole: boolean): void {
    const { statement, query, types } = readParse(bytes, start, end, isWhole);
    const cut = this.#takeHash();
    if (this.#options.pending.parse(statement, { query, types, cut })) return;
    // Its uses will be on record by its name alone, so its text must be there now.
    const name = statement === '' ? undefined : statement;
    this.#options.onQuery(this.#seen({ text: query, cut, statement: name }));
  }

  #bind(bytes: Buffer, start: number, end: number, isWhole: boolean): void {
    const { pending, onQuery } = this.#options;
    let types = NO_TYPES;
    const bound = readBind(bytes, start, end, isWhole, (name) => {
      types = pending.definitions(name).at(-1)?.types ?? NO_TYPES;
      return types;
    });
    const { statement: name, parameters, hidden } = bound;
    const shown = hidden === 0 ? parameters : [...parameters, `... (${hidden} more)`];
    const more = { parameters: shown, statement: name === '' ? undefined : name };
    const definitions = pending.definitions(name);
    let query: SeenQuery | undefined;
    for (const { query: text, cut } of definitions) {
      query = this.#seen({ text, cut, ...more });
      onQuery(query);
    }
    if (query === undefined || pending.isDoubted(name)) {
      const unknown = this.#seen({ text: `(statement "${name}", perhaps as SQL prepared it)`, ...more });
      query ??= unknown;
      onQuery(unknown);
    }
    for (const { query: text, cut } of definitions) this.#doubtNames(text, cut);
    this.#setPortal(bound.portal, query);
  }

  #call(bytes: Buffer, start: number, end: number, isWhole: boolean): void {
    const { functionId, parameters } = readFunctionCall(bytes, start, end, isWhole);
    const query = this.#seen({ text: `(call of function ${functionId})`, parameters, functionId });
    this.#options.pending.query('function', query);
    this.#options.onQuery(query);
  }

  #execute(portal: string): void {
    this.#options.pending.execute(portal === '' ? this.#unnamedPortal : this.#portals.get(portal));
  }

  #close(bytes: Buffer, start: number, end: number): void {
    const { isStatement, name } = readNamed(bytes, start, end);
    this.#options.pending.close(isStatement ? name : undefined);
    if (!isStatement) this.#portals.delete(name);
  }

  #setPortal(name: string, query: SeenQuery): void {
    if (name === '') {
      this.#unnamedPortal = query;
      return;
    }
    // Only for telling which query a result belongs to; a program that leaves portals open loses that.
    if (this.#portals.size >= MAX_PORTALS) this.#portals.clear();
    this.#portals.set(name, query);
  }

  #seen(what: Omit<SeenQuery, 'number' | 'at'>): SeenQuery {
    return { number: ++this.#count, at: this.#options.now(), ...what };
  }

  #takeHash(): string | undefined {
    const hash = this.#hash;
    this.#hash = undefined;
    return hash?.finish();
  }
}

function requireAtMost(length: number, most: number): void {
  if (length > most) throw malformed('a message is longer than the protocol allows');
}
