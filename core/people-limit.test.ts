import { expect, test } from 'vitest';
import { PeopleLimit } from './people-limit.ts';

test('ok: different people up to the limit, each as often as they may', () => {
  const limit = new PeopleLimit(2);
  const leave = limit.take('ann');
  limit.take('ann', 2);
  limit.take('bob');
  expect(limit.users).toBe(2);
  expect(() => limit.take('ann', 2)).toThrow('you have 2 connections to this server, and 2 are allowed');
  expect(() => limit.take('cid')).toThrow('max_users');
  leave();
  leave();
  expect(() => limit.requireSeat('ann', 1)).toThrow('you have 1 connections');
  expect(() => limit.requireSeat('cid')).toThrow('max_users');
});

test('ok: a seat that was given back is there for somebody else', () => {
  const limit = new PeopleLimit(1);
  limit.take('ann')();
  expect(limit.users).toBe(0);
  limit.take('bob');
});
