// The text of a config file to a Config. Pure; load.ts does the reading of files. Problems are collected, each with
// its line, so that a person can mend the file in one go.
import { GatehouseError } from '#core/errors/error.ts';
import { check, formatPath, isPlainObject, type Path } from '#core/schema/check.ts';
import { readYaml, type YamlDocument } from '#core/yaml/read.ts';
import { build } from './build.ts';
import type { Config, Notice } from './config.ts';
import { contentsOf, schemaFor, topOf, withEmptySections } from './file.ts';
import { Findings, invalidConfig, isOfFile } from './findings.ts';
import type { ConfigFlags } from './flags.ts';

export interface ReadOptions {
  /** What to call the text in messages, such as its path. */
  readonly source: string;
  /** The host name of the machine, for the default of nodename. */
  readonly hostname: string;
  readonly flags?: ConfigFlags;
}

export interface ReadConfig {
  readonly config: Config;
  readonly notices: readonly Notice[];
}

/**
 * Reads a config file; an empty text is a file of defaults. INVALID_CONFIG names each unknown key and bad value with
 * its line, and never repeats a token. Notices tell what is accepted and yet not in force.
 */
export function readConfig(text: string, options: ReadOptions): ReadConfig {
  const document = readOne(text, options.source);
  const value = withEmptySections(document?.value);
  const lineOf = (path: Path): number => document?.lineOf(path) ?? 1;
  const findings = new Findings();
  if (isPlainObject(value) && Object.hasOwn(value, 'teleport') && Object.hasOwn(value, 'gatehouse')) {
    findings.problem(['teleport'], 'must be left out when there is a section "gatehouse"');
    throw refusal(findings, lineOf, options.source);
  }
  const top = topOf(value);
  const checked = check(schemaFor(top), value);
  if (!checked.ok) {
    for (const { path, message } of checked.problems) findings.problem(path, message);
    throw refusal(findings, lineOf, options.source);
  }
  const config = build(contentsOf(top, checked.value), options.hostname, options.flags ?? {}, findings);
  if (findings.problems.length > 0) throw refusal(findings, lineOf, options.source);
  return { config, notices: findings.noticesWith(lineOf) };
}

function readOne(text: string, source: string): YamlDocument | undefined {
  const documents = readYaml(text);
  const problems = documents
    .flatMap((document) => document.problems)
    .map((problem) => ({ ...problem, path: '' }));
  if (problems.length > 0) throw invalidConfig(source, problems);
  const [first, second] = documents;
  if (second === undefined) return first;
  throw invalidConfig(source, [
    { line: second.line, path: '', message: 'a config file is one YAML document' },
  ]);
}

function refusal(findings: Findings, lineOf: (path: Path) => number, source: string): GatehouseError {
  const flag = findings.problems.find(({ path }) => path.length > 0 && !isOfFile(path));
  if (flag !== undefined) return new GatehouseError('USAGE', `${String(flag.path[0])}: ${flag.message}`);
  const problems = findings.problems.map(({ path, message }) => ({
    line: lineOf(path),
    path: path.length === 0 ? '' : formatPath(path),
    message,
  }));
  return invalidConfig(source, problems);
}
