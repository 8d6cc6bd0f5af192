import { expect, test } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { formatError } from './error.ts';

const plain = { asJson: false, withCauses: false, colours: false };

test('ok: one line of what is wrong, one of what to do', () => {
  const { text, exitCode } = formatError(new GatehouseError('NOT_FOUND', 'there is no role "x"'), plain);
  expect(text).toBe('ERROR: there is no role "x"\n  List what exists with `gatectl get KIND`.\n');
  expect(exitCode).toBe(1);
});

test('ok: a wrong command line has exit code 2', () => {
  expect(formatError(new GatehouseError('USAGE', 'x'), plain).exitCode).toBe(2);
});

test('ok: the remedy of this very error wins; the denial id is shown', () => {
  const error = new GatehouseError('ACCESS_DENIED', 'no', {
    details: { remedy: 'Ask joe.', denial_id: 'd-1' },
  });
  expect(formatError(error, plain).text).toBe('ERROR: no\n  Ask joe.\n  Denial id: d-1\n');
});

test('ok: JSON is one line that parses, with code and details', () => {
  const error = new GatehouseError('NOT_FOUND', 'a\nb', { details: { field: 'x' } });
  const { text } = formatError(error, { ...plain, asJson: true });
  expect(text.split('\n')).toHaveLength(2);
  expect(JSON.parse(text)).toMatchObject({
    error: { code: 'NOT_FOUND', message: 'a\nb', details: { field: 'x' } },
  });
});

test('ok: -d adds the chain of causes', () => {
  const error = new GatehouseError('UNAVAILABLE', 'out', {
    cause: new GatehouseError('INTERNAL', 'in', { cause: new Error('deep') }),
  });
  const { text } = formatError(error, { ...plain, withCauses: true });
  expect(text).toContain('  caused by: INTERNAL in\n');
  expect(text).toContain('  caused by: Error: deep\n');
});

test('S27 a hostile message reaches the terminal without control characters and cannot fake a line', () => {
  const error = new GatehouseError('NOT_FOUND', 'x\u001b[2J\u009b1m\r\nERROR: no\nDone\u202e', {
    details: { denial_id: '\u001b]0;title\u0007' },
  });
  const { text } = formatError(error, plain);
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u);
  expect(
    text
      .split('\n')
      .slice(1, -1)
      .every((line) => line.startsWith('  ')),
  ).toBe(true);
});

test('ok: an error that is not ours is called a bug', () => {
  const { text, exitCode } = formatError(new TypeError('x is not a function'), plain);
  expect(text).toContain('ERROR: internal error: x is not a function\n');
  expect(exitCode).toBe(1);
});

test('S27 ok: as JSON as well, nothing of a server moves the cursor of a terminal', () => {
  const error = new GatehouseError('UNAVAILABLE', 'a\u009b2Jb\u202ec', { cause: new Error('\u009b2J') });
  const { text } = formatError(error, { asJson: true, withCauses: true, colours: false });
  expect(text).not.toMatch(/[\u0080-\u009f\u202e]/);
  expect(JSON.parse(text)).toMatchObject({ error: { message: 'a\u009b2Jb\u202ec' } });
});
