import { Writable } from 'node:stream';
import { pino, type Logger } from 'pino';
import { currentPlace } from './trace.ts';

export type Log = Logger;

/** Fields that never reach a log, wherever they stand in the logged object. */
const secretFields = [
  'authorization', 'cookie', 'set-cookie', 'password', 'token', 'access_token', 'apiKey', 'api_key', 'key', 'secret',
  'x-api-key', 'x-csrf-token', 'code',
];

/**
 * Structured logs, one JSON object a line, to standard error (standard output belongs to the terminal page).
 * @param level `fatal` to `trace`, or `silent`
 */
export function createLog(level: string, destination: NodeJS.WritableStream = process.stderr): Log {
  return pino(
    {
      level,
      redact: { paths: secretFields.flatMap((field) => [quoted(field), `*${bracketed(field)}`, `*.*${bracketed(field)}`]), censor: '[hidden]' },
      formatters: { level: (label) => ({ level: label }) },
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: traceOfLine,
    },
    destination as unknown as pino.DestinationStream,
  );
}

/** Lines that are written for a request name its trace, while requests leave any. */
function traceOfLine(): object {
  const trace = currentPlace.getStore()?.trace;
  return trace ? { traceId: trace.id } : {};
}

function quoted(field: string): string {
  return /^[a-z_]+$/i.test(field) ? field : `["${field}"]`;
}

function bracketed(field: string): string {
  return `["${field}"]`;
}

/** A log that keeps nothing, for tests. */
export function silentLog(): Log {
  return pino({ level: 'silent' }, new Writable({ write: (_chunk, _encoding, done) => done() }));
}
