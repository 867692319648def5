import type { Compilable, CompiledQuery } from 'kysely';
import type { Queries, WriteQueries } from './types.ts';

/** Stands in a template for a value that is given at each execution. */
class Field {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A template compiled for one engine: which field goes to which parameter; other parameters are constants. */
interface Compiled {
  query: CompiledQuery;
  parameters: readonly unknown[];
}

/**
 * A query that is built once and executed often with other values: building one costs more than SQLite takes to run it,
 * so the statements of every message are templates. Types are checked as in any other query.
 *
 * ```ts
 * const byId = new Template<{ id: string }, MessagesTable>((queries, field) =>
 *   queries.selectFrom('messages').selectAll().where('id', '=', field('id')));
 * const rows = await byId.all(queries, { id });
 * ```
 */
export class Template<Fields extends object, Row = unknown> {
  private readonly build: (queries: Queries, field: <Name extends keyof Fields & string>(name: Name) => Fields[Name]) => Compilable<unknown>;
  private readonly compiled = new WeakMap<object, Compiled>();

  /** @param build makes the query; called once for each engine. What it does must not depend on the values. */
  constructor(build: (queries: Queries, field: <Name extends keyof Fields & string>(name: Name) => Fields[Name]) => Compilable<unknown>) {
    this.build = build;
  }

  /** Executes it and gives the rows. */
  async all(queries: Queries | WriteQueries, fields: Fields): Promise<Row[]> {
    return (await this.execute(queries, fields)).rows;
  }

  /** Executes it and gives the first row. */
  async first(queries: Queries | WriteQueries, fields: Fields): Promise<Row | undefined> {
    return (await this.execute(queries, fields)).rows[0];
  }

  /** Executes it and gives the number of rows inserted, updated or deleted. */
  async run(queries: Queries | WriteQueries, fields: Fields): Promise<number> {
    return Number((await this.execute(queries, fields)).numAffectedRows ?? 0);
  }

  private execute(queries: Queries | WriteQueries, fields: Fields) {
    const { query, parameters } = this.compile(queries);
    const values = parameters.map((parameter) => (parameter instanceof Field ? fields[parameter.name as keyof Fields] : parameter));
    return queries.executeQuery<Row>({ ...query, parameters: values } as CompiledQuery<Row>);
  }

  private compile(queries: Queries | WriteQueries): Compiled {
    const engine = queries.getExecutor().adapter.constructor;
    const known = this.compiled.get(engine);
    if (known) return known;
    const query = this.build(queries, (name) => new Field(name) as never).compile() as CompiledQuery;
    const made = { query, parameters: query.parameters };
    this.compiled.set(engine, made);
    return made;
  }
}

/** All columns of a row as fields, for an insert of one whole row. */
export function fieldsOf<Row extends object>(columns: readonly (keyof Row & string)[], field: (name: keyof Row & string) => unknown): Row {
  return Object.fromEntries(columns.map((column) => [column, field(column)])) as Row;
}
