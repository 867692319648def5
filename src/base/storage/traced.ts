import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely';
import type { Tracer } from '../observability/index.ts';

const form = /^\s*(select|insert|update|delete|with)\b(?:[\s\S]*?\b(?:from|into|update)\s+"(\w+)")?/i;

/** What a query does, such as `select messages`: its kind and its first table, never a value. */
export function stepOf(sql: string): string {
  const [, kind, table] = form.exec(sql.startsWith('update') ? `update ${sql}` : sql) ?? [];
  return [kind?.toLowerCase() ?? 'query', table].filter(Boolean).join(' ');
}

/** The connection, with each query a step of the storage. */
export function tracedConnection(connection: DatabaseConnection, tracer: Tracer): DatabaseConnection {
  return {
    executeQuery: <Row>(query: CompiledQuery): Promise<QueryResult<Row>> => tracer.span('storage', stepOf(query.sql), () => connection.executeQuery<Row>(query)),
    streamQuery: (...given) => connection.streamQuery(...given),
  };
}
