// A query as it was seen on its way to the server, and what came of it.

export interface SeenQuery {
  /** From 1, in the order they were sent. */
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Text of the query, or what is known of a statement that was not made here. */
  readonly text: string;
  /** Values bound to it. */
  readonly parameters?: readonly string[] | undefined;
  /** Of a prepared statement that has a name. */
  readonly statement?: string | undefined;
  /** Length and hash of what is cut. */
  readonly cut?: string | undefined;
  /** Of a function call: object id of the function. */
  readonly functionId?: number | undefined;
}

export interface QueryResult {
  readonly query: SeenQuery;
  /** As "INSERT 0 5"; undefined for errors. */
  readonly tag?: string | undefined;
  readonly rows?: number | undefined;
  /** "SQLSTATE: message". */
  readonly error?: string | undefined;
}
