import type { ParleyError } from '../../base/errors.ts';
import type { Dialect } from '../shared/index.ts';

/** The dialect of Ollama's clients: `{"error": "..."}` with Ollama's status codes. */
export const ollamaDialect: Dialect = {
  name: 'ollama',
  prefixes: ['/api'],
  status: (error) => (error.code === 'validation_failed' ? 400 : error.status),
  errorBody,
};

export function errorBody(error: ParleyError): { error: string } {
  return { error: error.message };
}

/** An error told inside a stream, which ends with it. */
export function errorLine(error: ParleyError): string {
  return `${JSON.stringify(errorBody(error))}\n`;
}
