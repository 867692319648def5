import { Writable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import { ParleyError } from '../errors.ts';
import type { Component, LogLevel } from './components.ts';
import { createLog } from './log.ts';
import { createLogs, type Logs } from './logs.ts';
import { currentPlace } from './trace.ts';
import { keptTraces, mostSpans, Tracer, watchMethods } from './tracer.ts';
import { readTraceParent } from './traceparent.ts';

let lines: Record<string, unknown>[];
let logs: Logs;
let tracer: Tracer;
let time: number;

beforeEach(() => {
  lines = [];
  time = 1000;
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  logs = createLogs(createLog('info', destination));
  tracer = new Tracer({ clock: { now: () => 5_000_000 + time, monotonic: () => time }, logs });
});

const everything = new Set<Component>(['http', 'chat', 'ai', 'storage', 'sockets']);
const trace = (): void => tracer.watch({ traces: everything, performance: new Set() });
const raise = (...levels: [Component, LogLevel][]): void => {
  logs.setLevels(logs.base, new Map(levels));
  tracer.watch(tracer.watching);
};
const later = async <Value>(value: Value): Promise<Value> => {
  await new Promise(setImmediate);
  time += 10;
  return value;
};

describe('Logs of components', () => {
  test('carry their name, and write what is below the usual level only where they are told to', () => {
    const write = (): void => {
      for (const component of ['ai', 'chat', 'http'] as const) {
        logs.of(component).debug('a detail');
        logs.of(component).info('an event');
      }
    };
    raise(['ai', 'trace'], ['http', 'error']);
    write();
    expect(lines.map(({ component, level }) => [component, level])).toEqual([['ai', 'debug'], ['ai', 'info'], ['chat', 'info']]);
    expect([logs.level('ai'), logs.level('chat'), logs.level('http')]).toEqual(['trace', 'info', 'error']);
    raise();
    lines.length = 0;
    write();
    expect(lines.map(({ component, level }) => [component, level])).toEqual([['ai', 'info'], ['chat', 'info'], ['http', 'info']]);
  });

  test('put an empty function in the place of what they do not write', () => {
    const quiet = logs.of('ai').debug;
    expect(quiet).toBe(logs.of('chat').debug);
    raise(['ai', 'debug']);
    expect(logs.of('ai').debug).not.toBe(quiet);
    expect(logs.of('chat').debug).toBe(quiet);
  });
});

describe('A tracer', () => {
  test('does the work and nothing else while nobody watches', async () => {
    expect(tracer.begin('http', 'GET /')).toBeNull();
    expect(await tracer.span('ai', 'reply', () => later(7))).toBe(7);
    const items = (async function* () { yield 1; })();
    expect(tracer.spanOver('ai', 'reply', items, () => 'ok')).toBe(items);
    expect([tracer.active, lines, tracer.traces(10), currentPlace.getStore()]).toEqual([false, [], [], undefined]);
  });

  test('keeps what is done for a request, one in the other, with times and outcomes', async () => {
    trace();
    const open = tracer.begin('http', 'POST /chat', { requestId: 'r1' })!;
    await open.run(() => tracer.span('chat', 'send', async () => {
      await tracer.span('storage', 'write', () => later(null));
      await expect(tracer.span('ai', 'reply', () => later(null).then(() => { throw new ParleyError('provider_timeout'); }))).rejects.toThrow();
    }));
    open.end('ok', 200);
    expect(tracer.trace('r1')).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/), parentId: null, requestId: 'r1', component: 'http', name: 'POST /chat', startedAt: 5_001_000, durationMs: 20, outcome: 'ok', status: 200, droppedSpans: 0,
      spans: [
        { component: 'chat', name: 'send', within: null, startMs: 0, durationMs: 20, outcome: 'ok' },
        { component: 'storage', name: 'write', within: 0, startMs: 0, durationMs: 10, outcome: 'ok' },
        { component: 'ai', name: 'reply', within: 0, startMs: 10, durationMs: 10, outcome: 'provider_timeout' },
      ],
    });
  });

  test('tells requests at the same time apart, and names the trace in their lines', async () => {
    trace();
    await Promise.all(['one', 'two'].map((name) => tracer.begin('http', name, { requestId: name })!.run(() => tracer.span('chat', name, async () => {
      await later(null);
      await tracer.span('ai', name, () => later(null));
      logs.of('chat').info(name);
    }))));
    for (const name of ['one', 'two']) {
      const found = tracer.trace(name)!;
      expect(found.spans.map((span) => [span.component, span.name, span.within])).toEqual([['chat', name, null], ['ai', name, 0]]);
      expect(lines.find(({ msg }) => msg === name)).toMatchObject({ component: 'chat', traceId: found.id });
    }
  });

  test('keeps steps of the named components only', async () => {
    tracer.watch({ traces: new Set(['ai']), performance: new Set() });
    await tracer.begin('http', 'x', { requestId: 'x' })!.run(() => tracer.span('chat', 'send', () => tracer.span('ai', 'reply', () => later(1))));
    expect(tracer.trace('x')!.spans.map((span) => [span.component, span.within])).toEqual([['ai', null]]);
  });

  test('says how long the steps of the named components take, without keeping them', async () => {
    tracer.watch({ traces: new Set(), performance: new Set(['ai']) });
    await tracer.span('ai', 'reply', () => later(1));
    await tracer.span('chat', 'send', () => later(1));
    expect(lines).toEqual([expect.objectContaining({ component: 'ai', step: 'reply', ms: 10, outcome: 'ok', msg: 'performance' })]);
    expect(tracer.traces(10)).toEqual([]);
  });

  test('follows what comes in pieces to its end, or to where its reader has left it', async () => {
    trace();
    const outcome = (last: string | undefined): string | null => (last === 'end' ? 'ok' : null);
    const pieces = async function* (): AsyncGenerator<string> {
      yield 'a';
      yield 'end';
    };
    const read = async (until: string): Promise<void> => {
      for await (const piece of tracer.spanOver('ai', 'reply', pieces(), outcome)) if (piece === until) return;
    };
    await tracer.begin('http', 'x', { requestId: 'x' })!.run(async () => {
      await read('none');
      await read('end');
      await read('a');
    });
    expect(tracer.trace('x')!.spans.map((span) => span.outcome)).toEqual(['ok', 'ok', 'cancelled']);
  });

  test('has bounds: the newest traces, and so many steps of each', async () => {
    trace();
    for (let count = 0; count < keptTraces + 5; count += 1) tracer.begin('http', `${count}`);
    expect([tracer.traces(10_000).length, tracer.traces(1)[0]!.name]).toEqual([keptTraces, `${keptTraces + 4}`]);
    await tracer.begin('http', 'many', { requestId: 'many' })!.run(async () => {
      for (let count = 0; count < mostSpans + 3; count += 1) await tracer.span('ai', 'step', async () => count);
    });
    expect([tracer.trace('many')!.spans.length, tracer.trace('many')!.droppedSpans]).toEqual([mostSpans, 3]);
  });

  test('sees methods of parts whoever calls them', async () => {
    trace();
    class Part {
      readonly #secret = 6;
      async multiply(by: number): Promise<number> {
        return this.#secret * by;
      }
      both(): Promise<number> {
        return this.multiply(2);
      }
    }
    const part = new Part();
    watchMethods(tracer, 'storage', part, ['multiply']);
    expect(await tracer.begin('http', 'x', { requestId: 'x' })!.run(() => part.both())).toBe(12);
    expect(tracer.trace('x')!.spans.map((span) => span.name)).toEqual(['multiply']);
  });
});

describe('The header traceparent', () => {
  const [id, span] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];

  test.each([`00-${id}-${span}-01`, `00-${id}-${span}-00`, `01-${id}-${span}-01-more`, `cc-${id}-${span}-01`])('is taken when it is well-formed: %s', (header) => {
    expect(readTraceParent(header)).toEqual({ traceId: id, parentId: span });
  });

  test.each([
    undefined, '', 'x', `00-${id}-${span}`, `00-${id}-${span}-01-more`, `ff-${id}-${span}-01`, `00-${id.toUpperCase()}-${span}-01`, `00-${'0'.repeat(32)}-${span}-01`, `00-${id}-${'0'.repeat(16)}-01`,
    `0-${id}-${span}-01`, `00-${id}0-${span}-01`, [`00-${id}-${span}-01`], `01-${id}-${span}-01-${'x'.repeat(600)}`, `00-${id}-${span}-01\n`,
  ])('begins a new trace when it is not: %j', (header) => {
    expect(readTraceParent(header)).toBeNull();
  });
});
