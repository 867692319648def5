import type { Socket } from 'socket.io';
import { isFault, ParleyError } from '../../../base/errors.ts';
import { check } from '../validation.ts';
import { showable } from '../errors.ts';
import type { DialectParts } from '../types.ts';
import { requireScope, takeFrom } from '../viewers.ts';
import type { Watched } from '../credential-watch.ts';
import type { SocketConnection } from './connection.ts';
import { Later, type NamespaceOptions, type SocketEvent } from './types.ts';

/** Events of one socket that wait to be handled, beyond which it is cut off: no client of a person sends so fast. */
const mostWaiting = 256;

/** Longest part of an unknown event's name that is repeated. */
const mostNamed = 40;

const atOnce = Promise.resolve();

/** Where an acknowledgement goes; undefined when the client wants none. */
type Acknowledge = ((answer: unknown) => void) | undefined;

/** How the errors of events are told that nobody knows; one for all sockets of a namespace. */
export interface UnknownEvents {
  errorEvent: NamespaceOptions['errorEvent'];
}

/** One socket from its connection to its end: its events are handled one after another, and nothing that they do ends the server. */
export class SocketSession implements Watched {
  readonly connection: SocketConnection;
  private readonly parts: DialectParts;
  private readonly options: NamespaceOptions;
  private readonly events: ReadonlyMap<string, SocketEvent>;
  private readonly unknown: UnknownEvents;
  private waiting = 0;
  private order: Promise<void> = atOnce;

  constructor(parts: DialectParts, options: NamespaceOptions, events: ReadonlyMap<string, SocketEvent>, unknown: UnknownEvents, connection: SocketConnection) {
    this.parts = parts;
    this.options = options;
    this.events = events;
    this.unknown = unknown;
    this.connection = connection;
  }

  get viewer(): SocketConnection['viewer'] {
    return this.connection.viewer;
  }

  /** Called when the credential expires or is revoked. */
  ended(): void {
    this.connection.disconnect();
  }

  /** @param allowed what events wait for; when it is refused the connection ends */
  listen(socket: Socket, allowed: Promise<void>): void {
    this.order = allowed.catch(() => this.connection.disconnect());
    socket.onAny((event: unknown, ...args: unknown[]) => this.receive(String(event), args));
  }

  private receive(event: string, args: unknown[]): void {
    const last = args.at(-1);
    const acknowledge = typeof last === 'function' ? (last as Acknowledge) : undefined;
    const payload = args.length > 0 && args[0] !== last ? args[0] : acknowledge === undefined ? args[0] : undefined;
    this.waiting += 1;
    if (this.waiting > mostWaiting) return this.connection.disconnect();
    this.order = this.order
      .then(() => this.handle(event, payload, acknowledge))
      .catch((thrown: unknown) => this.answerError(thrown, event, acknowledge))
      .finally(() => {
        this.waiting -= 1;
      });
  }

  private async handle(name: string, payload: unknown, acknowledge: Acknowledge): Promise<void> {
    const { connection, parts } = this;
    if (!connection.isOpen) return;
    await takeFrom(parts, { name: 'socket-frames', count: parts.settings.limits.requestsPerMinute, windowMs: 60_000 }, connection.viewer.userId);
    const event = this.events.get(name);
    if (!event) throw new ParleyError('invalid_request', { message: `Unknown event: ${shortName(name)}` });
    if (event.dialect !== undefined && parts.switches?.isOn(event.dialect) === false) throw new ParleyError('switched_off');
    requireScope(connection.viewer, event.scope);
    const work = async (): Promise<unknown> => event.handle(connection, check(event.schema, payload, 'payload'));
    const answer = await (parts.tracer?.active ? parts.tracer.event(name, work) : work());
    if (answer instanceof Later) return this.answerLater(answer, name, acknowledge);
    if (connection.isOpen) acknowledge?.(answer);
  }

  private answerLater({ answer }: Later, event: string, acknowledge: Acknowledge): void {
    answer.then(
      (given) => {
        if (this.connection.isOpen) acknowledge?.(given);
      },
      (thrown: unknown) => void this.acknowledgeError(thrown, event, acknowledge),
    );
  }

  private acknowledgeError(thrown: unknown, event: string, acknowledge: Acknowledge): ParleyError {
    const error = showable(thrown);
    if (isFault(error)) this.parts.log.error({ event, errorCode: error.code, err: error.cause ?? error }, error.message);
    if (this.connection.isOpen) acknowledge?.({ error: error.message, code: error.code });
    return error;
  }

  private answerError(thrown: unknown, event: string, acknowledge: Acknowledge): void {
    const error = this.acknowledgeError(thrown, event, acknowledge);
    if (!this.connection.isOpen) return;
    const known = this.events.get(event);
    const errorEvent = known ? (known.errorEvent ?? this.options.errorEvent) : this.unknown.errorEvent;
    const told = errorEvent?.(error, known ? event : shortName(event));
    if (told) this.connection.emit(told.event, told.payload);
  }
}

/** As much of an event's name as is repeated. */
function shortName(event: string): string {
  return event.slice(0, mostNamed).toWellFormed();
}
