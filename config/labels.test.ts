import { describe, expect, it } from 'vitest';
import { commandComplaint, labelNameComplaint, parseLabelsFlag } from './labels.ts';

describe('parseLabelsFlag', () => {
  it('ok: as documented', () => {
    expect(parseLabelsFlag('uptime=[1m:"uptime -p"],kernel=[1h:"uname -r"],env=prod')).toEqual({
      labels: { env: 'prod' },
      commands: [
        { name: 'uptime', command: ['uptime', '-p'], periodMs: 60_000 },
        { name: 'kernel', command: ['uname', '-r'], periodMs: 3_600_000 },
      ],
    });
  });

  it.each([
    ['a=b', { a: 'b' }],
    ['a=', { a: '' }],
    ['a="x,y=z"', { a: 'x,y=z' }],
    [' a = b , c=d ', { a: 'b', c: 'd' }],
    ['a=b=c', { a: 'b=c' }],
    ['example.com/team=web', { 'example.com/team': 'web' }],
  ])('ok: %s', (text, labels) => expect(parseLabelsFlag(text)).toEqual({ labels, commands: [] }));

  it.each([
    ['x=[5m:date]', ['date']],
    ['x=[5m:/bin/date]', ['/bin/date']],
    [`x=[5m:"/bin/sh -c 'uname -a | wc -l'"]`, ['/bin/sh', '-c', 'uname -a | wc -l']],
    ['x=[1h30m:"echo a,b]"]', ['echo', 'a,b]']],
  ])('ok: the command of %s', (text, command) => {
    expect(parseLabelsFlag(text).commands[0]?.command).toEqual(command);
  });

  it.each([
    ['', 'must be name=value'],
    ['a', 'must be name=value'],
    ['a=b,', 'must be name=value'],
    ['=b', 'is not the name of a label'],
    ['a b=c', 'is not the name of a label'],
    ['__proto__=c', 'is not the name of a label'],
    ['a=1,a=2', 'the label "a" is there twice'],
    ['a=1,a=[1m:date]', 'the label "a" is there twice'],
    ['a=[date]', 'must be written a=[1h:"command with arguments"]'],
    ['a=[1m:""]', 'has an empty command'],
    ['a=[30s:date]', 'must be at least 1m'],
    ['a=[often:date]', 'is not a duration'],
    ['a=[1m:"date]', 'is not closed'],
    ['a=[1m:date', 'is not closed'],
    [`a=${'x'.repeat(70_000)}`, 'too long'],
  ])('refuses: %s', (text, message) => {
    expect(() => parseLabelsFlag(text)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(message) as string }),
    );
  });

  it('S33 ok: hostile text takes linear time', () => {
    const started = performance.now();
    for (const unit of ['[', '"', "'", '=', ',', ' ', 'a=[1m:', ': ']) {
      expect(() => parseLabelsFlag(`a=[1m:x${unit.repeat(20_000 / unit.length)}`)).toThrow();
      expect(() => parseLabelsFlag(`a=[1m:x${unit.repeat(20_000 / unit.length)}]=`)).toThrow();
    }
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

it.each([
  [['/bin/uname', '-m'], undefined],
  [['hostname'], undefined],
  [['/bin/uname -m'], 'must list the program and each argument apart'],
  [[], 'must name a program'],
  [[''], 'must name a program'],
])('S22 the command %j', (command, complaint) => {
  if (complaint === undefined) expect(commandComplaint(command)).toBeUndefined();
  else expect(commandComplaint(command)).toContain(complaint);
});

it.each(['a b', '', 'a\n', 'a=b', 'a,b', 'x'.repeat(300), '__proto__', '\u202Eabc'])(
  'refuses: the label name %j',
  (name) => {
    expect(labelNameComplaint(name)).toContain('is not the name of a label');
  },
);
