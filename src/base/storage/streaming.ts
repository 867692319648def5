/**
 * Why a query cannot be streamed, on either engine: an open stream pins its snapshot (on SQLite the log could not shrink,
 * on PostgreSQL a connection were taken) for as long as its reader likes.
 */
export const streamingRefused = 'Queries are not streamed: read in pages.';
