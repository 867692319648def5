import { expect, test, vi } from 'vitest';
import { BufferedReader } from './byte-reader.ts';
import { HttpFault } from './faults.ts';

function reader() {
  const flow = { pause: vi.fn(), resume: vi.fn(), destroy: vi.fn() };
  return { flow, bytes: new BufferedReader(flow) };
}

test('hands over what has come together, then the end', async () => {
  const { bytes } = reader();
  bytes.data(Buffer.from('a'));
  bytes.data(Buffer.from('b'));
  expect(await bytes.next()).toEqual([Buffer.from('a'), Buffer.from('b')]);
  const waiting = bytes.next();
  bytes.data(Buffer.from('c'));
  expect(await waiting).toEqual([Buffer.from('c')]);
  bytes.end();
  expect(await bytes.next()).toBeNull();
});

test('hands over what came before a fault, then the fault', async () => {
  const { bytes } = reader();
  bytes.data(Buffer.from('a'));
  bytes.fail(new HttpFault('cut', 'gone'));
  expect(await bytes.next()).toEqual([Buffer.from('a')]);
  await expect(bytes.next()).rejects.toThrow('gone');
});

test('pauses the connection when a megabyte waits, and goes on when it was taken', async () => {
  const { flow, bytes } = reader();
  for (let count = 0; count < 17; count += 1) bytes.data(Buffer.alloc(65_536));
  expect(flow.pause).toHaveBeenCalledOnce();
  expect(await bytes.next()).toHaveLength(17);
  expect(flow.resume).toHaveBeenCalledOnce();
});

test('reads a bounded text', async () => {
  const { flow, bytes } = reader();
  bytes.data(Buffer.from('too long'));
  await expect(bytes.text(5)).rejects.toThrow('more than 5 bytes');
  expect(flow.destroy).toHaveBeenCalledOnce();
});

test('once released, throws away what still comes, but not for ever', async () => {
  vi.useFakeTimers();
  try {
    const { flow, bytes } = reader();
    bytes.release();
    bytes.data(Buffer.alloc(60_000));
    expect(flow.destroy).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(flow.destroy).toHaveBeenCalledOnce();
    const other = reader();
    other.bytes.release();
    other.bytes.data(Buffer.alloc(70_000));
    expect(other.flow.destroy).toHaveBeenCalledOnce();
  } finally {
    vi.useRealTimers();
  }
});

test('closes nothing that has ended', () => {
  const { flow, bytes } = reader();
  bytes.end();
  bytes.close();
  bytes.release();
  expect(flow.destroy).not.toHaveBeenCalled();
});
