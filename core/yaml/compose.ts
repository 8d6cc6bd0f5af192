// From text to the documents of the YAML library, with a bound on depth. The library nests as deep as the text says: its
// time grows with the square of the depth, and then the stack ends. So its parser is watched token by token.
import { Composer, Lexer, Parser, type Document } from 'yaml';

/** Of open maps, lists and scalars; what stands 64 levels deep in a document is refused by value.ts, in better words. */
const MAX_OPEN = 300;

export interface TooDeep {
  /** Offset in the text. */
  readonly tooDeepAt: number;
}

/** The documents of a text, or where it is nested too deep. Errors of syntax are in the documents. */
export function composeDocuments(text: string): readonly Document.Parsed[] | TooDeep {
  const composer = new Composer({
    uniqueKeys: false,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'silent',
    version: '1.2',
    resolveKnownTags: false,
  });
  const parser = new Parser();
  const documents: Document.Parsed[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) documents.push(...composer.next(token));
    if (parser.stack.length > MAX_OPEN) return { tooDeepAt: parser.offset };
  }
  for (const token of parser.end()) documents.push(...composer.next(token));
  documents.push(...composer.end());
  return documents;
}
