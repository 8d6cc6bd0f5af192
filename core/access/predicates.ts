// The vocabularies of conditions: what a label expression, the `where` of a rule, and the filters of sessions and
// reviews may refer to. A name that is not in the context of a decision reads as missing, never as a match.
import { compileCondition, type Operation, type Variable, type Vocabulary } from './expression/compile.ts';
import { plainFunctions } from './expression/functions.ts';
import { compilePattern, type PatternCache } from './pattern.ts';
import type { Labels, Subject, Traits } from './role.ts';

/** Something with a name and labels that a condition may look at. */
export interface Described {
  readonly name: string;
  readonly labels?: Labels | undefined;
}

export interface LabelContext {
  readonly user: Subject;
  readonly labels: Labels;
  readonly name?: string | undefined;
}

/** What a `where` may look at; leave out what the decision is not about. */
export interface WhereContext {
  readonly user: Subject;
  readonly resource?: Described | undefined;
  /** A recorded or live session, for session, session_tracker and ssh_session. */
  readonly session?:
    | {
        readonly user?: string;
        readonly login?: string;
        readonly participants: readonly string[];
        readonly labels?: Labels;
      }
    | undefined;
  readonly impersonateUser?: (Described & { readonly traits?: Traits | undefined }) | undefined;
  readonly impersonateRole?: Described | undefined;
  readonly request?:
    | {
        readonly user: string;
        readonly roles: readonly string[];
        readonly reason?: string;
        readonly annotations?: Traits;
      }
    | undefined;
  readonly reviewer?: Subject | undefined;
}

export type Condition<C> = (context: C) => boolean;

const NOTHING: readonly string[] = [];

/** A value of a map from outside, never one of its prototype. */
export function own<T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

const text = <C>(get: (context: C) => string | undefined): Variable<C> => ({ type: 'text', get });
const list = <C>(get: (context: C) => readonly string[] | undefined): Variable<C> => ({
  type: 'list',
  get: (context) => get(context) ?? NOTHING,
});
const texts = <C>(get: (context: C) => Labels | undefined): Variable<C> => ({
  type: 'texts',
  get: (context, key) => own(get(context), key),
});
const lists = <C>(get: (context: C) => Traits | undefined): Variable<C> => ({
  type: 'lists',
  get: (context, key) => own(get(context), key) ?? NOTHING,
});

function vocabulary<C>(
  variables: Readonly<Record<string, Variable<C>>>,
  more: readonly (readonly [string, Operation<C>])[] = [],
): Vocabulary<C> {
  const names = Object.keys(variables);
  return {
    names,
    variable: (path) => own(variables, path),
    functions: new Map([...plainFunctions<C>(), ...more]),
  };
}

function person<C>(prefix: string, get: (context: C) => Subject | undefined): Record<string, Variable<C>> {
  return {
    [`${prefix}.metadata.name`]: text((context) => get(context)?.name),
    [`${prefix}.spec.roles`]: list((context) => get(context)?.roles),
    [`${prefix}.spec.traits`]: lists((context) => get(context)?.traits),
    [`${prefix}.roles`]: list((context) => get(context)?.roles),
    [`${prefix}.traits`]: lists((context) => get(context)?.traits),
    [`${prefix}.name`]: text((context) => get(context)?.name),
  };
}

function described<C>(
  prefix: string,
  get: (context: C) => Described | undefined,
): Record<string, Variable<C>> {
  return {
    [`${prefix}.metadata.name`]: text((context) => get(context)?.name),
    [`${prefix}.metadata.labels`]: texts((context) => get(context)?.labels),
  };
}

const labelsMatching: Operation<LabelContext> = {
  parameters: ['literal'],
  build: ([key]) => {
    const pattern = compilePattern(key?.literal ?? '');
    return {
      type: 'list',
      run: (context) =>
        Object.entries(context.labels).flatMap(([name, value]) => (pattern.test(name) ? [value] : [])),
    };
  },
};

function labelVocabulary(): Vocabulary<LabelContext> {
  return vocabulary<LabelContext>(
    {
      labels: texts((context) => context.labels),
      'resource.metadata.labels': texts((context) => context.labels),
      'resource.metadata.name': text((context) => context.name),
      name: text((context) => context.name),
      ...person<LabelContext>('user', (context) => context.user),
    },
    [['labels_matching', labelsMatching]],
  );
}

function sessionVariables(prefix: string): Record<string, Variable<WhereContext>> {
  return {
    [`${prefix}.participants`]: list((context) => context.session?.participants),
    [`${prefix}.user`]: text((context) => context.session?.user),
    [`${prefix}.login`]: text((context) => context.session?.login),
    [`${prefix}.server_labels`]: texts((context) => context.session?.labels),
  };
}

function whereVocabulary(): Vocabulary<WhereContext> {
  return vocabulary<WhereContext>({
    ...person<WhereContext>('user', (context) => context.user),
    ...described<WhereContext>('resource', (context) => context.resource),
    ...sessionVariables('session'),
    ...sessionVariables('session_tracker'),
    ...sessionVariables('ssh_session'),
    ...described<WhereContext>('impersonate_user', (context) => context.impersonateUser),
    'impersonate_user.spec.traits': lists((context) => context.impersonateUser?.traits),
    ...described<WhereContext>('impersonate_role', (context) => context.impersonateRole),
    'request.user': text((context) => context.request?.user),
    'request.roles': list((context) => context.request?.roles),
    'request.reason': text((context) => context.request?.reason),
    'request.system_annotations': lists((context) => context.request?.annotations),
    'access_request.spec.user': text((context) => context.request?.user),
    'access_request.spec.roles': list((context) => context.request?.roles),
    'access_request.spec.request_reason': text((context) => context.request?.reason),
    ...person<WhereContext>('reviewer', (context) => context.reviewer),
  });
}

/** The same for every compiler: each check of a role makes one. */
const LABELS = labelVocabulary();
const WHERE = whereVocabulary();

/** Compiles conditions, each text once. One per compiled set of roles; not shared between threads. */
export interface PredicateCompiler {
  labels(source: string): Condition<LabelContext>;
  where(source: string): Condition<WhereContext>;
  readonly patterns: PatternCache;
}

/** BAD_REQUEST, with line and column and the nearest known name, from both methods of the result. */
export function createPredicateCompiler(): PredicateCompiler {
  return {
    labels: remember((source) => compileCondition(source, LABELS)),
    where: remember((source) => compileCondition(source, WHERE)),
    patterns: new Map(),
  };
}

function remember<T>(compile: (source: string) => T): (source: string) => T {
  const known = new Map<string, T>();
  return (source) => {
    const found = known.get(source) ?? compile(source);
    if (known.size >= 10_000) known.clear();
    known.set(source, found);
    return found;
  };
}
