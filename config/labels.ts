// Labels of a node: the short form of --labels, and the rules that hold for labels wherever they are written.
import { parseDuration } from '#core/duration.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';

/** A label whose value is what a command prints. */
export interface CommandLabel {
  readonly name: string;
  /** The program and its arguments; no shell is involved. */
  readonly command: readonly string[];
  readonly periodMs: number;
}

export interface Labels {
  readonly labels: Readonly<Record<string, string>>;
  readonly commands: readonly CommandLabel[];
}

export const MIN_PERIOD_MS = 60_000;
const MAX_LENGTH = 64 * 1024;
const NAME = /^[\p{L}\p{N}_./:@*-]{1,255}$/u;
const RESERVED = new Set(['__proto__', 'constructor', 'prototype']);

/** What is wrong with the name of a label, or undefined. */
export function labelNameComplaint(name: string): string | undefined {
  if (NAME.test(name) && !RESERVED.has(name)) return undefined;
  return 'is not the name of a label: use letters, digits and _ . / : @ -';
}

/** What is wrong with a command, or undefined. */
export function commandComplaint(command: readonly string[]): string | undefined {
  const [program] = command;
  if (program === undefined || program === '') return 'must name a program, such as ["/bin/uname", "-m"]';
  if (command.length === 1 && /\s/.test(program)) {
    return 'must list the program and each argument apart, such as ["/bin/uname", "-m"]; for pipes use ["/bin/sh", "-c", "..."]';
  }
  return undefined;
}

/**
 * Reads `uptime=[1m:"uptime -p"],kernel=[1h:"uname -r"],env=prod`. The words of a command are separated by spaces, and
 * single quotes keep words together. USAGE tells the place of a mistake.
 */
export function parseLabelsFlag(text: string): Labels {
  if (text.length > MAX_LENGTH) throw new GatehouseError('USAGE', '--labels is too long');
  const labels: Record<string, string> = {};
  const commands: CommandLabel[] = [];
  for (const [name, value] of splitPairs(text)) {
    const complaint = labelNameComplaint(name);
    if (complaint !== undefined) throw usage(`"${name.slice(0, 64)}" ${complaint}`);
    if (Object.hasOwn(labels, name) || commands.some((command) => command.name === name)) {
      throw usage(`the label "${name}" is there twice`);
    }
    if (value.startsWith('[')) commands.push(parseCommand(name, value));
    else labels[name] = unquote(value);
  }
  return { labels, commands };
}

/** Cuts at commas outside of quotes and brackets. */
function splitPairs(text: string): [string, string][] {
  const pairs: string[] = [];
  let start = 0;
  let inQuotes = false;
  let inBrackets = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') inQuotes = !inQuotes;
    else if (inQuotes) continue;
    else if (char === '[') inBrackets = true;
    else if (char === ']') inBrackets = false;
    else if (char === ',' && !inBrackets) {
      pairs.push(text.slice(start, at));
      start = at + 1;
    }
  }
  if (inQuotes || inBrackets) throw usage('a quote or bracket is not closed');
  pairs.push(text.slice(start));
  return pairs.map(splitPair);
}

function splitPair(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  if (equals === -1) throw usage(`"${pair.slice(0, 64)}" must be name=value or name=[period:"command"]`);
  return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()];
}

function parseCommand(name: string, value: string): CommandLabel {
  const match = /^\[\s*([^:\s"]+)\s*:\s*(.+?)\s*\]$/s.exec(value);
  if (match === null) throw usage(`"${name}" must be written ${name}=[1h:"command with arguments"]`);
  const [, period = '', text = ''] = match;
  const command = splitWords(unquote(text));
  if (command.length === 0) throw usage(`"${name}" has an empty command`);
  return { name, command, periodMs: parsePeriod(name, period) };
}

function parsePeriod(name: string, text: string): number {
  try {
    const periodMs = parseDuration(text);
    if (periodMs >= MIN_PERIOD_MS) return periodMs;
    throw usage(`the period of "${name}" must be at least 1m`);
  } catch (error) {
    if (isCode(error, 'BAD_REQUEST')) throw usage(`the period of "${name}": ${error.message}`);
    throw error;
  }
}

function splitWords(text: string): string[] {
  return [...text.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

const unquote = (text: string): string =>
  text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;

const usage = (message: string): GatehouseError => new GatehouseError('USAGE', `--labels: ${message}`);
