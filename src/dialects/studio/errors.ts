import type { ErrorCode } from '../../base/errors.ts';
import type { Dialect } from '../shared/index.ts';

/**
 * Where the status differs from the table's. 401 and 404 are kept for the user and for what is theirs, so what a model
 * service says of its key becomes a fault of the service or of its set-up, and a model that there is not one of the request.
 */
const statuses: Partial<Record<ErrorCode, number>> = { validation_failed: 400, no_api_key: 503, model_not_found: 400, invalid_api_key: 502 };

/** `{"error": "..."}`. */
export const studioDialect: Dialect = {
  name: 'studio',
  prefixes: ['/api/chat/conversations', '/api/files', '/api/knowledge'],
  status: (error) => statuses[error.code] ?? error.status,
  errorBody: (error) => ({ error: error.message }),
};
