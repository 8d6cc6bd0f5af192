// What can be wrong with a role beyond its shape: templates, patterns, conditions and names that would fail, or quietly
// do nothing, when it comes to decide. Run at every write, so that a stored role always compiles.
import type { Path, Problem } from '../schema/check.ts';
import { nearest } from '../schema/nearest.ts';
import type { Side } from './compile.ts';
import { checkRequests } from './check-requests.ts';
import { KUBE_VERBS } from './kube-resources.ts';
import { expandNames, expandPattern } from './matchers.ts';
import { compilePattern, WILDCARD } from './pattern.ts';
import { checkWhere, createNotes, type Notes } from './notes.ts';
import { principalProblem } from './principals.ts';
import {
  LABEL_FIELDS,
  PRINCIPAL_FIELDS,
  type AccessRole,
  type Conditions,
  type LabelSelector,
  type PrincipalField,
  type Rule,
} from './role.ts';
import { VERBS } from './rules.ts';
import { compileTemplate, isTemplate } from './templates.ts';

/** Extensions that sshd gives a meaning of its own; a role must not set them behind the options' back. */
const RESERVED_EXTENSIONS = /^(permit-|no-|force-command$|source-address$|verify-required$)/;
/** Free text in these; `*` elsewhere is the whole entry or a mistake. */
const STARS_ARE_TEXT: ReadonlySet<PrincipalField> = new Set(['host_sudoers']);

/** All problems, with the path from the top of the resource. Empty for a role that can be stored. */
export function checkRole(role: AccessRole): readonly Problem[] {
  const { notes, problems } = createNotes();
  if (isTemplate(role.name))
    notes.add(['metadata', 'name'], 'must not have a {{variable}}: a role is one role');
  for (const side of ['allow', 'deny'] as const) checkSide(role[side], side, notes);
  checkExtensions(role, notes);
  return problems;
}

function checkSide(conditions: Conditions, side: Side, notes: Notes): void {
  const at = ['spec', side];
  for (const field of LABEL_FIELDS) {
    const selector = conditions[field];
    if (selector !== undefined) checkSelector(selector, [...at, field], notes);
    const expression = conditions[`${field}_expression`];
    if (expression !== undefined && expression.trim() !== '') {
      notes.attempt([...at, `${field}_expression`], () => notes.predicates.labels(expression));
    }
  }
  for (const field of PRINCIPAL_FIELDS) {
    for (const [index, entry] of (conditions[field] ?? []).entries()) {
      notes.attempt([...at, field, index], () => checkName(field, entry, side, [...at, field, index], notes));
    }
  }
  for (const [index, rule] of (conditions.rules ?? []).entries())
    checkRule(rule, [...at, 'rules', index], notes);
  checkKubernetes(conditions, at, notes);
  checkImpersonate(conditions, [...at, 'impersonate'], notes);
  checkRequests(conditions, at, notes);
}

function checkSelector(selector: LabelSelector, at: Path, notes: Notes): void {
  for (const [key, values] of Object.entries(selector)) {
    const path = [...at, key];
    if (key === WILDCARD && (values.length !== 1 || values[0] !== WILDCARD)) {
      notes.add(path, `must be "*": a label key of * means every target, and goes with the value * only`);
      continue;
    }
    if (values.length === 0) notes.add(path, 'must have at least one value');
    notes.attempt(path, () => compileTemplate(key));
    if (key !== WILDCARD && key.includes(WILDCARD)) {
      notes.add(path, 'is not a label key: use a labels expression with labels_matching() to match keys');
    }
    for (const [index, value] of values.entries())
      notes.attempt([...path, index], () => checkLabelValue(value));
  }
}

function checkLabelValue(value: string): void {
  const template = compileTemplate(value);
  if (!template.variable) {
    expandPattern(template, {});
    return;
  }
  // A lone anchor beside a variable is refused here: an expression around a trait would let the trait write it.
  for (const part of [template.prefix, template.suffix]) compilePattern(part);
}

function checkName(field: PrincipalField, entry: string, side: Side, path: Path, notes: Notes): void {
  const template = compileTemplate(entry);
  const fixed = template.prefix + template.suffix;
  if (fixed.includes(WILDCARD) && entry !== WILDCARD && !STARS_ARE_TEXT.has(field)) {
    notes.add(path, `has a * inside: names in ${field} are compared exactly; list them one by one`);
    return;
  }
  const sample = template.variable ? `${template.prefix}x${template.suffix}` : entry;
  // What comes before and after a variable can be judged for logins; other names have freer forms.
  if (template.variable && field !== 'logins' && field !== 'host_groups') return;
  const problem = entry === '' ? 'must not be empty' : principalProblem(field, sample, side);
  if (problem !== undefined && side === 'allow') notes.add(path, problem);
}

function checkRule(rule: Rule, at: Path, notes: Notes): void {
  if (rule.resources.length === 0) notes.add([...at, 'resources'], 'must name at least one kind, or "*"');
  checkVerbs(rule.verbs, VERBS, [...at, 'verbs'], notes);
  for (const [index, name] of rule.resources.entries()) {
    if (name !== WILDCARD && !/^[a-z][a-z0-9_-]{0,63}$/.test(name)) {
      notes.add(
        [...at, 'resources', index],
        'must be the name of a kind in lower case, such as role or session, or "*"',
      );
    }
  }
  checkWhere(rule.where, [...at, 'where'], notes);
}

/** A verb that is none would grant nothing, and on the deny side take nothing away. */
function checkVerbs(verbs: readonly string[], known: readonly string[], at: Path, notes: Notes): void {
  if (verbs.length === 0) notes.add(at, `must have at least one of ${known.join(', ')} or "*"`);
  for (const [index, verb] of verbs.entries()) {
    if (verb === WILDCARD || known.includes(verb)) continue;
    const hint = nearest(verb, known);
    const advice = hint === undefined ? '' : `; did you mean "${hint}"?`;
    notes.add([...at, index], `must be one of ${known.join(', ')} or "*"${advice}`);
  }
}

function checkKubernetes(conditions: Conditions, at: Path, notes: Notes): void {
  for (const [index, entry] of (conditions.kubernetes_resources ?? []).entries()) {
    if (entry.verbs !== undefined) {
      checkVerbs(entry.verbs, KUBE_VERBS, [...at, 'kubernetes_resources', index, 'verbs'], notes);
    }
    for (const field of ['name', 'namespace', 'api_group'] as const) {
      const path = [...at, 'kubernetes_resources', index, field];
      const text = entry[field];
      if (text === undefined) continue;
      if (isTemplate(text)) notes.add(path, 'must not have a {{variable}}');
      else notes.attempt(path, () => compilePattern(text));
    }
  }
}

function checkImpersonate({ impersonate }: Conditions, at: Path, notes: Notes): void {
  if (impersonate === undefined) return;
  for (const field of ['users', 'roles'] as const) {
    for (const [index, text] of (impersonate[field] ?? []).entries()) {
      notes.attempt([...at, field, index], () => {
        if (isTemplate(text)) expandNames([text], {});
        else compilePattern(text);
      });
    }
  }
  checkWhere(impersonate.where, [...at, 'where'], notes);
}

function checkExtensions(role: AccessRole, notes: Notes): void {
  const at = ['spec', 'options', 'cert_extensions'];
  for (const [index, { name, value }] of (role.options.cert_extensions ?? []).entries()) {
    if (RESERVED_EXTENSIONS.test(name)) {
      notes.add(
        [...at, index, 'name'],
        `must not be "${name}": use the role's options for what sshd permits`,
      );
    }
    notes.attempt([...at, index, 'value'], () => compileTemplate(value ?? ''));
  }
}
