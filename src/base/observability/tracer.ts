import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { asParleyError, ParleyError } from '../errors.ts';
import { components, type Component } from './components.ts';
import type { Logs } from './logs.ts';
import { currentPlace, type Span, type Trace } from './trace.ts';
import { readTraceParent } from './traceparent.ts';

/** Traces that are kept; the oldest gives way. */
export const keptTraces = 500;
/** Spans of one trace; more are only counted. */
export const mostSpans = 200;

/** What is watched. */
export interface Watching {
  /** Components whose steps are kept with the requests that they are done for; with any, requests leave traces. */
  traces: ReadonlySet<Component>;
  /** Components of which each step is logged with the time it took. */
  performance: ReadonlySet<Component>;
}

/** A trace that goes on. */
export interface OpenTrace {
  readonly id: string;
  /** Runs `work` as part of the trace. */
  run<Result>(work: () => Result): Result;
  end(outcome: string, status?: number): void;
}

export interface TracerParts {
  clock: Clock;
  logs: Logs;
}

/**
 * Sees what the parts of the server do for a request. Off, which is the usual state, `span` is one comparison more than the
 * call itself. It writes a line for each step of a component whose log takes `debug`, and, when told to, keeps the steps of
 * each request. It knows names from the code, times and codes of errors: nothing that was said or sent.
 */
export class Tracer {
  readonly #clock: Clock;
  readonly #logs: Logs;
  #watching: Watching = { traces: new Set(), performance: new Set() };
  #active: boolean;
  /** The newest is the last. */
  readonly #traces: Trace[] = [];

  constructor({ clock, logs }: TracerParts) {
    this.#clock = clock;
    this.#logs = logs;
    this.#active = logs.hasDebug;
  }

  /** Whether anything is looked at. */
  get active(): boolean {
    return this.#active;
  }

  get watching(): Watching {
    return this.#watching;
  }

  /** Also to be called when levels of the logs have changed. Ending to trace keeps what there is. */
  watch(watching: Watching): void {
    this.#watching = watching;
    this.#active = watching.traces.size > 0 || watching.performance.size > 0 || this.#logs.hasDebug;
  }

  /** Begins the trace of a request; null while requests leave none. @param traceparent the header, as it came */
  begin(component: Component, name: string, { requestId = null, traceparent }: { requestId?: string | null; traceparent?: unknown } = {}): OpenTrace | null {
    if (this.#watching.traces.size === 0) return null;
    const parent = readTraceParent(traceparent);
    const trace: Trace = {
      id: parent?.traceId ?? randomBytes(16).toString('hex'), parentId: parent?.parentId ?? null, requestId, component, name,
      startedAt: this.#clock.now(), durationMs: null, outcome: null, status: null, spans: [], droppedSpans: 0,
    };
    began.set(trace, this.#clock.monotonic());
    this.#traces.push(trace);
    if (this.#traces.length > keptTraces) this.#traces.shift();
    return {
      id: trace.id,
      run: (work) => currentPlace.run({ trace, within: null }, work),
      end: (outcome, status) => {
        trace.durationMs = this.#since(trace);
        trace.outcome = outcome;
        trace.status = status ?? null;
      },
    };
  }

  /** An event that begins by itself, such as a frame of a socket: a trace of its own while requests leave any. */
  async event<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    if (!this.#active) return work();
    const trace = this.begin('sockets', name);
    if (!trace) return await this.span('sockets', name, work);
    try {
      const result = await trace.run(() => this.span('sockets', name, work));
      trace.end('ok');
      return result;
    } catch (thrown) {
      trace.end(outcomeOf(thrown));
      throw thrown;
    }
  }

  /**
   * Does `work` as a step of a component.
   * @param name words of the code, never from outside
   */
  span<Result>(component: Component, name: string, work: () => Promise<Result>): Promise<Result> {
    if (!this.#active) return work();
    return this.#seen(component, name, work);
  }

  /** The same for what comes in pieces; `outcome` reads how it ended from the last of them, null where that was not the end. */
  spanOver<Item>(component: Component, name: string, items: AsyncIterable<Item>, outcome: (last: Item | undefined) => string | null): AsyncIterable<Item> {
    if (!this.#active) return items;
    return this.#seenOver(component, name, items, outcome);
  }

  /** Newest first. */
  traces(limit: number, component?: Component): readonly Trace[] {
    const fitting = component === undefined ? this.#traces : this.#traces.filter((trace) => trace.component === component || trace.spans.some((span) => span.component === component));
    return fitting.slice(-limit).reverse();
  }

  /** By its own id or that of the request. Several requests may belong to one trace of the caller: the newest. */
  trace(id: string): Trace | null {
    return this.#traces.findLast((trace) => trace.id === id || trace.requestId === id) ?? null;
  }

  async #seen<Result>(component: Component, name: string, work: () => Promise<Result>): Promise<Result> {
    const step = this.#begin(component, name);
    try {
      const result = await (step.place ? currentPlace.run(step.place, work) : work());
      step.end('ok');
      return result;
    } catch (thrown) {
      step.end(outcomeOf(thrown));
      throw thrown;
    }
  }

  async *#seenOver<Item>(component: Component, name: string, items: AsyncIterable<Item>, outcome: (last: Item | undefined) => string | null): AsyncGenerator<Item> {
    const step = this.#begin(component, name);
    let last: Item | undefined;
    let ended: string | null = null;
    try {
      for await (const item of items) {
        last = item;
        yield item;
      }
    } catch (thrown) {
      ended = outcomeOf(thrown);
      throw thrown;
    } finally {
      // Whoever reads the last piece and no further has got everything.
      step.end(ended ?? outcome(last) ?? 'cancelled');
    }
  }

  #begin(component: Component, name: string): { place: { trace: Trace; within: number } | null; end(outcome: string): void } {
    const started = this.#clock.monotonic();
    const here = this.#watching.traces.has(component) ? currentPlace.getStore() : undefined;
    let span: Span | null = null;
    if (here && here.trace.spans.length < mostSpans) {
      span = { component, name, within: here.within, startMs: this.#since(here.trace), durationMs: null, outcome: null };
      here.trace.spans.push(span);
    } else if (here) here.trace.droppedSpans += 1;
    return {
      place: here && span ? { trace: here.trace, within: here.trace.spans.length - 1 } : null,
      end: (outcome) => {
        const ms = rounded(this.#clock.monotonic() - started);
        if (span) Object.assign(span, { durationMs: ms, outcome });
        this.#log(component, { step: name, outcome }, ms);
      },
    };
  }

  #log(component: Component, facts: { step: string; outcome: string }, ms: number): void {
    if (this.#watching.performance.has(component)) this.#logs.always(component).info({ ...facts, ms }, 'performance');
    else this.#logs.of(component).debug({ ...facts, ms }, 'step');
  }

  #since(trace: Trace): number {
    return rounded(this.#clock.monotonic() - began.get(trace)!);
  }
}

/** By the clock that never jumps. */
const began = new WeakMap<Trace, number>();

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

function outcomeOf(thrown: unknown): string {
  return thrown instanceof ParleyError ? thrown.code : asParleyError(thrown).code;
}

/**
 * Makes each call of these methods a step. The part is changed in place, so that whoever holds it already is seen, too. For the one
 * place that makes the parts; the parts themselves know nothing of it.
 */
export function watchMethods<Part extends object>(tracer: Tracer, component: Component, part: Part, names: readonly (keyof Part & string)[]): void {
  const methods = part as Record<string, unknown>;
  for (const name of names) {
    const original = methods[name] as (...given: unknown[]) => Promise<unknown>;
    methods[name] = (...given: unknown[]) => (tracer.active ? tracer.span(component, name, () => original.apply(part, given)) : original.apply(part, given));
  }
}

export function isComponent(name: string): name is Component {
  return (components as readonly string[]).includes(name);
}
