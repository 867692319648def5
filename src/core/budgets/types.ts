import type { Part } from '../../base/lifecycle.ts';
import type { Queries, UsageTable, WriteQueries } from '../../base/storage/index.ts';
import type { Role, Viewer } from '../accounts/index.ts';

export type Period = 'day' | 'month';

/** Whose a budget is: a user with all keys, or one API key alone. */
export interface BudgetSubject {
  kind: 'user' | 'key';
  id: string;
}

/** The bounds of one budget; null for none of this kind. */
export interface Bounds {
  /** Calls of a model. */
  requests: number | null;
  /** Sent and made together. */
  tokens: number | null;
  /** Micro-dollars (1e-6 USD). */
  costMicros: number | null;
}

/** A budget that holds for every user without one of the same period. */
export interface DefaultBudget extends Bounds {
  period: Period;
}

/** How budgets are set up for the whole server. */
export interface BudgetSettings {
  perUser: readonly DefaultBudget[];
  /** Whether a budget in money refuses models whose price is not known, or lets them through and counts nothing. */
  unpriced: 'refuse' | 'allow';
}

/** Who pays for a call. */
export interface Spender {
  userId: string;
  role: Role;
  /** The API key that the call was made with; null without one. */
  apiKeyId: string | null;
}

/** What a call may use, before it is made. */
export interface Estimate {
  /** `provider/model`. */
  model: string;
  tokensIn: number;
  /** Most tokens of the answer; null when nothing bounds them: then a usual length is assumed. */
  tokensOut: number | null;
  /** Micro-dollars of the whole call, for calls that are not paid by their tokens; null when not known. Undefined: by the tokens. */
  costMicros?: number | null;
}

/** A call that has ended. */
export interface EndedCall {
  /** The id it was reserved under; null when nothing was reserved. */
  reservation: string | null;
  /**
   * Its usage row, which the caller inserts afterwards in the same transaction; null when no model was asked. Where its
   * figures are not known, `charged_tokens` and `charged_micros` are filled in here.
   */
  usage: UsageTable | null;
  /** Estimate of what the model said, for calls without a figure of its own. */
  tokensSaid: number;
}

/** A budget and how it stands. */
export interface BudgetState {
  subject: BudgetSubject;
  /** The user's name, or the key's name and beginning. */
  label: string;
  /** The user, or the user whose key it is. */
  userId: string;
  period: Period;
  /** Whether it was set for this subject, or is the one for everybody. */
  source: 'own' | 'default';
  bounds: Bounds;
  used: Record<keyof Bounds, number>;
  /** Held by calls under way. */
  reserved: Record<keyof Bounds, number>;
  /** When the next period begins, milliseconds since the epoch. */
  resetsAt: number;
}

/** What is left of the tightest budget of one kind. */
export interface BudgetRest {
  kind: keyof Bounds;
  bound: number;
  /** Without what calls under way hold. */
  left: number;
  /** Milliseconds since the epoch. */
  resetsAt: number;
}

export type UsageGroup = 'user' | 'key' | 'model' | 'day';

export interface UsageQuery {
  /** Milliseconds since the epoch; default: the beginning of this month (UTC). */
  from?: number;
  /** Milliseconds since the epoch, not included; default: now. */
  to?: number;
  groupBy: UsageGroup;
  /** Whose; undefined: the viewer's own, null: everybody's. */
  userId?: string | null;
}

/** What was used by one user, with one key, of one model or on one day. */
export interface UsageLine {
  /** Id of the user or key, the model, or the day as `2026-11-21`; null for calls without a key. */
  group: string | null;
  /** The same for a person: name of the user, name and beginning of the key. */
  label: string;
  /** Calls of a model, failed ones included. */
  calls: number;
  /** Sums of what is known. */
  tokensIn: number;
  tokensOut: number;
  costMicros: number;
  /** Calls that `tokensIn` or `tokensOut` lacks: they were cancelled or broke off, or their service does not say. */
  callsWithoutTokens: number;
  /** Calls that `costMicros` lacks. */
  callsWithoutPrice: number;
}

/**
 * What users and keys may use in a day and a month (UTC), and what they have used. A call is reserved before it is made
 * and settled when it has ended, in the transactions of the caller, so that calls at the same time, on any instance,
 * never spend the same rest.
 */
export interface Budgets extends Part {
  /**
   * Whether any budget may hold for this spender. Remembered for a few seconds, so it costs next to nothing; ask it
   * before making an estimate.
   */
  mayApply(queries: Queries | WriteQueries, spender: Spender): Promise<boolean>;
  /**
   * Reserves what a call may use, in the caller's transaction.
   * @param id of the answer's message for a turn, which holds the reservation as long as its row in `turns` is there; any
   * other id for a call that ends with this process
   * @returns whether anything was reserved: false when no budget holds for the spender
   * @throws {ParleyError} `budget_exceeded` with the time until it fits again; `forbidden` for a model without a known
   * price under a budget in money
   */
  reserve(queries: WriteQueries, spender: Spender, id: string, estimate: Estimate, kind: 'turn' | 'call'): Promise<boolean>;
  /** Replaces reservations by what was used, in the transaction that inserts the usage rows, and before it does. */
  settle(queries: WriteQueries, calls: readonly EndedCall[]): Promise<void>;
  /** Whether a reservation is still there: nobody has settled it. */
  isReserved(queries: WriteQueries, id: string): Promise<boolean>;

  /** What is left for this viewer and credential, of each kind that is bounded; nearly free for those without a budget. */
  left(viewer: Viewer): Promise<BudgetRest[]>;

  /** Usage by user, key, model or day, from the usage rows. @throws {ParleyError} `forbidden` for others than the own without being an administrator */
  usage(viewer: Viewer, query: UsageQuery): Promise<UsageLine[]>;
  /**
   * Budgets that hold for a user and the user's keys, with what is left of them.
   * @param userId undefined: the viewer's own, null: all that were set
   * @throws {ParleyError} `forbidden`, `not_found`
   */
  list(viewer: Viewer, userId?: string | null): Promise<BudgetState[]>;
  /**
   * Sets the budget of a subject for one period, in place of the one for everybody. Bounds that are all null mean no
   * bound at all. What was used in the period already counts. Administrators only.
   * @throws {ParleyError} `forbidden`, `not_found`, `invalid_request`
   */
  set(viewer: Viewer, subject: BudgetSubject, period: Period, bounds: Bounds): Promise<BudgetState>;
  /** Removes it; the one for everybody holds again. Administrators only. @throws {ParleyError} `forbidden`, `not_found` */
  remove(viewer: Viewer, subject: BudgetSubject, period: Period): Promise<void>;
}
