import { expect, it } from 'vitest';
import { Registry } from './registry.ts';

it('ok: counters, gauges and histograms in the text form', () => {
  const registry = new Registry();
  const calls = registry.counter('calls_total', 'Calls.');
  calls.add({ route: 'GET /a', status: '200' });
  calls.add({ route: 'GET /a', status: '200' }, 2);
  registry.gauge('up', 'Whether.', () => 1);
  registry.gauge('by', 'Some.', () => [
    [{ x: 'a"b\\c\nd' }, Number.POSITIVE_INFINITY],
    [{ x: 'n' }, Number.NaN],
  ]);
  const seconds = registry.histogram('seconds', 'Time.', [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) seconds.observe(value);
  expect(registry.render()).toBe(`# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{route="GET /a",status="200"} 3
# HELP up Whether.
# TYPE up gauge
up 1
# HELP by Some.
# TYPE by gauge
by{x="a\\"b\\\\c\\nd"} +Inf
by{x="n"} NaN
# HELP seconds Time.
# TYPE seconds histogram
seconds_bucket{le="0.1"} 2
seconds_bucket{le="1"} 3
seconds_bucket{le="+Inf"} 4
seconds_sum 7.65
seconds_count 4
`);
});

it('S33 ok: however many values a label takes, the series are bounded and nothing is lost', () => {
  const registry = new Registry();
  const counter = registry.counter('c', 'C.');
  for (let i = 0; i < 5000; i++) counter.add({ path: `/${i}` });
  const lines = registry
    .render()
    .split('\n')
    .filter((line) => line.startsWith('c{'));
  expect(lines.length).toBeLessThanOrEqual(1001);
  expect(lines.at(-1)).toBe('c{path="other"} 4000');
});
