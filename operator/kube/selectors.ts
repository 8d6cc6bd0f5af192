// Label and field selectors as the API server reads them, for the fake. Apart because they are pure and say exactly which
// part of the language is understood.
import { GatehouseError } from '#core/errors/error.ts';
import type { KubeObject, Selection } from './kube.ts';

type Labels = Readonly<Record<string, string>>;

const IN_SET = /^\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*$/;
const COMPARISON = /^\s*([^\s=!]+)\s*(==|=|!=)\s*([^\s=!]*)\s*$/;
const EXISTS = /^\s*(!?)\s*([^\s=!()]+)\s*$/;

/** Whether `object` is among what `selection` asks for. BAD_REQUEST when the selector is not understood. */
export function isSelected(object: KubeObject, selection: Selection): boolean {
  const { namespace, labelSelector = '', fieldSelector = '' } = selection;
  if (namespace !== undefined && object.metadata.namespace !== namespace) return false;
  const labels = object.metadata.labels ?? {};
  return (
    termsOf(labelSelector).every((term) => matchesLabel(labels, term)) &&
    termsOf(fieldSelector).every((term) => matchesField(object, term))
  );
}

/** Commas inside of parentheses belong to their term. */
function termsOf(selector: string): readonly string[] {
  return selector.trim() === '' ? [] : selector.split(/,(?![^(]*\))/);
}

function matchesLabel(labels: Labels, term: string): boolean {
  const set = IN_SET.exec(term);
  if (set !== null) {
    const [, name = '', operator, values = ''] = set;
    const has = values.split(',').some((value) => value.trim() === labels[name]);
    return operator === 'in' ? has : !has;
  }
  const comparison = COMPARISON.exec(term);
  if (comparison !== null) {
    const [, name = '', operator, value] = comparison;
    return (labels[name] === value) === (operator !== '!=');
  }
  const exists = EXISTS.exec(term);
  if (exists === null) throw notUnderstood(term);
  const [, not, name = ''] = exists;
  return (labels[name] !== undefined) === (not === '');
}

function matchesField(object: KubeObject, term: string): boolean {
  const [, name, operator, value] = COMPARISON.exec(term) ?? [];
  if (name !== 'metadata.name' && name !== 'metadata.namespace') throw notUnderstood(term);
  const found = name === 'metadata.name' ? object.metadata.name : object.metadata.namespace;
  return (found === value) === (operator !== '!=');
}

function notUnderstood(term: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `the selector ${JSON.stringify(term)} is not understood`);
}
