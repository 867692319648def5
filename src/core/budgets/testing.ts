import { createLocalBus, type Bus } from '../../base/events/index.ts';
import { newId } from '../../base/ids.ts';
import { createMetrics, silentLog } from '../../base/observability/index.ts';
import type { Engine, Storage, UsageTable } from '../../base/storage/index.ts';
import { openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import type { Role, Viewer } from '../accounts/index.ts';
import { createBudgets } from './budgets.ts';
import type { Bounds, Budgets, BudgetSettings, Estimate, Spender } from './types.ts';

/** Prices of the test, micro-dollars a token sent and made; a model that is not here has none. */
const prices: Record<string, [input: number, output: number]> = { 'test/free': [0, 0], 'test/cheap': [1, 2], 'test/dear': [100, 200] };

/** Budgets over a database, with a clock that stands still until it is moved. */
export interface BudgetHouse {
  database: TestStorage;
  storage: Storage;
  budgets: Budgets;
  bus: Bus;
  now: number;
  /** Budgets of another instance over the same rows, with a storage of its own where the engine lets it. */
  another(options?: { bus?: Bus; settings?: BudgetSettings }): Promise<Budgets>;
  user(name: string, role?: Role): Promise<Viewer>;
  /** An API key of a user; gives its id. */
  key(owner: Viewer, name: string): Promise<string>;
  reserve(spender: Spender, estimate?: Partial<Estimate>, by?: Budgets): Promise<string | null>;
  /** Settles a call and stores its usage row. */
  settle(spender: Spender, reservation: string | null, usage: Partial<UsageTable> | null, tokensSaid?: number, by?: Budgets): Promise<UsageTable | null>;
  /** Reserves, makes and settles a call of so many tokens. */
  call(spender: Spender, tokensIn: number, tokensOut: number, more?: Partial<UsageTable>): Promise<void>;
  close(): Promise<void>;
}

export const noon = Date.UTC(2030, 4, 10, 12);
export const unbounded: Bounds = { requests: null, tokens: null, costMicros: null };

export function spenderFor(viewer: Viewer, apiKeyId: string | null = null): Spender {
  return { userId: viewer.userId, role: viewer.role, apiKeyId };
}

export async function openBudgetHouse(engine: Engine, settings: BudgetSettings = { perUser: [], unpriced: 'refuse' }): Promise<BudgetHouse> {
  const database = await openTestStorage(engine);
  const { storage } = database;
  const bus = createLocalBus((error) => { throw error; });
  const closers: (() => Promise<void>)[] = [];
  const begin = async (over: Storage, on: Bus, how: BudgetSettings): Promise<Budgets> => {
    const budgets = createBudgets({
      storage: over, bus: on, log: silentLog(), metrics: createMetrics(), instanceId: newId(), settings: how,
      clock: { now: () => house.now, monotonic: () => house.now },
      models: { cost: ({ id }, tokensIn, tokensOut) => (prices[id] && typeof tokensIn === 'number' && typeof tokensOut === 'number' ? tokensIn * prices[id][0] + tokensOut * prices[id][1] : null) },
    });
    await budgets.start?.();
    closers.push(async () => budgets.stop?.());
    return budgets;
  };
  const house: BudgetHouse = {
    database, storage, bus, now: noon, budgets: undefined as unknown as Budgets,
    another: ({ bus: on = createLocalBus((error) => { throw error; }), settings: how = settings } = {}) => begin(storage, on, how),
    user: (name, role = 'user') => addUser(storage, name, role),
    key: (owner, name) => addKey(storage, owner, name),
    async reserve(spender, estimate = {}, by = house.budgets) {
      const id = newId();
      const isReserved = await storage.write((queries) => by.reserve(queries, spender, id, { model: 'test/cheap', tokensIn: 100, tokensOut: 100, ...estimate }, 'call'));
      return isReserved ? id : null;
    },
    async settle(spender, reservation, usage, tokensSaid = 0, by = house.budgets) {
      const row = usage && { ...usageRow(spender, house.now), ...usage };
      await storage.write(async (queries) => {
        await by.settle(queries, [{ reservation, usage: row, tokensSaid }]);
        if (row) await queries.insertInto('usage').values(row).execute();
      });
      return row;
    },
    async call(spender, tokensIn, tokensOut, more = {}) {
      const reservation = await house.reserve(spender, { tokensIn, tokensOut });
      await house.settle(spender, reservation, { tokens_in: tokensIn, tokens_out: tokensOut, cost_micros: tokensIn + 2 * tokensOut, ...more });
    },
    async close() {
      for (const close of closers.reverse()) await close();
      await database.close();
    },
  };
  house.budgets = await begin(storage, bus, settings);
  return house;
}

function usageRow(spender: Spender, now: number): UsageTable {
  return {
    id: newId(), user_id: spender.userId, api_key_id: spender.apiKeyId, message_id: null, dialect: 'test', kind: 'chat', model: 'test/cheap', tokens_in: null, tokens_out: null,
    cost_micros: null, duration_ms: 5, time_to_first_token_ms: null, outcome: 'DELIVERED', created_at: now, charged_tokens: null, charged_micros: null,
  };
}

async function addUser(storage: Storage, name: string, role: Role): Promise<Viewer> {
  const id = newId();
  await storage.write((queries) => queries.insertInto('users').values({
    id, username: name, username_key: name, email: null, name: null, password_hash: null, role, tokens_valid_from: 0, last_conversation_number: 0,
    current_conversation_id: null, created_at: 1, disabled_at: null,
  }).execute());
  const scopes = ['read', 'write', 'chat', ...(role === 'user' ? [] : ['admin'])] as Viewer['scopes'];
  return { userId: id, username: name, role, scopes, via: 'internal', credentialId: null, expiresAt: null };
}

async function addKey(storage: Storage, owner: Viewer, name: string): Promise<string> {
  const id = newId();
  await storage.write((queries) => queries.insertInto('api_keys').values({
    id, user_id: owner.userId, name, prefix: 'ask_12345678', hash: id, scopes: '[]', created_at: 1, last_used_at: null, expires_at: null, revoked_at: null,
  }).execute());
  return id;
}
