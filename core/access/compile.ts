// A user's roles, prepared: traits filled in, patterns and conditions compiled, labels indexed. Made once per login or
// per change of the roles, then asked many times; holds no state that a decision could change.
import { GatehouseError, isCode } from '../errors/error.ts';
import { compileSelector, SelectorIndex, type Selector } from './labels.ts';
import { mergeSessionOptions, type SessionOptions } from './options.ts';
import { expandNames } from './matchers.ts';
import { compilePattern, WILDCARD } from './pattern.ts';
import {
  createPredicateCompiler,
  type Condition,
  type LabelContext,
  type PredicateCompiler,
  type WhereContext,
} from './predicates.ts';
import { principalProblem } from './principals.ts';
import {
  LABEL_FIELDS,
  PRINCIPAL_FIELDS,
  type AccessRole,
  type Conditions,
  type LabelField,
  type PrincipalField,
  type Subject,
} from './role.ts';
import { compileTemplate } from './templates.ts';

export type Side = 'allow' | 'deny';

/** The names of one field, with traits filled in. */
export interface Names {
  readonly values: ReadonlySet<string>;
  /** `*`: any name. */
  readonly any: boolean;
  /** Entries that gave nothing, and why: for explanations. */
  readonly dropped: readonly { readonly entry: string; readonly why: string }[];
}

export interface CompiledRule {
  readonly resources: ReadonlySet<string>;
  readonly verbs: ReadonlySet<string>;
  readonly where?: Condition<WhereContext>;
  /** `rules[2]`, for reasons. */
  readonly at: string;
}

export interface CompiledSide {
  names(field: PrincipalField): Names;
  selector(field: LabelField): Selector | undefined;
  expression(field: LabelField): Condition<LabelContext> | undefined;
  readonly rules: readonly CompiledRule[];
}

export interface CompiledRole {
  readonly role: AccessRole;
  readonly allow: CompiledSide;
  readonly deny: CompiledSide;
}

/** Which roles select a target by its labels. */
export interface TargetIndex {
  readonly allow: SelectorIndex;
  readonly deny: SelectorIndex;
  /** By role; undefined when no role has one. */
  readonly allowExpressions: Expressions | undefined;
  readonly denyExpressions: Expressions | undefined;
}

type Expressions = readonly (Condition<LabelContext> | undefined)[];

const NO_NAMES: Names = { values: new Set(), any: false, dropped: [] };

/** The roles of one user, ready for decisions. Make it with compileAccess. */
export class AccessSet {
  readonly subject: Subject;
  readonly roles: readonly CompiledRole[];
  readonly predicates: PredicateCompiler;
  readonly options: SessionOptions;
  readonly #targets = new Map<LabelField, TargetIndex>();
  readonly #denied = new Map<PrincipalField, Names>();

  constructor(subject: Subject, roles: readonly CompiledRole[], predicates: PredicateCompiler) {
    this.subject = subject;
    this.roles = roles;
    this.predicates = predicates;
    this.options = mergeSessionOptions(roles.map(({ role }) => role.options));
  }

  /** Built at the first question about a kind of target. */
  target(field: LabelField): TargetIndex {
    const known = this.#targets.get(field);
    if (known !== undefined) return known;
    const expressions = (side: Side): Expressions | undefined => {
      const found = this.roles.map((role) => role[side].expression(field));
      return found.some((expression) => expression !== undefined) ? found : undefined;
    };
    const allowExpressions = expressions('allow');
    const index: TargetIndex = {
      allow: new SelectorIndex(
        this.roles.map(
          (role, at) =>
            role.allow.selector(field) ?? (allowExpressions?.[at] === undefined ? undefined : true),
        ),
      ),
      deny: new SelectorIndex(this.roles.map((role) => role.deny.selector(field))),
      allowExpressions,
      denyExpressions: expressions('deny'),
    };
    this.#targets.set(field, index);
    return index;
  }

  /** What the deny sides of all roles say of a field, together. */
  denied(field: PrincipalField): Names {
    const known = this.#denied.get(field);
    if (known !== undefined) return known;
    const all = this.roles.map((role) => role.deny.names(field));
    const names: Names = {
      values: new Set(all.flatMap((list) => [...list.values])),
      any: all.some((list) => list.any),
      dropped: [],
    };
    this.#denied.set(field, names);
    return names;
  }
}

/**
 * Prepares `roles` for decisions about `subject`. INVALID_RESOURCE when a stored role does not compile: then nothing
 * is decided, because leaving out its deny side would open doors. `predicates` may be shared by many sets.
 */
export function compileAccess(
  roles: readonly AccessRole[],
  subject: Subject,
  predicates: PredicateCompiler = createPredicateCompiler(),
): AccessSet {
  const compiled = roles.map((role) => {
    try {
      prepareOptions(role);
      return {
        role,
        allow: compileSide(role.allow, 'allow', subject, predicates),
        deny: compileSide(role.deny, 'deny', subject, predicates),
      };
    } catch (error) {
      if (!isCode(error, 'BAD_REQUEST')) throw error;
      throw new GatehouseError('INVALID_RESOURCE', `role ${role.name} cannot be used: ${error.message}`, {
        cause: error,
        details: { role: role.name },
      });
    }
  });
  return new AccessSet(subject, compiled, predicates);
}

function compileSide(
  conditions: Conditions,
  side: Side,
  subject: Subject,
  predicates: PredicateCompiler,
): CompiledSide {
  const selectors = new Map<LabelField, Selector>();
  const expressions = new Map<LabelField, Condition<LabelContext>>();
  for (const field of LABEL_FIELDS) {
    const labels = conditions[field];
    if (labels !== undefined && Object.keys(labels).length > 0) {
      selectors.set(field, compileSelector(labels, subject.traits, side, predicates.patterns));
    }
    const expression = conditions[`${field}_expression`];
    if (expression !== undefined && expression.trim() !== '')
      expressions.set(field, predicates.labels(expression));
  }
  const names = new Map<PrincipalField, Names>();
  for (const field of PRINCIPAL_FIELDS) {
    const entries = conditions[field];
    if (entries !== undefined && entries.length > 0)
      names.set(field, compileNames(field, entries, side, subject));
  }
  prepareRest(conditions, subject, predicates);
  return {
    names: (field) => names.get(field) ?? NO_NAMES,
    selector: (field) => selectors.get(field),
    expression: (field) => expressions.get(field),
    rules: (conditions.rules ?? []).map((rule, at) => ({
      resources: new Set(rule.resources),
      verbs: new Set(rule.verbs),
      at: `rules[${at}]`,
      ...(rule.where === undefined || rule.where.trim() === ''
        ? {}
        : { where: predicates.where(rule.where) }),
    })),
  };
}

/** Reads what can fail in options, so that it fails here with the name of the role. */
function prepareOptions({ options }: AccessRole): void {
  mergeSessionOptions([options]);
  for (const { value } of options.cert_extensions ?? []) compileTemplate(value ?? '');
}

/** Compiles, for the cache and for its errors, what is looked at only when somebody asks for it. */
function prepareRest(conditions: Conditions, subject: Subject, predicates: PredicateCompiler): void {
  const { impersonate, kubernetes_resources: objects } = conditions;
  for (const { name, namespace, api_group: group } of objects ?? []) {
    for (const text of [name, namespace, group]) compilePattern(text ?? '', predicates.patterns);
  }
  expandNames(
    [...(impersonate?.users ?? []), ...(impersonate?.roles ?? [])],
    subject.traits,
    predicates.patterns,
  );
  prepareWhere([impersonate?.where], predicates);
  prepareWhere(conditions.require_session_join?.map(({ filter }) => filter) ?? [], predicates);
}

function prepareWhere(sources: readonly (string | undefined)[], predicates: PredicateCompiler): void {
  for (const source of sources) if (source !== undefined && source.trim() !== '') predicates.where(source);
}

function compileNames(
  field: PrincipalField,
  entries: readonly string[],
  side: Side,
  subject: Subject,
): Names {
  const values = new Set<string>();
  const dropped: { entry: string; why: string }[] = [];
  let any = false;
  for (const entry of entries) {
    const template = compileTemplate(entry);
    const found = template.expand(subject.traits);
    if (found.length === 0) {
      const why = template.variable
        ? `the user has no value for ${template.traits.join(', ')}`
        : 'it is empty';
      dropped.push({ entry, why });
    }
    for (const value of found) {
      // On the deny side an odd name can only take access away, so it stays.
      const problem = side === 'deny' ? undefined : principalProblem(field, value, side);
      if (problem !== undefined) dropped.push({ entry, why: `a value of it ${problem}` });
      else if (value === WILDCARD) any = true;
      else values.add(value);
    }
  }
  return { values, any, dropped };
}
