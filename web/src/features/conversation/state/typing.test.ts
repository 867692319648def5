import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { senderOf } from './sender.ts';
import { Typists } from './typing.ts';

describe('who is typing', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is known until they say no more, send, or leave', () => {
    const onChange = vi.fn();
    const typists = new Typists(onChange);
    const names = () => typists.entries.map(({ username }) => username);
    typists.heard({ userId: 'a', username: 'ada' });
    typists.heard({ userId: 'b', username: 'bob' });
    expect(names()).toEqual(['ada', 'bob']);
    vi.advanceTimersByTime(5000);
    typists.heard({ userId: 'a', username: 'ada' });
    expect(onChange).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(2000);
    expect(names()).toEqual(['ada']);
    typists.remove('a');
    expect(names()).toEqual([]);
    typists.remove(null);
    expect(onChange).toHaveBeenCalledTimes(4);
  });

  it('tells nobody after it has stopped', () => {
    const onChange = vi.fn();
    const typists = new Typists(onChange);
    typists.heard({ userId: 'a', username: 'ada' });
    typists.stop();
    vi.advanceTimersByTime(60_000);
    expect(onChange).toHaveBeenCalledTimes(1);
  });
});

describe('the sender of a message', () => {
  const name = (id: string) => `name of ${id}`;

  it('is nobody to be named when it is the reader', () => {
    expect(senderOf({ sender_id: 'me' }, 'me', name)).toBeNull();
    expect(senderOf({ sender_id: 'other' }, 'me', name)).toBe('name of other');
  });

  it('has the name that an import kept, when there is no account here', () => {
    expect(senderOf({ sender_id: null, message_metadata: { parley_import: { sender: 'carol' } } }, 'me', name)).toBe('carol');
    expect(senderOf({ sender_id: null, message_metadata: { parley_import: { sender: 7 } } }, 'me', name)).toBeNull();
    expect(senderOf({ sender_id: null, message_metadata: null }, 'me', name)).toBeNull();
  });
});
