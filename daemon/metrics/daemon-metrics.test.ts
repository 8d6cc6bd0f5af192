import { expect, it } from 'vitest';
import { openDaemonMetrics } from './daemon-metrics.ts';

it('ok: what the daemon counts: calls, feeds that are open, store and events; every line has the right form', () => {
  const metrics = openDaemonMetrics('0.1.0');
  const { observer } = metrics;
  observer.callBegan('GET /v1/watch');
  observer.callBegan('GET /v1/watch');
  observer.callBegan('GET /v1/ping');
  observer.callEnded('GET /v1/ping', 200, 3);
  expect(metrics.watchers()).toBe(2);
  observer.callEnded('GET /v1/watch', 200, 900_000);
  observer.stored({ call: 'get', durationMs: 1, code: undefined });
  observer.stored({ call: 'put', durationMs: 1, code: 'STORAGE_FULL' });
  observer.event('user.login');
  const text = metrics.render();
  for (const line of [
    'gatehouse_auth_calls_total{route="GET /v1/ping",status="200"} 1',
    'gatehouse_auth_calls_running{route="GET /v1/watch"} 1',
    'gatehouse_auth_call_seconds_count{route="GET /v1/ping"} 1',
    'gatehouse_store_call_seconds_count{call="get"} 1',
    'gatehouse_store_errors_total{call="put",code="STORAGE_FULL"} 1',
    'gatehouse_audit_events_total{type="user.login"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
  expect(text).not.toContain('gatehouse_auth_call_seconds_count{route="GET /v1/watch"}');
  for (const line of text.trimEnd().split('\n')) {
    expect(line).toMatch(/^# (HELP|TYPE) \w+ .+$|^\w+(\{(\w+="[^"]*",?)+\})? (\S+)$/);
  }
  metrics.close();
});
