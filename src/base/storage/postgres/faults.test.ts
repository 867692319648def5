import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { addRunningTurns, logRow, readLog, userRow } from '../fixtures.ts';
import { openStorage, type Storage } from '../index.ts';
import { openTestStorage, postgresTestUrl, type TestStorage } from '../testing.ts';

/** ReadyForQuery, the end of every answer of PostgreSQL: type Z, length 5, state. */
const endsAnswer = (data: Buffer): boolean => data.length >= 6 && data[data.length - 6] === 0x5a;

/** A way to the server that can be cut. */
class Way {
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;
  #port = 0;
  /** Swallows the next whole answer and cuts the connection that it was for. */
  cutNextAnswer = false;

  constructor(target: URL) {
    this.#target = target;
  }

  /** The address of the database by this way. */
  get url(): string {
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${this.#port}`;
    return url.href;
  }

  async open(): Promise<void> {
    const server = createServer((client) => {
      const upstream = connect(Number(this.#target.port || 5432), this.#target.hostname);
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      client.on('data', (data) => upstream.write(data));
      upstream.on('data', (data) => {
        if (!this.cutNextAnswer) client.write(data);
        else if (endsAnswer(data)) {
          this.cutNextAnswer = false;
          client.destroy();
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    const closed = new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    this.cutAll();
    await closed;
  }
}

describe.skipIf(postgresTestUrl() === null)('PostgreSQL in trouble', () => {
  let direct: TestStorage;
  let way: Way;
  let storage: Storage;

  beforeEach(async () => {
    direct = await openTestStorage('postgres');
    way = new Way(new URL(direct.options.databaseUrl!));
    await way.open();
    storage = openStorage({ ...direct.options, databaseUrl: way.url });
    await storage.start();
  });
  afterEach(async () => {
    await storage.stop();
    await way.close();
    await direct.close();
  });

  test('rows whose confirmation got lost are neither doubled nor reported as lost', async () => {
    const [one, two] = (await addRunningTurns(storage, 2)).messageIds as [string, string];
    await storage.appendTurnLog([logRow(one, 1, { body: 'a' })]);
    way.cutNextAnswer = true;
    expect(await storage.appendTurnLog([logRow(one, 2, { body: 'b' }), logRow(two, 1, { body: 'c' }), logRow(two, 2, { epoch: 9 })])).toEqual([true, true, false]);
    expect(way.cutNextAnswer).toBe(false);
    expect(await readLog(storage, one)).toEqual(['1:a', '2:b']);
    expect(await readLog(storage, two)).toEqual(['1:c']);
  });

  test('a transaction whose connection breaks is an error and leaves nothing; the next one works', async () => {
    const user = userRow();
    const broken = storage.write(async (queries) => {
      await queries.insertInto('users').values(user).execute();
      way.cutAll();
      await queries.selectFrom('users').selectAll().execute();
    });
    await expect(broken).rejects.toMatchObject({ code: 'storage_unavailable' });
    await vi.waitFor(async () => expect(await storage.check()).toEqual({ ok: true }));
    expect(await storage.read.selectFrom('users').select('id').where('id', '=', user.id).execute()).toEqual([]);
  });

  test('a commit whose confirmation got lost says that it may have been saved', async () => {
    const user = userRow();
    const unknown = storage.write(async (queries) => {
      await queries.insertInto('users').values(user).execute();
      way.cutNextAnswer = true;
    });
    await expect(unknown).rejects.toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining('may have been saved'), retryAfterMs: expect.any(Number) });
    await vi.waitFor(async () => expect(await storage.read.selectFrom('users').select('id').where('id', '=', user.id).execute()).toHaveLength(1));
  });

  test('rows that are given again after an outage count as written, once', async () => {
    const [one] = (await addRunningTurns(storage, 1)).messageIds as [string];
    const rows = [logRow(one, 1, { body: 'a' }), logRow(one, 2, { body: 'b' })];
    expect(await storage.appendTurnLog(rows)).toEqual([true, true]);
    expect(await storage.appendTurnLog(rows)).toEqual([false, false]);
    expect(await storage.appendTurnLog(rows, true)).toEqual([true, true]);
    expect(await readLog(storage, one)).toEqual(['1:a', '2:b']);
  });

  test('while the server cannot be reached everything says so, and afterwards works again', async () => {
    const [one] = (await addRunningTurns(storage, 1)).messageIds as [string];
    await way.close();
    const failures = await Promise.allSettled([
      storage.write(async (queries) => await queries.selectFrom('users').selectAll().execute()),
      storage.read.selectFrom('users').selectAll().execute(),
      storage.appendTurnLog([logRow(one, 1)]),
      storage.now(),
    ]);
    for (const failure of failures) expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'storage_unavailable' } });
    expect(await storage.check()).toMatchObject({ ok: false });
    await way.open();
    expect(await storage.appendTurnLog([logRow(one, 1)])).toEqual([true]);
    expect(await storage.check()).toEqual({ ok: true });
  });

  test('two transactions in each other\'s way are both done', async () => {
    const [left, right] = [userRow(), userRow()];
    await storage.write(async (queries) => await queries.insertInto('users').values([left, right]).execute());
    let tries = 0;
    const met = Promise.withResolvers<void>();
    const rename = (first: string, second: string): Promise<void> => storage.write(async (queries) => {
      await queries.updateTable('users').set({ name: first }).where('id', '=', first).execute();
      // Each holds its own row by now.
      tries += 1;
      if (tries === 2) met.resolve();
      await met.promise;
      await queries.updateTable('users').set({ name: first }).where('id', '=', second).execute();
    });
    await Promise.all([rename(left.id, right.id), rename(right.id, left.id)]);
    // One gave way and began anew. On a busy machine it may meet the other a second time, before that was told of the first.
    expect(tries).toBeGreaterThanOrEqual(3);
    const names = await storage.read.selectFrom('users').select('name').execute();
    expect(names[0]).toEqual(names[1]);
  });

  test('a transaction that hides an error from `write` is not committed in silence', async () => {
    const user = userRow();
    const hidden = storage.write(async (queries) => {
      await queries.insertInto('users').values(user).execute();
      await queries.insertInto('users').values(user).execute().catch(() => null);
    });
    await expect(hidden).rejects.toThrow(/nothing was committed/);
    expect(await storage.read.selectFrom('users').select('id').execute()).toEqual([]);
  });

  test('a server that does not answer at the start is named in the error, its password is not', async () => {
    const url = new URL(way.url);
    url.password = 'very-secret';
    await way.close();
    const unreachable = openStorage({ ...direct.options, databaseUrl: url.href });
    const error = await unreachable.start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'storage_unavailable', message: expect.stringMatching(/PostgreSQL cannot be used.*ECONNREFUSED/) });
    expect(JSON.stringify([error, String(error), (error as Error).stack])).not.toContain('very-secret');
  });

  test.each(['postgres://ann:very-secret@localhost:999999/db', 'mysql://ann:very-secret@localhost/db', 'very-secret'])('an address that is none (%#) is named by its setting and not repeated', async (databaseUrl) => {
    const error = await openStorage({ ...direct.options, databaseUrl }).start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringMatching(/^DATABASE_URL is no address/) });
    expect(JSON.stringify([error, String(error), (error as Error).stack])).not.toContain('very-secret');
  });
});
