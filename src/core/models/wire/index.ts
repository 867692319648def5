export { parseAddress, type Address } from './address.ts';
export { callJson, failedReply, saysSomething, streamReply, truncated, unreadable, webPage, wholePatience, type ReplyReader, type Service } from './call.ts';
export { createHttpClient, type HttpAnswer, type HttpClient, type HttpRequest } from './client.ts';
export { HttpFault, ReplyFault, replyErrorOf, serviceWords, statusError, toParleyError, toReplyError, unsupported } from './faults.ts';
export { createLineSplitter, StreamFormError, type LineSplitter } from './lines.ts';
export { parseRetryAfter } from './retry-after.ts';
export { createSseParser } from './sse.ts';
