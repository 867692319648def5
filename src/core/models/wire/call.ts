import type { ReplyError, ReplyEvent } from '../types.ts';
import type { HttpAnswer, HttpClient, HttpRequest } from './client.ts';
import { HttpFault, ReplyFault, toParleyError, toReplyError } from './faults.ts';

/** A service as calls need to know it. */
export interface Service {
  client: HttpClient;
  /** As a person knows it, such as `OpenAI`. */
  label: string;
  /** Host and port, for messages. */
  host: string;
  /** Reads an answer whose status is not 200. */
  readError(status: number, body: string, answer: HttpAnswer): ReplyError;
}

/** Turns the bytes of one streamed answer into events. Each provider has its own, in its reply.ts. */
export interface ReplyReader {
  /**
   * Reads bytes and appends what they say. May throw: what was appended before counts.
   * @throws {ReplyFault} an error event in the stream, or a form that cannot be read
   */
  push(bytes: Buffer, events: ReplyEvent[]): void;
  /** The connection ended: appends the finish. @throws {ReplyFault} when the answer is not complete */
  end(events: ReplyEvent[]): void;
  /** The service said that the answer is over; the finish was appended. */
  readonly isOver: boolean;
  /** The reason for finishing is known: a connection that breaks now does no harm. */
  readonly isComplete: boolean;
}

/** Most bytes of one streamed answer: 64 MiB, far beyond any model's longest. */
const maxReplyBytes = 67_108_864;
/** Most bytes read of an answer that is not streamed, and of an error. */
const maxJsonBytes = 67_108_864;
const maxErrorBytes = 65_536;

/**
 * An answer that is not streamed says nothing until it is complete. So it may take this many times as long as a streamed
 * one may be silent: at the default of two minutes, the ten minutes that clients of such APIs wait.
 */
export const wholePatience = 5;

/** One streamed call. */
export interface StreamCall {
  service: Service;
  request: HttpRequest;
  /** Makes the reader once the head of the answer is there. */
  createReader(contentType: string): ReplyReader;
  /** Another request to send in place of the one that was refused; asked once. */
  instead?(error: ReplyError): HttpRequest | null;
}

/**
 * Runs a streamed call. Whatever happens, it ends with exactly one finish or error event, and what came before is
 * yielded first. Leaving early closes the connection.
 */
export async function* streamReply(call: StreamCall): AsyncGenerator<ReplyEvent[]> {
  const { service } = call;
  let answer: HttpAnswer;
  let reader: ReplyReader;
  try {
    answer = await openStream(call);
    reader = call.createReader(contentTypeOf(answer));
  } catch (thrown) {
    yield [{ type: 'error', error: toReplyError(thrown, service.label, service.host) }];
    return;
  }
  let received = 0;
  try {
    for (let isOver = false; !isOver;) {
      const events: ReplyEvent[] = [];
      try {
        const chunks = await answer.body.next();
        if (chunks === null) {
          reader.end(events);
          isOver = true;
        } else {
          for (const chunk of chunks) {
            received += chunk.length;
            reader.push(chunk, events);
            if (reader.isOver) break;
          }
          if (received > maxReplyBytes) throw new ReplyFault(tooLong(service));
          isOver = reader.isOver;
        }
      } catch (thrown) {
        if (!reader.isOver) events.push(lastEvent(thrown, service, reader));
        isOver = true;
      }
      if (reader.isOver) answer.body.release();
      if (events.length > 0) yield events;
    }
  } finally {
    answer.body.close();
  }
}

function lastEvent(thrown: unknown, service: Service, reader: ReplyReader): ReplyEvent {
  const isBroken = thrown instanceof HttpFault && thrown.kind !== 'cancelled';
  if (isBroken && reader.isComplete) {
    const events: ReplyEvent[] = [];
    reader.end(events);
    return events.at(-1)!;
  }
  return { type: 'error', error: toReplyError(thrown, service.label, service.host) };
}

async function openStream(call: StreamCall): Promise<HttpAnswer> {
  const { service } = call;
  let answer = await service.client.open(call.request);
  try {
    await refuseErrors(service, answer);
  } catch (thrown) {
    const other = thrown instanceof ReplyFault ? call.instead?.(thrown.error) : null;
    if (!other) throw thrown;
    answer = await service.client.open(other);
    await refuseErrors(service, answer);
  }
  if (contentTypeOf(answer).includes('text/html')) {
    answer.body.close();
    throw new ReplyFault(webPage(service));
  }
  return answer;
}

function contentTypeOf(answer: HttpAnswer): string {
  return String(answer.headers['content-type'] ?? '').toLowerCase();
}

/** Whether any of the events is part of the answer: until then it can be asked for elsewhere and nobody notices. */
export function saysSomething(events: readonly ReplyEvent[]): boolean {
  return events.some((event) => event.type !== 'model' && event.type !== 'usage' && event.type !== 'error');
}

/** A reply that fails before it is asked for. */
export async function* failedReply(error: ReplyError): AsyncGenerator<ReplyEvent[]> {
  yield [{ type: 'error', error }];
}

/**
 * One call with a JSON answer.
 * @throws {ParleyError} what went wrong; its cause is a ReplyFault with the whole error
 */
export async function callJson(service: Service, request: HttpRequest): Promise<unknown> {
  try {
    const answer = await service.client.open(request);
    await refuseErrors(service, answer);
    const text = await answer.body.text(maxJsonBytes);
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw new ReplyFault(/^\s*</.test(text) ? webPage(service) : unreadable(service), cause);
    }
  } catch (thrown) {
    throw toParleyError(toReplyError(thrown, service.label, service.host), thrown);
  }
}

async function refuseErrors(service: Service, answer: HttpAnswer): Promise<void> {
  if (answer.status === 200) return;
  const body = await answer.body.text(maxErrorBytes).catch((thrown: unknown) => {
    // The status says enough; only a cancelled call is something else.
    if (thrown instanceof HttpFault && thrown.kind === 'cancelled') throw thrown;
    return '';
  });
  throw new ReplyFault(service.readError(answer.status, body, answer));
}

/** The address answers with a page for people. */
export function webPage(service: Pick<Service, 'label' | 'host'>): ReplyError {
  return { code: 'provider_error', message: `${service.label} at ${service.host} answered with a web page instead of an answer. Check the address; it often ends in /v1.`, serviceFault: false };
}

/** The stream ended in the middle. */
export function truncated(label: string): ReplyError {
  return { code: 'provider_error', message: `${label} broke off before the answer was complete.`, serviceFault: true };
}

/** What came is not in the form it should have. */
export function unreadable(service: Pick<Service, 'label'>): ReplyError {
  return { code: 'provider_error', message: `${service.label} sent something that is no answer: it could not be read.`, serviceFault: true };
}

function tooLong(service: Service): ReplyError {
  return { code: 'provider_error', message: `${service.label} did not stop: the answer grew beyond ${maxReplyBytes / 1_048_576} MB and was broken off.`, serviceFault: true };
}
