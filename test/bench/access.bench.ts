// How fast decisions are: one login on one server, and the list of the servers a user may see, with 100 roles and
// 10,000 servers; beside a plain evaluation of each role as it is written. Run it: node test/bench/access.bench.ts
import { compileAccess } from '#core/access/compile.ts';
import { decideSsh, filterNodes } from '#core/access/decide.ts';
import { compileSelector, matchesSelector } from '#core/access/labels.ts';
import type { AccessRole, LabelSelector, Labels } from '#core/access/role.ts';
import type { Target } from '#core/access/target.ts';

const ROLES = 100;
const NODES = 10_000;
const ROUNDS = 15;
const ENVIRONMENTS = ['prod', 'stage', 'dev', 'qa'];
const REGIONS = ['us-west-1', 'us-east-1', 'eu-central-1', 'ap-south-1'];

const pick = <T>(list: readonly T[], at: number): T => list[at % list.length] as T;

/** A third each of plain values, globs and expressions; one role in ten denies. */
const roles: AccessRole[] = Array.from({ length: ROLES }, (_, i) => {
  const team = `team-${i % 40}`;
  const selector: LabelSelector = [
    { env: [pick(ENVIRONMENTS, i)], team: [team] },
    { region: ['us-*'], team: [team, `${team}-x`] },
    { region: ['^(us|eu)-[a-z]+-[0-9]$'], team: [`^${team}(-[a-z]+)?$`], env: ['*'] },
  ][i % 3] as LabelSelector;
  const deny = i % 10 === 9 ? { node_labels: { env: ['prod'], team: [`team-${(i * 7) % 200}`] } } : {};
  return {
    name: `role-${i}`,
    allow: { logins: [`login-${i}`, 'deploy'], node_labels: selector },
    deny,
    options: {},
  };
});

const nodes: Target[] = Array.from({ length: NODES }, (_, i) => ({
  name: `node-${i}`,
  labels: {
    env: pick(ENVIRONMENTS, i * 3),
    region: pick(REGIONS, i * 5),
    team: `team-${i % 200}`,
    host: `host-${i}`,
    kernel: `6.${i % 9}.${i % 50}`,
  },
}));

function naiveSelect(selector: LabelSelector | undefined, labels: Labels): boolean {
  const entries = Object.entries(selector ?? {});
  return (
    entries.length > 0 &&
    entries.every(([key, values]) => values.some((value) => naiveMatch(value, labels[key])))
  );
}

function naiveMatch(pattern: string, value: string | undefined): boolean {
  if (value === undefined) return false;
  if (pattern === '*') return true;
  if (pattern.startsWith('^')) return new RegExp(pattern, 'u').test(value);
  const source = pattern
    .split('*')
    .map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`))
    .join('.*');
  return new RegExp(`^${source}$`, 'u').test(value);
}

function naiveFilter(): Target[] {
  return nodes.filter(
    ({ labels }) =>
      !roles.some((role) => naiveSelect(role.deny.node_labels, labels)) &&
      roles.some((role) => naiveSelect(role.allow.node_labels, labels)),
  );
}

/** The same loop with everything prepared, but without the index. */
const prepared = roles.map((role) => ({
  allow: compileSelector(role.allow.node_labels ?? {}, {}, 'allow'),
  deny: compileSelector(role.deny.node_labels ?? {}, {}, 'deny'),
}));

function loopFilter(): Target[] {
  return nodes.filter(
    ({ labels }) =>
      !prepared.some(({ deny }) => matchesSelector(deny, labels)) &&
      prepared.some(({ allow }) => matchesSelector(allow, labels)),
  );
}

/** Median milliseconds of `rounds` runs. */
function median(rounds: number, work: () => void): number {
  const times = Array.from({ length: rounds }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  }).sort((a, b) => a - b);
  return times[times.length >> 1] ?? 0;
}

const subject = { name: 'joe', roles: roles.map(({ name }) => name), traits: {} };
const set = compileAccess(roles, subject);
const expected = naiveFilter().map(({ name }) => name);
const found = filterNodes(nodes, set).map(({ name }) => name);
if (expected.join() !== found.join() || expected.length !== loopFilter().length)
  throw new Error('the two ways disagree');

const compile = median(ROUNDS, () => void compileAccess(roles, subject));
const cold = median(ROUNDS, () => void filterNodes(nodes, compileAccess(roles, subject)));
const warm = median(ROUNDS, () => void filterNodes(nodes, set));
const naive = median(3, () => void naiveFilter());
const loop = median(3, () => void loopFilter());
const DECISIONS = 2000;
const visible = filterNodes(nodes, set);
const decide = (targets: readonly Target[], login: string): number =>
  (DECISIONS /
    median(ROUNDS, () => {
      for (let i = 0; i < DECISIONS; i++) decideSsh(set, { node: pick(targets, i * 37), login });
    })) *
  1000;

console.log(`${ROLES} roles, ${NODES} servers, ${found.length} visible; medians of ${ROUNDS}`);
console.log(`compile the roles              ${compile.toFixed(2)} ms`);
console.log(`filter the list, first time    ${cold.toFixed(2)} ms (with compiling)`);
console.log(`filter the list, again         ${warm.toFixed(2)} ms`);
console.log(
  `filter without compiling       ${naive.toFixed(0)} ms (${(naive / warm).toFixed(0)} times as long)`,
);
console.log(
  `filter without the index       ${loop.toFixed(0)} ms (${(loop / warm).toFixed(0)} times as long)`,
);
console.log(`decisions, allowed             ${decide(visible, 'deploy').toFixed(0)} a second`);
console.log(`decisions, refused with reasons ${decide(nodes, 'nobody').toFixed(0)} a second`);
