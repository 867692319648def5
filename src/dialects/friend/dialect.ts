import { errorTable, type ErrorCode } from '../../base/errors.ts';
import { detailBody, type Dialect } from '../shared/index.ts';

/** Sentences of the published document for errors that say nothing more precise. */
const sentences: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'Invalid or expired token',
  rate_limited: 'Rate limit exceeded',
};

export const friendDialect: Dialect = {
  name: 'friend',
  prefixes: ['/api', '/stats'],
  // Here 401 says that the token is no good, which the key of a model service has nothing to do with.
  status: (error) => (error.code === 'invalid_api_key' ? 502 : error.status),
  errorBody(error) {
    const sentence = error.message === errorTable[error.code].sentence ? sentences[error.code] : undefined;
    return sentence === undefined ? detailBody(error) : { detail: sentence };
  },
};
